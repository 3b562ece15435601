"""What ``verify`` needs from the source: keyed hashes of raw values, gathered while the snapshot is open.

Each value becomes a 64-bit ``hashtextextended`` under a seed of this run, computed by the source's own
server, so that hashes are all that travels. The seed follows from the appliance's key and the run's id and is
never stored. The hashes land in the ledger of ``<twin>__next``, in the transaction that copies the same rows,
and go with the ledger before the swap.

A table of up to ``EXACT_ROWS`` rows gives all of them, a larger one a tenth, from pages all over it, and at
most ``MOST_ROWS``. The twin is then searched as a whole: what was gathered is found wherever it stands.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.compiled import Binding, CompiledColumn, Facet
from appliance.postgres.connect import database_failure
from appliance.postgres.copy_sql import rows_of
from appliance.postgres.copy_stream import HalfBrokeError, pipe
from appliance.postgres.ledger import SCHEMA
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, TableName

EXACT_ROWS = 20_000
"""A row of evidence costs up to a third of copying it, so only a small table gives all."""
MOST_ROWS = 100_000
"""A leak of one row in a thousand would meet a hundred of so many."""
_PLACES = 16
"""A sample comes from so many places of a piece, spread over the whole of it."""
_TID_RANGE_SCAN_SINCE = 140000

SEED_SETTING = "appliance.evidence_seed"
SEED = f"(SELECT current_setting('{SEED_SETTING}')::bigint)"
_HASHED = frozenset({"disjoint", "outside_domain", "by_chance"})
_BY_ROW = frozenset({"outside_domain", "by_chance"})
_MOST_PAIRING_COLUMNS = 8
_WHOLE_NUMBERS = frozenset({"smallint", "integer", "bigint"})
# Large, or without a text form that means the same on both sides.
_NO_PAIRING = ("json", "jsonb", "bytea", "xml", "tsvector")


@dataclass(frozen=True)
class Proved:
    """One facet of one masked column."""

    number: int
    column: str
    mask: str
    facet: Facet

    @property
    def hashed(self) -> bool:
        """Proven by comparing hashes with the source's."""
        return self.facet.proof in _HASHED

    @property
    def by_row(self) -> bool:
        """Its values stand in the source anyway: rows are compared, not values."""
        return self.facet.proof in _BY_ROW

    @property
    def label(self) -> str:
        """The column, and the path inside it where there is one."""
        return f"{self.column} {self.facet.label}".strip()


@dataclass(frozen=True)
class Loaded:
    """All that is loaded into one relation of the twin: a table's rows, or those of all leaves of a root."""

    number: int
    """Of its first table in the plan."""
    relation: TableName
    sources: tuple[int, ...]
    only: bool
    """The relation's own rows, without its children's."""


def seed_binding(plan: Plan) -> Binding:
    """The run's seed: bound on the source for ``gather``, and in the twin for ``verify``."""
    return Binding(setting=SEED_SETTING, part="seed", domain=f"evidence:{plan.run_id}")


def bindings(plan: Plan) -> tuple[Binding, ...]:
    """All that the SQL of evidence asks for, on the source and in the twin; their key is the run's own."""
    return (seed_binding(plan),)


def create(connection: Connection[TupleRow]) -> None:
    """Add the evidence's table to the ledger's schema; what is there is kept.

    Not UNLOGGED: a server that crashes empties such a table, and nothing would be left to prove with.
    """
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.evidence (relation integer NOT NULL, hashes bigint[] NOT NULL)"
    )


def index(into: Connection[TupleRow]) -> None:
    """Make the gathered evidence quick to read; again is no error."""
    into.execute(f"CREATE INDEX IF NOT EXISTS evidence_relation ON {SCHEMA}.evidence (relation)")
    into.execute(f"ANALYZE {SCHEMA}.evidence")


def loads(plan: Plan) -> tuple[Loaded, ...]:
    """The plan's tables by the relation of the twin in which their rows stand."""
    moving = {table.root for table in plan.tables if table.root is not None and table.load_into == table.root}
    grouped: dict[TableName, list[int]] = {}
    for number, table in enumerate(plan.tables):
        # Rows that move between partitions may arrive in any of them.
        relation = table.root if table.root is not None and table.root in moving else table.load_into
        grouped.setdefault(relation, []).append(number)
    return tuple(
        Loaded(numbers[0], relation, tuple(numbers), only=relation not in moving)
        for relation, numbers in grouped.items()
    )


def relation_numbers(plan: Plan) -> dict[int, int]:
    """For each table of the plan, by its place there, the number of the relation it is loaded into."""
    return {source: loaded.number for loaded in loads(plan) for source in loaded.sources}


def proved(table: PlannedTable) -> tuple[Proved, ...]:
    """Everything to prove about a table's masked columns, numbered."""
    found = [(column, facet) for column in table.masked_columns for facet in column.proved()]
    return tuple(
        Proved(number, column.name, column.mask or "", facet) for number, (column, facet) in enumerate(found)
    )


def pairing(table: PlannedTable) -> tuple[CompiledColumn, ...]:
    """The columns that tell a row from others on both sides: a key, or else what is kept; may be empty."""
    by_name = {column.name: column for column in table.columns}
    if table.row_key and set(table.row_key) <= set(by_name):
        return tuple(by_name[name] for name in table.row_key)
    kept = (column for column in table.columns if column.mask is None)
    return tuple(column for column in kept if column.type not in _NO_PAIRING)[:_MOST_PAIRING_COLUMNS]


def places(table: PlannedTable) -> dict[int, int]:
    """Where in ``hashes`` a facet's hash stands, by the facet's number; the row's own is the first."""
    return {each.number: 2 + place for place, each in enumerate(_hashed(table))}


def value_text(each: Proved, *, converted: bool) -> str:
    """A facet's value as text, NULL where there is nothing to compare. ``converted``: to UTF-8 bytes."""
    value = f"nullif(({each.facet.value_sql}) COLLATE \"C\", '')"
    return f"encode(convert_to({value}, 'UTF8'), 'hex')" if converted else value


def row_hash(table: PlannedTable, expressions: Sequence[str], *, converted: bool) -> str:
    """The keyed hash of what tells a row from others; NULL where there is nothing.

    ``expressions`` are the values of ``pairing(table)``, on the source or in the twin.
    """
    if not expressions:
        return "NULL::bigint"
    columns = pairing(table)
    if table.row_key and len(columns) == 1 and columns[0].type in _WHOLE_NUMBERS:
        # What most keys are. Every row of the twin is hashed, and a number's text costs more than its hash.
        return f"hashint8extended(({expressions[0]})::bigint, {SEED})"
    parts = [f"coalesce(({expression})::text COLLATE \"C\", '')" for expression in expressions]
    text = parts[0] if len(parts) == 1 else f"concat_ws(chr(31), {', '.join(parts)})"
    text = f"encode(convert_to({text}, 'UTF8'), 'hex')" if converted else text
    return f"hashtextextended({text}, {SEED})"


def encodings_differ(one: str, other: str) -> bool:
    """Whether text must be converted before it is hashed. SQL_ASCII holds whatever bytes it was given."""
    return one != other and "SQL_ASCII" not in (one, other)


def gather(  # noqa: PLR0917
    source: Connection[TupleRow],
    into: Connection[TupleRow],
    plan: Plan,
    item: CopyItem,
    rows: int,
    relation: int,
) -> None:
    """Bring one piece's evidence to the target, inside the transactions the caller has open on both.

    ``rows`` is how many the piece has, ``relation`` the number of what they are loaded into. The masks' keys
    and the seed must be bound on the source. Memory is constant. Raises our errors.
    """
    table = plan.tables[item.table]
    if rows == 0 or not _hashed(table):
        return
    ours, theirs = (each.info.parameter_status("server_encoding") or "" for each in (source, into))
    converted = encodings_differ(ours, theirs)

    def bring(where: str) -> int:
        return pipe(
            source.pgconn,
            into.pgconn,
            f"COPY ({_query(table, relation, where, converted=converted)}) TO STDOUT (FORMAT binary)",
            f"COPY {SCHEMA}.evidence (relation, hashes) FROM STDIN (FORMAT binary)",
            lambda _rows, _bytes: None,
        ).rows

    try:
        brought = bring(_rows(plan, item, rows, source.info.server_version))
        if brought < min(rows, _budget(item, rows) // 4):
            # Most pages are empty, and the chosen ones were.
            bring(_by_odds(table, item, rows))
    except (HalfBrokeError, psycopg.Error) as error:
        cause = error.error if isinstance(error, HalfBrokeError) else error
        what = "What verification needs could not be gathered."
        raise database_failure(what, cause, table=table.qualified) from None


def _hashed(table: PlannedTable) -> list[Proved]:
    return [each for each in proved(table) if each.hashed]


def _query(table: PlannedTable, relation: int, rows: str, *, converted: bool) -> str:
    """(relation, hashes) of raw values; the row's hash is that of what its key is masked to."""
    key = row_hash(table, [column.sql for column in pairing(table)], converted=converted)
    wanted = _hashed(table)
    values = "".join(f", {value_text(each, converted=converted)} AS v{each.number}" for each in wanted)
    paired = bool(pairing(table))
    hashes = "".join(
        f", hashtextextended(v{each.number}, {'k' if each.by_row and paired else SEED})" for each in wanted
    )
    # OFFSET 0 keeps the planner from computing the row's hash once for each facet.
    return (
        f"SELECT {relation}::integer, ARRAY[k{hashes}]::bigint[]"  # noqa: S608
        f" FROM (SELECT {key} AS k{values} {rows} OFFSET 0) AS r"
    )


def _rows(plan: Plan, item: CopyItem, rows: int, server_version: int) -> str:
    """``FROM … WHERE …`` for all rows of a piece, or for about as many as it has to give."""
    table, budget = plan.tables[item.table], _budget(item, rows)
    if rows <= budget:
        return rows_of(table, item)
    first, end = item.first_page or 0, item.end_page or max(table.pages, 1)
    wanted = -(-budget * (end - first) // rows)
    in_one_place = -(-wanted // _PLACES)
    stride = (end - first) // _PLACES
    if table.where_sql is not None or server_version < _TID_RANGE_SCAN_SINCE or stride <= 2 * in_one_place:
        # Chosen rows may all stand on a few pages, and an older server finds no page by its number.
        return _by_odds(table, item, rows)
    chosen = random.Random(f"{plan.run_id}/{item.key}")  # noqa: S311
    starts = [first + place * stride + chosen.randrange(stride - in_one_place) for place in range(_PLACES)]
    ranges = ", ".join(f"('({start},0)'::tid, '({start + in_one_place},0)'::tid)" for start in starts)
    # LATERAL and OFFSET 0: each range is looked up by itself, as a TID range scan.
    within = "t.ctid >= appliance_range.appliance_low AND t.ctid < appliance_range.appliance_high"
    return (
        f"FROM (VALUES {ranges}) AS appliance_range (appliance_low, appliance_high)"
        f" CROSS JOIN LATERAL (SELECT * {rows_of(table)} WHERE {within} OFFSET 0) AS t"
    )


def _budget(item: CopyItem, rows: int) -> int:
    """How many rows a piece gives, taking all pieces of its table to be like it."""
    return max(EXACT_ROWS, min(MOST_ROWS, rows * item.parts // 10)) // item.parts


def _by_odds(table: PlannedTable, item: CopyItem, rows: int) -> str:
    """Each row of a piece with the same odds: reads all of it."""
    everything = rows_of(table, item)
    joined = "AND" if table.where_sql is not None or item.parts > 1 else "WHERE"
    return f"{everything} {joined} random() < {_budget(item, rows) / rows}"
