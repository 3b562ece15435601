"""What follows from the counts of a relation: proven, or what is wrong with it. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.proof.hashes import FoundBy
from appliance.postgres.proof.parts import Loaded, Proved, same_text
from appliance.postgres.proof.queries import Search
from appliance.postgres.proof.results import ColumnProof, TableProof

FALSE_ALARM = 1e-9
"""The probability with which chance alone may fail one column."""
_EQUAL_HASHES = 1e-6
"""The same for two values with one hash, where a single value that meets must not be excused."""
_NEARLY_UNIQUE = 0.9
"""Kept columns that are no key tell rows apart well enough if so many of them are different."""


@dataclass(frozen=True)
class Given:
    """What the source has given of one part of a relation."""

    rows: int = 0
    apart: Mapping[FoundBy, int] = field(default_factory=dict)
    """How many of them are set apart by each of what rows are found by."""
    counted: Sequence[tuple[int, int, int, int, int]] = ()
    """Facet, and what was counted of it, for each piece."""


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


class PartVerdict:
    """What came of one part of a relation."""

    def __init__(
        self,
        search: Search,
        source_rows: int,
        given: Given,
        counting: Sequence[int],
        distinct: Sequence[int] | None = None,
    ) -> None:
        self.search, self.source_rows = search, source_rows
        self.gathered, self._apart = given.rows, given.apart.get(search.finder.kept_in, 0)
        self._whole = self.gathered == source_rows
        part, unique = search.part, search.finder.unique
        numbers = iter(counting)
        self.searched, present = next(numbers), next(numbers)
        self.missing = max(0, self.gathered - present) if unique else 0
        self._seen = {each.number: (next(numbers), next(numbers)) for each in part.facets}
        self._compared = {column.name: (next(numbers), next(numbers)) for column in part.made}
        if distinct is not None:
            self._without_a_key(part.made, distinct)
        self._counted = _of_the_source(part.counted, given)

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
            mask=each.facet.mask or each.column.mask or "",
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
        if each.facet.where_sql is not None and not each.facet.in_twin and each.facet.proof != "none":
            return "the twin cannot say which rows it masks: proven on the rows that were gathered"
        finder, apart = self.search.finder, self._apart >= _NEARLY_UNIQUE * self.gathered
        if self.search.part.made and not finder.unique and not apart:
            return (
                "rows could not be paired with the source's: no key, and what is kept does not tell them"
                " apart; what the mask gives was looked for in all of them"
            )
        return None

    def _without_a_key(self, made: Sequence[CompiledColumn], distinct: Sequence[int]) -> None:
        """Every value that a mask gave must stand in the twin, beside what is kept."""
        for column, given in zip(made, distinct, strict=True):
            present, others = self._compared[column.name]
            lacking = max(others, given - present)
            self._compared[column.name] = (self.searched - others if self._whole else present, lacking)


def _of_the_source(facets: Sequence[Proved], given: Given) -> dict[int, _Counted]:
    pieces: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
    for facet, *numbers in given.counted:
        of_values, met, originals, outputs = numbers
        pieces[facet].append((of_values, met, originals, outputs))
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


def proof_of(loaded: Loaded, rows: int, source_rows: int, found: Sequence[PartVerdict]) -> TableProof:
    """What came of a relation, from what came of its parts. Pure."""
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
