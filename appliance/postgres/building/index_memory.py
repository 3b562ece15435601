"""The memory that sorting for a B-tree gets: what fits a processor's cache, not all there is."""

from __future__ import annotations

import math
import re

_LEAST_KB = 16 * 1024
_MOST_KB = 256 * 1024
_MERGE_BUFFER_KB = 264
"""What a merge needs for each run it takes in: MERGE_BUFFER_SIZE and a page (PostgreSQL's tuplesort.c)."""
_B_TREE = re.compile(r" USING btree \(|\n    ADD CONSTRAINT .+ (?:PRIMARY KEY|UNIQUE)\b")


def sort_memory_kb(table_bytes: int) -> int:
    """Memory for sorting the keys of a B-tree over so large a table.

    Runs that fit into the cache are sorted up to twice as fast as one run of everything: an index over 2.4
    million e-mail addresses took 2.6 s of processor time with 16 MB and 4.8 s with 256 MB, over numbers
    1.15 s and 1.5 s. So a sort gets only as much as lets one merge take in every run: there are keys / memory
    runs, and room for memory / ``_MERGE_BUFFER_KB``.
    """
    # A row of a narrow table is smaller than its key with what a sort notes beside it.
    keys_kb = table_bytes * 3 // 2 // 1024
    return max(_LEAST_KB, min(_MOST_KB, math.isqrt(keys_kb * _MERGE_BUFFER_KB)))


def builds_b_tree(statement: str) -> bool:
    """Whether pg_dump's statement builds a B-tree. A GIN or GiST index needs all the memory it can get."""
    return _B_TREE.search(statement) is not None


def limit_sort_memory(table_bytes: int) -> str:
    """SQL that lowers the transaction's ``maintenance_work_mem`` to that, and never raises it."""
    allowed = "pg_size_bytes(current_setting('maintenance_work_mem')) / 1024"
    wanted = sort_memory_kb(table_bytes)
    return f"SELECT set_config('maintenance_work_mem', least({wanted}, {allowed})::text, true); "
