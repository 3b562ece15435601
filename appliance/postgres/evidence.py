"""What ``verify`` needs from the source, gathered while the snapshot is open: row counts and keyed hashes.

Each masked value becomes a 64-bit ``hashtextextended`` under a random seed of this run, computed by the
source's own server, so that hashes are all that travels. They land in the ledger of ``<twin>__next``, in
the transaction that copies the same rows, and go with the ledger before the swap. The twin's values are
hashed the same way and the two sets are joined there.

A column of more than ``EXACT_ROWS`` rows is compared on a keyed sample: the values whose hash ends in ``k``
zero bits, which is the same choice on both sides. The rate is part of the verification's report.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.compiled import Facet
from appliance.postgres.connect import database_failure
from appliance.postgres.copy_sql import quoted, rows_of
from appliance.postgres.copy_stream import HalfBrokeError, pipe
from appliance.postgres.ledger import SCHEMA
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, TableName

EXACT_ROWS = 200_000
"""Up to so many rows every value is compared; above, between half as many and so many."""

SEED_SETTING = "appliance.evidence_seed"
_SEED = f"(SELECT current_setting('{SEED_SETTING}')::bigint)"
# The rows are compared under these proofs, and the sets of values under the others.
_BY_ROW = frozenset({"outside_domain", "by_chance"})
_HASHED = frozenset({"disjoint", "outside_domain", "by_chance"})


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
        return self.facet.proof in _HASHED or self.facet.preserves_distinct

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
    rate_bits: int
    """Values whose hash ends in so many zero bits are compared; 0 compares all."""


def create(connection: Connection[TupleRow]) -> None:
    """Add the evidence's tables and a fresh seed to the ledger's schema; what is there is kept."""
    connection.execute(
        f"CREATE UNLOGGED TABLE IF NOT EXISTS {SCHEMA}.evidence"
        " (relation integer NOT NULL, facet integer NOT NULL, hash bigint NOT NULL)"
    )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.source_rows (source integer PRIMARY KEY, rows bigint NOT NULL)"
    )
    connection.execute(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.seed (one boolean PRIMARY KEY, value bigint)")
    connection.execute(
        f"INSERT INTO {SCHEMA}.seed VALUES (true, %s) ON CONFLICT DO NOTHING",  # noqa: S608
        (secrets.randbits(63),),
    )


def loads(plan: Plan) -> tuple[Loaded, ...]:
    """The plan's tables by the relation that they are loaded into."""
    grouped: dict[TableName, list[int]] = {}
    for number, table in enumerate(plan.tables):
        grouped.setdefault(table.load_into, []).append(number)
    return tuple(
        Loaded(
            number=numbers[0],
            relation=relation,
            sources=tuple(numbers),
            only=(plan.tables[numbers[0]].schema_name, plan.tables[numbers[0]].name)
            == (relation.schema_name, relation.name),
            rate_bits=_rate_bits(sum(plan.tables[number].estimated_rows for number in numbers)),
        )
        for relation, numbers in grouped.items()
    )


def proved(table: PlannedTable) -> tuple[Proved, ...]:
    """Everything to prove about a table's masked columns, numbered."""
    found = [(column, facet) for column in table.masked_columns for facet in column.proved()]
    return tuple(
        Proved(number, column.name, column.mask or "", facet) for number, (column, facet) in enumerate(found)
    )


def by_row(table: PlannedTable, each: Proved) -> bool:
    """Whether the facet's values are hashed together with the key of their row."""
    return each.facet.proof in _BY_ROW and bool(table.kept_key)


def hashes_query(table: PlannedTable, relation: int, rate_bits: int, rows: str) -> str | None:
    """A query for (relation, facet, hash) of the table's values in ``rows`` (``FROM … WHERE …``).

    None where no facet needs hashes. The same text runs on the source and on the twin.
    """
    wanted = [each for each in proved(table) if each.hashed]
    if not wanted:
        return None
    names = [f"h{each.number}" for each in wanted]
    hashes = ", ".join(f"{_hash(table, each)} AS {name}" for each, name in zip(wanted, names, strict=True))
    pairs = ", ".join(f"({each.number}, r.{name})" for each, name in zip(wanted, names, strict=True))
    # OFFSET 0 keeps the planner from computing each hash a second time for the condition.
    return (
        f"SELECT {relation}::integer, v.facet::integer, v.hash FROM (SELECT {hashes} {rows} OFFSET 0) AS r"  # noqa: S608
        f" CROSS JOIN LATERAL (VALUES {pairs}) AS v(facet, hash)"
        f" WHERE v.hash IS NOT NULL AND (v.hash & {(1 << rate_bits) - 1}) = 0"
    )


def index(into: Connection[TupleRow]) -> None:
    """Make the gathered evidence quick to read; again is no error."""
    into.execute(f"CREATE INDEX IF NOT EXISTS evidence_relation ON {SCHEMA}.evidence (relation)")
    into.execute(f"ANALYZE {SCHEMA}.evidence")


def bind_seed(connection: Connection[TupleRow], seed: int) -> None:
    """Give a session the run's seed, for the rest of the session."""
    connection.execute("SELECT set_config(%s, %s, false)", (SEED_SETTING, str(seed)))


def read_seed(into: Connection[TupleRow]) -> int:
    """The run's seed, out of the ledger."""
    row = into.execute(f"SELECT value FROM {SCHEMA}.seed").fetchone()  # noqa: S608
    if row is None:
        raise psycopg.DataError("the ledger has no seed")
    return int(row[0])


def gather(source: Connection[TupleRow], into: Connection[TupleRow], plan: Plan, item: CopyItem) -> None:
    """Bring one piece's evidence to the target, inside the transactions the caller has open on both.

    Memory is constant. Raises our errors.
    """
    table = plan.tables[item.table]
    loaded = next(each for each in loads(plan) if item.table in each.sources)
    try:
        if item.part == 0:
            row = source.execute(f"SELECT count(*) {rows_of(table)}".encode()).fetchone()
            into.execute(
                f"INSERT INTO {SCHEMA}.source_rows VALUES (%s, %s)",  # noqa: S608
                (item.table, row[0] if row else 0),
            )
        query = hashes_query(table, loaded.number, loaded.rate_bits, rows_of(table, item))
        if query is None:
            return
        bind_seed(source, read_seed(into))
        pipe(
            source.pgconn,
            into.pgconn,
            f"COPY ({query}) TO STDOUT (FORMAT binary)",
            f"COPY {SCHEMA}.evidence (relation, facet, hash) FROM STDIN (FORMAT binary)",
            lambda _rows, _bytes: None,
        )
    except HalfBrokeError as error:
        what = "What verification needs could not be gathered."
        raise database_failure(what, error.error, table=table.qualified) from None
    except psycopg.Error as error:
        what = "What verification needs could not be gathered."
        raise database_failure(what, error, table=table.qualified) from None


def _hash(table: PlannedTable, each: Proved) -> str:
    value = f"nullif(({each.facet.value_sql}) COLLATE \"C\", '')"
    if by_row(table, each):
        key = ", ".join(f"coalesce({quoted(name)}::text COLLATE \"C\", '')" for name in table.kept_key)
        value = f"concat_ws(chr(31), {key}, {value})"
        # The value comes last and concat_ws passes over NULL: without a value there is nothing to compare.
        there = f"nullif({each.facet.value_sql}, '') IS NOT NULL"
        return f"CASE WHEN {there} THEN hashtextextended({value}, {_SEED}) END"
    return f"hashtextextended({value}, {_SEED})"


def _rate_bits(rows: int) -> int:
    bits = 0
    while rows >> bits > EXACT_ROWS:
        bits += 1
    return bits
