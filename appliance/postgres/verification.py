"""Prove, inside the finished ``<twin>__next``, that it is complete and that nothing masked came through.

Per relation: its row count against the source's in the run's snapshot. Per masked column, as its mask's proof
asks: no hash of a twin's value (or of a row's key and value) is one of the source's, or no more than chance
allows; every value belongs to the mask's own output; nothing that the mask removes is left; distinct values
stay distinct.
"""

from __future__ import annotations

import math
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.postgres.copy_sql import quoted
from appliance.postgres.evidence import Loaded, Proved, bind_seed, by_row, hashes_query, proved
from appliance.postgres.ledger import SCHEMA
from appliance.postgres.plan import Plan, PlannedTable

_SESSION = "SET work_mem = '64MB'"
# Below so many compared values a share says nothing about distinctness.
_ENOUGH_TO_ESTIMATE = 1000


class ColumnProof(BaseModel):
    """What came of one masked column (or of a path inside it). Numbers only, never a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    mask: str
    proof: str
    compared: int
    """Values of the twin that were looked at."""
    one_in: int
    """1: every value was compared with the source's; n: a keyed sample of one in n."""
    met: int = 0
    """Values (or rows) that the source has too."""
    allowed: int = 0
    """As many may meet by chance."""
    outside: int = 0
    """Values that the mask could not have made."""
    left: int = 0
    """Rows in which something the mask removes was found."""
    fault: str | None = None
    note: str | None = None


class TableProof(BaseModel):
    """What came of one relation of the twin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows: int
    source_rows: int
    columns: tuple[ColumnProof, ...]

    @property
    def faults(self) -> list[str]:
        """One sentence for each thing that is not as it must be."""
        found = [
            f"{self.table}.{each.column} ({each.mask}): {each.fault}" for each in self.columns if each.fault
        ]
        if self.rows != self.source_rows:
            found.insert(0, f"{self.table}: the source has {self.source_rows:,} rows, the twin {self.rows:,}")
        return found


def prove(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, seed: int) -> TableProof:
    """Hold one relation of the twin against the source's evidence. Raises psycopg errors."""
    table = plan.tables[loaded.number]
    relation = quoted(loaded.relation.schema_name, loaded.relation.name)
    rows = f"FROM {'ONLY ' if loaded.only else ''}{relation} AS t"
    connection.execute(_SESSION)
    facets = proved(table)
    counted = _row(connection, _counting_query(facets, rows))
    expected = _row(
        connection,
        f"SELECT coalesce(sum(rows), -1), count(*) FROM {SCHEMA}.source_rows"  # noqa: S608
        f" WHERE source IN ({', '.join(str(number) for number in loaded.sources)})",
    )
    hashes = _compare_hashes(connection, table, loaded, seed, rows)
    return TableProof(
        table=loaded.relation.qualified,
        rows=counted[0],
        source_rows=int(expected[0]) if expected[1] == len(loaded.sources) else -1,
        columns=tuple(
            _judge(table, each, loaded, counted[1 + 3 * each.number :][:3], hashes.get(each.number, _NOTHING))
            for each in facets
        ),
    )


def unchecked_constraints(connection: Connection[TupleRow]) -> list[str]:
    """Constraints of the twin that were never validated, as ``table name`` in pg_dump's words."""
    query = (
        "SELECT c.relname::text || ' ' || k.conname::text FROM pg_constraint AS k"
        " JOIN pg_class AS c ON c.oid = k.conrelid WHERE NOT k.convalidated ORDER BY 1"
    )
    return [name for (name,) in connection.execute(query)]


def _counting_query(facets: tuple[Proved, ...], rows: str) -> str:
    """Rows; for each facet its values, those outside the mask's domain, and rows where something is left."""
    values = ", ".join(
        f"nullif(({each.facet.value_sql}) COLLATE \"C\", '') AS v{each.number},"
        f" ({each.facet.leak_sql or 'false'}) AS l{each.number}"
        for each in facets
    )
    counts = "".join(
        f", count(v{each.number}), {_outside(each)}, count(*) FILTER (WHERE l{each.number})"
        for each in facets
    )
    return f"SELECT count(*){counts} FROM (SELECT {values} {rows} OFFSET 0) AS r"  # noqa: S608


def _outside(each: Proved) -> str:
    name = f"v{each.number}"
    if each.facet.output_domain_sql is None:
        return f"count({name})" if each.facet.proof == "constant" else "0"
    members = f"SELECT d.member FROM ({each.facet.output_domain_sql}) AS d(member)"  # noqa: S608
    return f"count(*) FILTER (WHERE {name} NOT IN ({members}))"


_NOTHING: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


def _compare_hashes(
    connection: Connection[TupleRow], table: PlannedTable, loaded: Loaded, seed: int, rows: str
) -> dict[int, tuple[int, int, int, int, int]]:
    """By facet: values and distinct values of source and of twin, and the twin's that the source has too."""
    query = hashes_query(table, loaded.number, loaded.rate_bits, rows)
    if query is None:
        return {}
    bind_seed(connection, seed)
    connection.execute("DROP TABLE IF EXISTS pg_temp.twin_hash")
    connection.execute(f"CREATE TEMPORARY TABLE twin_hash (relation, facet, hash) AS {query}".encode())
    connection.execute("ANALYZE pg_temp.twin_hash")
    found: dict[int, tuple[int, int, int, int, int]] = {}
    comparing = f"""
        WITH source AS (
            SELECT facet, hash, count(*) AS n FROM {SCHEMA}.evidence
            WHERE relation = %(relation)s GROUP BY 1, 2
        ), twin AS (
            SELECT facet, hash, count(*) AS n FROM pg_temp.twin_hash GROUP BY 1, 2
        )
        SELECT facet, coalesce(sum(source.n), 0)::bigint, count(source.n),
               coalesce(sum(twin.n), 0)::bigint, count(twin.n),
               coalesce(sum(twin.n) FILTER (WHERE source.n IS NOT NULL), 0)::bigint
        FROM source FULL JOIN twin USING (facet, hash) GROUP BY facet
    """  # noqa: S608
    for facet, *numbers in connection.execute(comparing.encode(), {"relation": loaded.number}):
        found[facet] = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    return found


def _judge(
    table: PlannedTable,
    each: Proved,
    loaded: Loaded,
    counted: tuple[Any, ...],
    hashes: tuple[int, int, int, int, int],
) -> ColumnProof:
    values, outside, left = (int(number) for number in counted)
    source_values, source_distinct, twin_values, twin_distinct, met = hashes
    proof = each.facet.proof
    allowed = 0
    note = None
    if proof == "by_chance" and by_row(table, each):
        allowed = chance_bound(source_values, each.facet.chance)
    elif proof in {"by_chance", "outside_domain"} and not by_row(table, each):
        # Values of a small domain meet anyway; without a key that was kept, rows cannot be paired.
        met, note = 0, "rows were not compared: no key of the table is kept"
    elif proof in {"constant", "partial"}:
        met = 0
    fault = None
    if met > allowed:
        fault = f"{met:,} of {twin_values:,} compared values stand in the source too"
    elif outside:
        fault = f"{outside:,} of {values:,} values were not made by the mask"
    elif left:
        fault = f"{left:,} rows still hold what the mask removes"
    elif each.facet.preserves_distinct and _collapsed(source_distinct, twin_distinct, loaded.rate_bits):
        fault = f"{source_distinct:,} distinct values became {twin_distinct:,}"
    return ColumnProof(
        column=each.label,
        mask=each.mask,
        proof=proof,
        compared=values if not each.hashed else twin_values,
        one_in=1 << loaded.rate_bits if each.hashed else 1,
        met=met,
        allowed=allowed,
        outside=outside,
        left=left,
        fault=fault,
        note=note,
    )


def chance_bound(values: int, chance: float) -> int:
    """How many of ``values`` may meet at probability ``chance`` each: six standard deviations, and a few."""
    mean = values * chance
    return math.ceil(mean + 6 * math.sqrt(mean) + 3) if chance else 0


def _collapsed(source: int, twin: int, rate_bits: int) -> bool:
    if rate_bits == 0:
        return twin < source
    # Two independent samples at the same rate: their sizes differ by chance, by far less than this.
    return source >= _ENOUGH_TO_ESTIMATE and twin < 0.8 * source


def _row(connection: Connection[TupleRow], query: str) -> TupleRow:
    row = connection.execute(query.encode()).fetchone()
    return row if row is not None else ()
