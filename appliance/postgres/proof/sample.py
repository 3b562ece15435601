"""Which rows of a piece are the sample: a small table's all, a tenth of a larger one's, from all over it."""

from __future__ import annotations

import random

from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.plan import CopyItem, Plan, PlannedTable

EXACT_ROWS = 20_000
"""A row of evidence costs up to a third of copying it, so only a small table gives all."""
MOST_ROWS = 100_000
"""A leak of one row in a thousand would meet a hundred of so many."""
_PLACES = 16
"""A sample comes from so many places of a piece, spread over the whole of it."""
_TID_RANGE_SCAN_SINCE = 140000


def sampled(plan: Plan, item: CopyItem, rows: int, server_version: int) -> str:
    """``FROM … WHERE …`` for all rows of a piece, or for about as many as it has to give."""
    table, wanted_rows = plan.tables[item.table], budget(item, rows)
    if rows <= wanted_rows:
        return rows_of(table, item)
    first, end = item.first_page or 0, item.end_page or max(table.pages, 1)
    wanted = -(-wanted_rows * (end - first) // rows)
    in_one_place = -(-wanted // _PLACES)
    stride = (end - first) // _PLACES
    if table.filtered or server_version < _TID_RANGE_SCAN_SINCE or stride <= 2 * in_one_place:
        # Chosen rows may all stand on a few pages, and an older server finds no page by its number.
        return by_odds(table, item, rows)
    chosen = random.Random(f"{plan.run_id}/{item.key}")  # noqa: S311
    starts = [first + place * stride + chosen.randrange(stride - in_one_place) for place in range(_PLACES)]
    ranges = ", ".join(f"('({start},0)'::tid, '({start + in_one_place},0)'::tid)" for start in starts)
    # LATERAL and OFFSET 0: each range is looked up by itself, as a TID range scan.
    within = "t.ctid >= appliance_range.appliance_low AND t.ctid < appliance_range.appliance_high"
    return (
        f"FROM (VALUES {ranges}) AS appliance_range (appliance_low, appliance_high)"
        f" CROSS JOIN LATERAL (SELECT * {rows_of(table)} WHERE {within} OFFSET 0) AS t"
    )


def budget(item: CopyItem, rows: int) -> int:
    """How many rows a piece gives, taking all pieces of its table to be like it."""
    return max(EXACT_ROWS, min(MOST_ROWS, rows * item.parts // 10)) // item.parts


def by_odds(table: PlannedTable, item: CopyItem, rows: int) -> str:
    """Each row of a piece with the same odds: reads all of it."""
    everything = rows_of(table, item)
    joined = "AND" if table.filtered or item.ctids is not None or item.parts > 1 else "WHERE"
    return f"{everything} {joined} random() < {budget(item, rows) / rows}"
