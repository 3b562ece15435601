"""Prove, inside the finished ``<twin>__next``, that it is complete and masked.

Per relation: its row count against the rows that the source's server sent in the run's snapshot. Per masked
column: over the gathered rows, the twin's value is what the mask gives for the row; by the source's own count
the mask has given no original (or has left no more values as they were than chance allows), and distinct
values stay distinct; every value belongs to the mask's own output and has its shape; nothing that the mask
removes is left. The twin is not searched for originals: nothing that would find one comes here.

A relation of less than twice ``SEARCHED_ROWS`` is searched row by row. Of a larger one those that were
gathered are, and beside them one row in up to ``MOST_ONE_IN``, chosen so that nothing in the data can foresee
it. A fault that shows in the row itself (outside the mask's domain or shape, something left) in one row of
ten thousand escapes 100,000 with a probability of one in twenty thousand. A value that is not what the mask
gives shows in gathered rows: see ``evidence``. All rows are counted.
"""

from __future__ import annotations

import itertools
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.plan import CopyItem, Plan
from appliance.postgres.proof import queries
from appliance.postgres.proof.hashes import KEPT_IN, encodings_differ
from appliance.postgres.proof.parts import Loaded, finder_of, parts
from appliance.postgres.proof.queries import Search
from appliance.postgres.proof.results import TableProof
from appliance.postgres.proof.verdicts import Given, PartVerdict, proof_of

# The evidence of a relation becomes hash tables in memory; a smaller limit would mean a search for each row.
SESSION = "SET work_mem = '512MB'"
SEARCHED_ROWS = 100_000
"""A search costs up to a third of copying a row, so that a large relation is searched in part."""
MOST_ONE_IN = 16


def prove(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, source_rows: int) -> TableProof:
    """Hold one relation of the twin against the source's evidence, which must be indexed.

    The run's key must be bound in the session, and ``SESSION`` run in it. ``source_rows`` is how many the
    source's server has sent. Raises psycopg errors.
    """
    (rows,) = _row(connection, queries.row_count(loaded))
    if not plan.tables[loaded.number].masked_columns:
        return proof_of(loaded, rows, source_rows, ())
    gathered, found = what_was_gathered(connection, [loaded]), []
    for search in map(gathered.told_apart, searches(connection, plan, loaded, source_rows)):
        given, distinct = gathered.of(search), None
        numbers = _row(connection, queries.counting(search, whole=given.rows == source_rows))
        if search.part.made and not search.finder.unique:
            distinct = _row(connection, queries.distinct_hashes(search))
        found.append(PartVerdict(search, source_rows, given, numbers, distinct))
    return proof_of(loaded, rows, source_rows, found)


class Gathered(dict[tuple[int, int], Given]):
    """The same by relation and part; of what is missing nothing was given."""

    def of(self, search: Search) -> Given:
        """What was given of the part that is searched."""
        return self.get((search.part.relation, search.part.number), Given())

    def told_apart(self, search: Search) -> Search:
        """The search, without trust in a key that some gathered rows share: the source breaks it."""
        given, finder = self.of(search), search.finder
        if not finder.unique or given.apart.get(finder.kept_in, given.rows) == given.rows:
            return search
        return replace(search, finder=replace(finder, unique=False))


def what_was_gathered(connection: Connection[TupleRow], relations: Sequence[Loaded]) -> Gathered:
    """What the evidence has of some relations. Raises psycopg errors."""
    numbers = [each.number for each in relations]
    counted: dict[tuple[int, int], list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for relation, part, *facet in connection.execute(queries.counted(numbers).encode()):
        counted[relation, part].append(tuple(facet))
    found = Gathered({key: Given(counted=some) for key, some in counted.items()})
    for relation, part, rows, *apart in connection.execute(queries.gathered(numbers).encode()):
        told_apart = dict(zip(KEPT_IN, apart, strict=True))
        found[relation, part] = Given(rows, told_apart, counted.get((relation, part), ()))
    return found


def searches(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, rows: int) -> list[Search]:
    """How each part of a relation is searched. No query is asked."""
    ours = connection.info.parameter_status("server_encoding") or ""
    converted = encodings_differ(ours, plan.source.encoding)
    finder, seed = finder_of(plan, loaded), secrets.randbits(62)
    # Rows that nothing distinguishes are all searched for what the masks gave.
    part_of = one_in(rows) if finder.columns else 1
    found = parts(plan.tables[loaded.number], loaded.number, converted=converted)
    return [Search(loaded, part, finder, converted, part_of, seed) for part in found]


def copying_faults(plan: Plan, items: list[CopyItem], copied: set[str]) -> list[str]:
    """Pieces that have not arrived, and tables that the pieces do not cover without a gap."""
    found = [
        f"{plan.table_name(item)}: piece {item.part + 1} of {item.parts} has not arrived"
        for item in items
        if item.key not in copied
    ]
    by_table: dict[int, list[CopyItem]] = defaultdict(list)
    for item in items:
        by_table[item.table].append(item)
    for number, table in enumerate(plan.tables):
        pieces = sorted(by_table[number], key=lambda item: item.part)
        whole = [item.part for item in pieces] == list(range(len(pieces))) and bool(pieces)
        ends = whole and pieces[0].first_page is None and pieces[-1].end_page is None
        gaps = any(one.end_page != other.first_page for one, other in itertools.pairwise(pieces))
        if not ends or gaps:
            found.append(f"{table.qualified}: its pieces do not cover it")
    return found


# What a table has from one above it is as valid as it is there, and pg_dump names it there alone. A NOT NULL
# is known by its column (since PostgreSQL 18), a partition's key by the key that it comes from. What is not
# enforced (since 18) is never validated.
_UNCHECKED = """
SELECT c.relname::text || ' ' || k.conname::text
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE NOT k.convalidated AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false' AND NOT EXISTS (
    SELECT FROM pg_constraint AS p
    WHERE NOT p.convalidated AND (p.oid = k.conparentid OR (
        p.contype = k.contype AND k.contype IN ('c', 'n')
        AND p.conrelid IN (SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = k.conrelid)
        AND (p.conname = k.conname OR k.contype = 'n') AND (k.contype = 'c' OR (
            SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = p.conrelid AND a.attnum = p.conkey[1]
        ) = (
            SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        )))))
ORDER BY 1
"""


def unchecked_constraints(connection: Connection[TupleRow]) -> list[str]:
    """Constraints of the twin that were never validated, as ``table name`` in pg_dump's words."""
    return [name for (name,) in connection.execute(_UNCHECKED)]


def one_in(rows: int) -> int:
    """Which part of so many rows is searched: one in 1, 2, 4 or at most ``MOST_ONE_IN``."""
    part = 1
    while part < MOST_ONE_IN and rows // (2 * part) >= SEARCHED_ROWS:
        part *= 2
    return part


def _row(connection: Connection[TupleRow], query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    return tuple(row) if row is not None else ()
