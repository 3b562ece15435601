"""Prove, inside the finished ``<twin>__next``, that it is complete and that nothing masked came through.

Per relation: its row count against the rows that the source's server sent in the run's snapshot. Per masked
column, as its mask's proof asks: no value of the twin is one that was gathered from the source; no row kept
its value; every value belongs to the mask's own output; nothing that the mask removes is left; distinct
values stay distinct.

A relation of less than twice ``SEARCHED_ROWS`` is searched row by row. Of a larger one whose rows a key tells
apart, those that were gathered are, and beside them one row in up to ``MOST_ONE_IN``, chosen by a keyed hash
that nothing in the data can foresee. A fault that shows in the row itself (outside the mask's domain,
something left) in one row of ten thousand escapes 100,000 with a probability of one in twenty thousand. A raw
value that came through shows in gathered rows, as in a search of all: see ``evidence``. All rows are counted.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.postgres import proof_queries as queries
from appliance.postgres.evidence import Loaded, Proved, encodings_differ, proved
from appliance.postgres.left_out import LeftOut
from appliance.postgres.plan import CopyItem, Plan
from appliance.postgres.proof_queries import Search

FALSE_ALARM = 1e-9
"""The probability with which chance alone may fail one column."""
_EQUAL_HASHES = 1e-6
"""The same for two values with one hash, where a single value that meets must not be excused."""
# The evidence of a relation becomes hash tables in memory; a smaller limit would mean a search for each row.
_SESSION = "SET work_mem = '512MB'"
SEARCHED_ROWS = 100_000
"""A search costs up to a third of copying a row, so that a large relation is searched in part."""
MOST_ONE_IN = 16
MOST_AT_ONCE, _WIDE, _AT_ONCE_IF_WIDE = 300, 1000, 50
"""Facets in one query, columns that make a table wide, and facets in one query then: each facet has up to
five results, and a query at most 1,664, the columns that it passes on among them."""
_NEARLY_UNIQUE = 0.9
"""Kept columns that are no key tell rows apart well enough if so many of them are different."""


class ColumnProof(BaseModel):
    """What came of one masked column (or of a path inside it). Numbers only, never a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    mask: str
    proof: str
    compared: int
    """Values of the twin (by_chance: of rows that were gathered from the source) that were looked at."""
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
    gathered: int
    """Rows of the source whose values the twin was searched for: all of them, or a sample."""
    searched: int
    """Rows of the twin that were searched: all of them, or the gathered ones and a sample."""
    columns: tuple[ColumnProof, ...]
    left_out: LeftOut | None = None
    missing: int = 0
    """Gathered rows that the twin does not have."""

    @property
    def faults(self) -> list[str]:
        """One sentence for each thing that is not as it must be."""
        found = [
            f"{self.table}.{each.column} ({each.mask}): {each.fault}" for each in self.columns if each.fault
        ]
        if self.missing:
            found.insert(0, f"{self.table}: {self.missing:,} of {self.gathered:,} rows are not in the twin")
        if self.rows != self.source_rows:
            found.insert(0, f"{self.table}: the source has {self.source_rows:,} rows, the twin {self.rows:,}")
        if self.left_out is not None and (wrong := self.left_out.fault(self.source_rows)):
            found.insert(0, f"{self.table}: {wrong}")
        return found


def count(connection: Connection[TupleRow], loaded: Loaded, source_rows: int) -> TableProof:
    """All there is to prove about a relation without masked columns. Raises psycopg errors."""
    (rows,) = _row(connection, queries.row_count(loaded))
    return TableProof(
        table=loaded.relation.qualified,
        rows=rows,
        source_rows=source_rows,
        gathered=0,
        searched=0,
        columns=(),
    )


def prove(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, source_rows: int) -> TableProof:
    """Hold one relation of the twin against the source's evidence, which must be indexed.

    The run's seed must be bound in the session. ``source_rows`` is how many the source's server has sent.
    Raises psycopg errors.
    """
    connection.execute(_SESSION)
    search = _search(connection, plan, loaded, source_rows)
    (rows,) = _row(connection, queries.row_count(loaded))
    source_distinct: list[int] = []
    for part in _parts(search):
        gathered, distinct_rows, *distinct = _row(connection, queries.evidence_facts(part))
        source_distinct += distinct
    whole, unique = gathered == source_rows, bool(search.table.row_key)
    to_be_distinct = _to_be_distinct(connection, search) if whole or unique else []
    numbers: list[int] = []
    twin_distinct: dict[int, int] = {}
    for part in _parts(search):
        counted = [each for each in part.facets if each in to_be_distinct]
        searched, found, *counts = _row(connection, queries.counting(part, counted, whole=whole))
        numbers += counts[: 4 * len(part.facets)]
        for each, count in zip(counted, counts[4 * len(part.facets) :], strict=True):
            twin_distinct[each.number] = int(count)
    told_apart = search.paired and (unique or distinct_rows >= _NEARLY_UNIQUE * gathered)
    # Rows that kept columns do not tell apart may meet each other's values.
    alike = 0 if unique else 2 * (gathered - distinct_rows) if whole else gathered // 2
    judged = []
    for place, each in enumerate(search.facets):
        compared, met, outside, left = (int(number) for number in numbers[4 * place : 4 * place + 4])
        proof = ColumnProof(
            column=each.label,
            mask=each.mask,
            proof=each.facet.proof,
            compared=compared,
            met=met,
            outside=outside,
            left=left,
        )
        if each.by_row and not told_apart:
            proof = _unpaired(connection, search, each, proof, whole=whole)
        else:
            proof = _allowing_chance(connection, search, each, proof, gathered, alike)
        judged.append(_judged(proof, source_distinct[place], twin_distinct.get(each.number)))
    hashed = any(each.hashed for each in search.facets)
    if hashed and source_rows and not gathered:
        judged = [
            each.model_copy(update={"fault": "nothing was gathered to prove it with"}) for each in judged
        ]
    return TableProof(
        table=loaded.relation.qualified,
        rows=rows,
        source_rows=source_rows,
        gathered=gathered,
        searched=searched,
        columns=tuple(judged),
        missing=max(0, gathered - found) if hashed and unique and rows == source_rows else 0,
    )


def _parts(search: Search) -> list[Search]:
    """The search, in parts where one query would have more results than PostgreSQL allows."""
    if len(search.facets) <= MOST_AT_ONCE and len(search.table.columns) <= _WIDE:
        return [search]
    return [
        dataclasses.replace(search, facets=search.facets[start : start + _AT_ONCE_IF_WIDE])
        for start in range(0, len(search.facets), _AT_ONCE_IF_WIDE)
    ] or [search]


def copying_faults(plan: Plan, items: list[CopyItem], copied: set[str]) -> list[str]:
    """Pieces that have not arrived, and tables that the pieces do not cover without a gap."""
    found = [
        f"{plan.table_name(item)}: piece {item.part + 1} of {item.parts} has not arrived"
        for item in items
        if item.key not in copied
    ]
    for number, table in enumerate(plan.tables):
        pieces = sorted((item for item in items if item.table == number), key=lambda item: item.part)
        whole = [item.part for item in pieces] == list(range(len(pieces))) and bool(pieces)
        ends = whole and pieces[0].first_page is None and pieces[-1].end_page is None
        gaps = any(one.end_page != other.first_page for one, other in itertools.pairwise(pieces))
        if not ends or gaps:
            found.append(f"{table.qualified}: its pieces do not cover it")
    return found


def unchecked_constraints(connection: Connection[TupleRow]) -> list[str]:
    """Constraints of the twin that were never validated, as ``table name`` in pg_dump's words."""
    # One that is not enforced (since PostgreSQL 18) is never validated.
    query = (
        "SELECT c.relname::text || ' ' || k.conname::text FROM pg_constraint AS k"
        " JOIN pg_class AS c ON c.oid = k.conrelid WHERE NOT k.convalidated"
        " AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false' ORDER BY 1"
    )
    return [name for (name,) in connection.execute(query)]


def chance_bound(values: int, chance: float, false_alarm: float = FALSE_ALARM) -> int:
    """How many of ``values`` may meet at probability ``chance`` each, so that more are no accident.

    The smallest number that a Poisson variable of the same mean, which bounds the binomial's tail here,
    exceeds with a probability below ``false_alarm``.
    """
    mean = values * chance
    if mean > 500:
        return math.ceil(mean + 7 * math.sqrt(mean))
    bound, term = 0, math.exp(-mean)
    # Past the mean each term is less than half of the one before, or soon is: twice the next bounds the rest.
    while bound + 1 < mean or term * (mean / (bound + 1)) * 2 > false_alarm:
        bound += 1
        term *= mean / bound
    return bound


def one_in(rows: int) -> int:
    """Which part of so many rows is searched: one in 1, 2, 4 or at most ``MOST_ONE_IN``."""
    part = 1
    while part < MOST_ONE_IN and rows // (2 * part) >= SEARCHED_ROWS:
        part *= 2
    return part


def _search(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, rows: int) -> Search:
    ours = connection.info.parameter_status("server_encoding") or ""
    table = plan.tables[loaded.number]
    converted = encodings_differ(ours, plan.source.encoding)
    # Without a key, equal rows have equal hashes: a part chosen by them would not be a fair one.
    return Search(loaded, table, proved(table), converted, one_in(rows) if table.row_key else 1)


def _to_be_distinct(connection: Connection[TupleRow], search: Search) -> list[Proved]:
    """What is to have as many distinct values as in the source.

    A column with a unique index of its own needs no count: the index is the proof.
    """
    unique = _unique_columns(connection, search)
    return [
        each
        for each in search.facets
        if each.facet.preserves_distinct
        and each.facet.proof == "disjoint"
        and not (each.column in unique and not each.facet.label)
    ]


def _unique_columns(connection: Connection[TupleRow], search: Search) -> set[str]:
    relation = search.loaded.relation
    query = (
        "SELECT a.attname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
        " WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid"
        " AND i.indnkeyatts = 1 AND i.indpred IS NULL"
    )
    return {name for (name,) in connection.execute(query, (relation.schema_name, relation.name))}


def _allowing_chance(  # noqa: PLR0917
    connection: Connection[TupleRow],
    search: Search,
    each: Proved,
    proof: ColumnProof,
    gathered: int,
    alike: int,
) -> ColumnProof:
    """How many may meet, and how many did: values, where one value's bad luck hits all its rows."""
    if not each.by_row:
        # Two different values with one 64-bit hash.
        return proof.model_copy(
            update={"allowed": chance_bound(gathered, proof.compared / 2**64, _EQUAL_HASHES)}
        )
    allowed = max(chance_bound(proof.compared, each.facet.chance), alike)
    met = proof.met
    if met > allowed and each.facet.chance:
        met = int(_row(connection, queries.met_values(search, each))[0])
    return proof.model_copy(update={"allowed": allowed, "met": met})


def _unpaired(
    connection: Connection[TupleRow], search: Search, each: Proved, proof: ColumnProof, *, whole: bool
) -> ColumnProof:
    """Rows that cannot be told apart: only the source's values, each as often, are no accident."""
    same = whole and _row(connection, queries.same_values(search, each))[0]
    note = "rows could not be paired with the source's: no key, and what is kept does not tell them apart"
    return proof.model_copy(update={"met": max(1, proof.compared) if same else 0, "note": note})


def _judged(proof: ColumnProof, source_distinct: int, twin_distinct: int | None) -> ColumnProof:
    fault = None
    if proof.met > proof.allowed:
        fault = f"{proof.met:,} of {proof.compared:,} compared values stand in the source too"
    elif proof.outside:
        fault = f"{proof.outside:,} of {proof.compared:,} values were not made by the mask"
    elif proof.left:
        fault = f"{proof.left:,} rows still hold what the mask removes"
    elif twin_distinct is not None and twin_distinct < source_distinct:
        fault = f"{source_distinct:,} distinct values became {twin_distinct:,}"
    return proof.model_copy(update={"fault": fault})


def _row(connection: Connection[TupleRow], query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    return tuple(row) if row is not None else ()
