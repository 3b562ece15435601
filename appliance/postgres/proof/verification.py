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
import math
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.plan import CopyItem, Plan
from appliance.postgres.proof import queries
from appliance.postgres.proof.hashes import encodings_differ
from appliance.postgres.proof.parts import Loaded, Proved, finder_of, parts, same_text
from appliance.postgres.proof.queries import Search
from appliance.postgres.proof.results import ColumnProof, TableProof

FALSE_ALARM = 1e-9
"""The probability with which chance alone may fail one column."""
_EQUAL_HASHES = 1e-6
"""The same for two values with one hash, where a single value that meets must not be excused."""
# The evidence of a relation becomes hash tables in memory; a smaller limit would mean a search for each row.
SESSION = "SET work_mem = '512MB'"
SEARCHED_ROWS = 100_000
"""A search costs up to a third of copying a row, so that a large relation is searched in part."""
MOST_ONE_IN = 16
_NEARLY_UNIQUE = 0.9
"""Kept columns that are no key tell rows apart well enough if so many of them are different."""


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

    The run's key must be bound in the session, and ``SESSION`` run in it. ``source_rows`` is how many the
    source's server has sent. Raises psycopg errors.
    """
    (rows,) = _row(connection, queries.row_count(loaded))
    found = [
        _Part(connection, search, source_rows) for search in _searches(connection, plan, loaded, source_rows)
    ]
    needed = [each for each in found if each.search.part.gathers]
    return TableProof(
        table=loaded.relation.qualified,
        rows=rows,
        source_rows=source_rows,
        gathered=min((each.gathered for each in needed), default=0),
        searched=min((each.searched for each in found), default=0),
        columns=tuple(proof for each in found for proof in each.proofs()),
        equal=sum(each.equal for each in found),
        missing=max((each.missing for each in needed), default=0) if rows == source_rows else 0,
    )


@dataclass(frozen=True)
class _Counted:
    """What the source has counted of a facet, over all pieces, and what follows from each of them alone."""

    given: int = 0
    met: int = 0
    allowed: int = 0
    too_many: bool = False
    """A piece has more than chance allows."""
    originals: int = 0
    outputs: int = 0
    """Distinct values before and after, of pieces in which some became one."""


class _Part:
    """What came of one part of a relation."""

    def __init__(self, connection: Connection[TupleRow], search: Search, source_rows: int) -> None:
        self.connection, self.search, self.source_rows = connection, search, source_rows
        self.gathered, self._apart = _row(connection, queries.gathered(search))
        self._whole = self.gathered == source_rows
        part, unique = search.part, search.finder.unique
        numbers = iter(_row(connection, queries.counting(search, whole=self._whole)))
        self.searched, present = next(numbers), next(numbers)
        self.missing = max(0, self.gathered - present) if unique else 0
        self._seen = {each.number: (next(numbers), next(numbers)) for each in part.facets}
        self._compared = {column.name: (next(numbers), next(numbers)) for column in part.made}
        if part.made and not unique:
            self._without_a_key(part.made)
        self._counted = self._of_the_source(part.counted) if part.counted else {}

    @property
    def equal(self) -> int:
        """Values that are what their mask gave."""
        return sum(equal for equal, _ in self._compared.values())

    def proofs(self) -> list[ColumnProof]:
        """One for each facet."""
        part = self.search.part
        lacking = not self.gathered or len(self._counted) < len(part.counted)
        if part.gathers and self.source_rows and lacking:
            fault = "nothing was gathered to prove it with"
            return [self._proof(each).model_copy(update={"fault": fault}) for each in part.facets]
        return [self._proof(each) for each in part.facets]

    def _proof(self, each: Proved) -> ColumnProof:
        looked_at, outside = self._seen[each.number]
        counted = self._counted.get(each.number, _Counted(given=looked_at))
        equal, differ = self._compared.get(each.column.name, (None, 0))
        faults = []
        if counted.too_many and each.by_row:
            faults.append(f"the mask has left {counted.met:,} of {counted.given:,} values as they were")
        elif counted.too_many:
            faults.append(f"the mask has given {counted.met:,} originals for {counted.given:,} values")
        if each.facet.preserves_distinct and counted.outputs < counted.originals:
            faults.append(f"{counted.originals:,} distinct values became {counted.outputs:,}")
        if outside and each.facet.proof == "partial":
            faults.append(f"{outside:,} rows still hold what the mask removes")
        elif outside:
            faults.append(f"{outside:,} of {looked_at or self.searched:,} values were not made by the mask")
        if differ:
            faults.append(
                f"{differ:,} of {(equal or 0) + differ:,} values are not what the mask gives for their row"
            )
        return ColumnProof(
            column=each.label,
            mask=each.column.mask or "",
            proof=each.facet.proof,
            compared=counted.given,
            met=counted.met,
            allowed=counted.allowed,
            outside=outside,
            equal=equal,
            differ=differ,
            fault="; ".join(faults) or None,
            note=self._note(each),
        )

    def _note(self, each: Proved) -> str | None:
        if not same_text(each.column, converted=self.search.converted):
            return (
                "the two databases' encodings order its keys differently: its shape was looked at, but it was"
                " not compared with what the mask gives"
            )
        finder, apart = self.search.finder, self._apart >= _NEARLY_UNIQUE * self.gathered
        if self.search.part.made and not finder.unique and not apart:
            return (
                "rows could not be paired with the source's: no key, and what is kept does not tell them"
                " apart; what the mask gives was looked for in all of them"
            )
        return None

    def _without_a_key(self, made: Sequence[CompiledColumn]) -> None:
        """Every value that a mask gave must stand in the twin, beside what is kept."""
        distinct = _row(self.connection, queries.distinct_hashes(self.search))
        for column, given in zip(made, distinct, strict=True):
            present, others = self._compared[column.name]
            lacking = max(others, given - present)
            self._compared[column.name] = (self.searched - others if self._whole else present, lacking)

    def _of_the_source(self, facets: Sequence[Proved]) -> dict[int, _Counted]:
        pieces: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for facet, *numbers in self.connection.execute(queries.counted(self.search).encode()):
            given, met, originals, outputs = numbers
            pieces[facet].append((given, met, originals, outputs))
        return {each.number: _together(each, pieces[each.number]) for each in facets if each.number in pieces}


def _together(each: Proved, pieces: Sequence[tuple[int, int, int, int]]) -> _Counted:
    bounds = [_allowed(each, given) for given, _, _, _ in pieces]
    became_one = [(before, after) for _, _, before, after in pieces if after < before]
    return _Counted(
        given=sum(given for given, _, _, _ in pieces),
        met=sum(met for _, met, _, _ in pieces),
        allowed=sum(bounds),
        too_many=any(met > bound for (_, met, _, _), bound in zip(pieces, bounds, strict=True)),
        originals=sum(before for before, _ in became_one),
        outputs=sum(after for _, after in became_one),
    )


def _allowed(each: Proved, given: int) -> int:
    if each.by_row:
        return chance_bound(given, each.facet.chance)
    # Two different values with one 64-bit hash, on the source.
    return chance_bound(given, given / 2**64, _EQUAL_HASHES)


def _searches(connection: Connection[TupleRow], plan: Plan, loaded: Loaded, rows: int) -> list[Search]:
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


def _row(connection: Connection[TupleRow], query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    return tuple(row) if row is not None else ()
