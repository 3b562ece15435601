"""When which lock was held on which table: what the watch has seen, as stretches of time."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from appliance.rehearsals.watch.locks import BLOCKS_READERS, BLOCKS_WRITERS, strength, strongest


@dataclass(frozen=True)
class Stretch:
    """From when until when, in seconds of ``time.monotonic``."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.start


@dataclass(frozen=True)
class Sample:
    """One look at the server's locks."""

    at: float
    locks: frozenset[tuple[int, str]]
    """Table and mode, of those that are granted."""


@dataclass
class Timeline:
    """What several threads see, kept for the report."""

    samples: list[Sample] = field(default_factory=list)
    held: dict[tuple[int, str], list[Stretch]] = field(default_factory=dict)
    """Of each table and mode."""
    waits: dict[tuple[int, str], list[Stretch]] = field(default_factory=dict)
    """Of each table, ``reader`` or ``writer``: when a probe waited."""
    probed: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, at: float, locks: Iterable[tuple[int, str]]) -> None:
        """A look of the watch's."""
        with self._lock:
            self.samples.append(Sample(at, frozenset(locks)))

    def hold(self, table: int, mode: str, stretch: Stretch) -> None:
        """A lock was held for that long."""
        with self._lock:
            self.held.setdefault((table, mode), []).append(stretch)

    def wait(self, table: int, who: str, stretch: Stretch) -> None:
        """A probe has waited for that long."""
        with self._lock:
            self.waits.setdefault((table, who), []).append(stretch)

    def first_seen(self, table: int, mode: str, start: float, end: float) -> float:
        """Since when a lock that is held at ``end`` may be held: the last look that did not show it."""
        with self._lock:
            since = start
            for sample in self._between(start, end):
                if (table, mode) in sample.locks:
                    break
                since = sample.at
            return since

    def _between(self, start: float, end: float) -> list[Sample]:
        """The looks of that time: they stand in their order."""
        first = bisect_left(self.samples, start, key=_when)
        return self.samples[first : bisect_right(self.samples, end, lo=first, key=_when)]

    def stretches_between(self, start: float, end: float) -> dict[tuple[int, str], list[Stretch]]:
        """Of each lock that looks have shown, each stretch: from the look before it to the one behind."""
        with self._lock:
            looks = self._between(start, end)
        found: dict[tuple[int, str], list[Stretch]] = {}
        for place, sample in enumerate(looks):
            since = looks[place - 1].at if place else start
            until = looks[place + 1].at if place + 1 < len(looks) else end
            for key in sample.locks:
                found.setdefault(key, []).append(Stretch(since, until))
        return {key: joined(stretches) for key, stretches in found.items()}

    def seen_between(self, start: float, end: float) -> dict[tuple[int, str], Stretch]:
        """Of each lock that looks have shown: from the first of its stretches to the end of the last."""
        stretches = self.stretches_between(start, end)
        return {key: Stretch(each[0].start, each[-1].end) for key, each in stretches.items()}

    def blocked(self, table: int, who: str) -> list[Stretch]:
        """When a reader or writer had to wait: by probes, and by locks held that it would wait for.

        Who comes just when such a lock is taken waits for as long as it is held.
        """
        against = BLOCKS_READERS if who == "reader" else BLOCKS_WRITERS
        held = [
            stretch
            for (held_table, mode), stretches in self.held.items()
            if held_table == table and mode in against
            for stretch in stretches
        ]
        # Where no such lock was held meanwhile, the probe waited for a busy machine.
        # A writer waits wherever a reader does, and no shorter.
        probes = ("reader",) if who == "reader" else ("reader", "writer")
        waited = [
            wait
            for each in probes
            for wait in self.waits.get((table, each), ())
            if any(wait.start < lock.end and lock.start < wait.end for lock in held)
        ]
        return joined([*held, *waited])

    def strongest_of(self, table: int) -> tuple[str, float]:
        """The strongest lock on a table, and its longest stretch in seconds."""
        mode = strongest(mode for held_table, mode in self.held if held_table == table)
        return mode, max(each.seconds for each in joined(self.held[table, mode]))

    def tables(self) -> list[int]:
        """All that were locked, the strongest locks first."""
        found = {table for table, _ in self.held}
        return sorted(found, key=lambda table: (-strength(self.strongest_of(table)[0]), table))


def _when(sample: Sample) -> float:
    return sample.at


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Those that overlap as one."""
    result: list[Stretch] = []
    for each in sorted(stretches, key=lambda stretch: stretch.start):
        if result and each.start <= result[-1].end:
            result[-1] = Stretch(result[-1].start, max(result[-1].end, each.end))
        else:
            result.append(each)
    return result
