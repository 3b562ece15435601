"""Which numbers of a stream have arrived: a highest number and the gaps below it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_GAPS = 1000
"""A stream with more holes than this forgets its oldest: the newest are what a user can still act on."""


@dataclass(frozen=True)
class Numbering:
    """``gaps`` are (first, last) pairs in ascending order, disjoint, all below ``highest``."""

    highest: int = 0
    gaps: tuple[tuple[int, int], ...] = ()

    def has(self, number: int) -> bool:
        """Whether the number has arrived."""
        return number <= self.highest and not any(first <= number <= last for first, last in self.gaps)

    def receive(self, numbers: Iterable[int]) -> Numbering:
        """The numbering after these have arrived too, in whatever order and however often."""
        highest = self.highest
        gaps = list(self.gaps)
        for number in sorted(set(numbers)):
            if number > highest:
                if number > highest + 1:
                    gaps.append((highest + 1, number - 1))
                highest = number
            else:
                gaps = [piece for gap in gaps for piece in _without(gap, number)]
        return Numbering(highest, tuple(gaps[-MAX_GAPS:]))

    @property
    def missing(self) -> int:
        """How many numbers have not arrived."""
        return sum(last - first + 1 for first, last in self.gaps)


def _without(gap: tuple[int, int], number: int) -> list[tuple[int, int]]:
    first, last = gap
    if not first <= number <= last:
        return [gap]
    return [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]
