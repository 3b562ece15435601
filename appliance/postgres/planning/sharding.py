"""Cut the copying into shards: small tables packed together, large ones cut into ranges of pages.

Cost is counted in bytes: the size, and a surcharge for what each row and each masked value costs besides.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.postgres.plan import CopyItem, PlannedTable, Shard

TID_RANGE_SCAN_SINCE = 140000
"""Older servers read the whole table for every range of ctid."""

_MIN_PIECE = 32 << 20
"""Below this, starting a shard costs more than it saves."""
_MAX_PIECE = 2 << 30
"""Above this, a retry repeats too much."""
_SHARDS_PER_WORKER = 3
"""Enough that one slow shard does not leave the others waiting for long."""
_MAX_SHARDS = 512
_BYTES_A_MASK = 8 << 10
"""Each piece is planned anew, and proven anew: over very many masked columns that takes longer than reading
a few rows."""
_TABLE_COST = 16 << 10
_ROW_COST = 16
_MASKED_VALUE_COST = 12
"""Of a pick from words, a shifted date, a number with noise."""
_DEAR_MASKS = {
    **{"email": 120, "hash": 110, "phone": 100, "random_string": 140, "json": 270, "text_scrub": 700},
    "xml": 2000,
}
"""What takes an HMAC or goes through a text, by the same measure: a byte copied takes 11 ns in all
(PostgreSQL 15, source, target and what lies between)."""


@dataclass(frozen=True)
class TableSize:
    """What sharding has to know of a table."""

    cost: int
    pages: int
    may_be_cut: bool


def table_size(table: PlannedTable, *, server_version: int, ctid_readable: bool) -> TableSize:
    """The cost of a planned table, and whether it may be read by ranges of pages."""
    masks = (column.mask or "" for column in table.masked_columns)
    per_row = _ROW_COST + sum(_DEAR_MASKS.get(mask, _MASKED_VALUE_COST) for mask in masks)
    cost = _TABLE_COST + table.bytes + table.estimated_rows * per_row
    worth_it = table.bytes >= _BYTES_A_MASK * len(table.masked_columns)
    readable = ctid_readable and not table.unplanned
    cuttable = server_version >= TID_RANGE_SCAN_SINCE and readable and table.pages > 1 and worth_it
    return TableSize(cost, table.pages, cuttable)


def make_shards(
    sizes: Sequence[TableSize], *, parallel: int, target: int = 0, first_number: int = 0
) -> list[Shard]:
    """Shards of about equal cost for tables in the order of the plan, the most costly shard first.

    Deterministic. At least one shard, if there is a table at all; at most 512.
    """
    if not sizes:
        return []
    piece = _piece_cost(sum(size.cost for size in sizes), parallel)
    items = [item for number, size in enumerate(sizes) for item in _cut(number, size, piece)]
    count = max(1, min(len(items), _MAX_SHARDS, round(sum(cost for cost, _ in items) / piece)))
    bins: list[tuple[int, int, list[tuple[int, CopyItem]]]] = [(0, number, []) for number in range(count)]
    # Largest first into the emptiest bin: at most a third worse than the best packing (Graham 1969).
    for cost, item in sorted(items, key=lambda each: (-each[0], each[1].table, each[1].part)):
        filled, number, inside = heapq.heappop(bins)
        inside.append((cost, item))
        heapq.heappush(bins, (filled + cost, number, inside))
    packed = sorted((each for each in bins if each[2]), key=lambda each: (-each[0], each[1]))
    return [
        Shard(
            number=first_number + place,
            target=target,
            items=tuple(item for _, item in inside),
            estimated_bytes=filled,
        )
        for place, (filled, _, inside) in enumerate(packed)
    ]


def _piece_cost(total: int, parallel: int) -> int:
    wanted = total // (parallel * _SHARDS_PER_WORKER)
    fewest = -(-total // _MAX_SHARDS)
    piece = max(min(max(wanted, _MIN_PIECE), _MAX_PIECE), fewest)
    # A source too small for that many pieces still keeps every worker busy, if there is anything to share.
    return max(min(piece, -(-total // parallel)), _MIN_PIECE // 8)


def _cut(number: int, size: TableSize, piece: int) -> list[tuple[int, CopyItem]]:
    parts = min(round(size.cost / piece), size.pages) if size.may_be_cut else 1
    if parts <= 1:
        return [(size.cost, CopyItem(table=number))]
    bounds = [size.pages * part // parts for part in range(1, parts)]
    return [
        (
            size.cost // parts,
            CopyItem(table=number, part=part, parts=parts, first_page=first, end_page=end),
        )
        for part, (first, end) in enumerate(zip([None, *bounds], [*bounds, None], strict=True))
    ]
