"""Which kept columns and which originals are compared in one statement.

Each statement reads all its originals anew, so there are few of them: but none locks more than the source has
room for. What belongs to one root stays together, because what comes often is judged over all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from appliance.postgres.source.lock_room import LockRoom
from appliance.workflow.catalog import Table


class Compared(Protocol):
    """Some columns of a table, or of a partition of ``root``."""

    @property
    def table(self) -> Table: ...

    @property
    def root(self) -> str: ...

    @property
    def columns(self) -> Sequence[object]: ...


Kept = TypeVar("Kept", bound=Compared)
Masked = TypeVar("Masked", bound=Compared)
Some = TypeVar("Some", bound=Compared)


def compared_together(
    kept: Sequence[Kept], originals: Sequence[Masked], at_once: int, room: LockRoom
) -> Iterator[tuple[list[Kept], list[Masked]]]:
    """Every kept column with every original once; of kept columns about ``at_once`` at a time.

    Of a root with more partitions than can be locked, as many as can be, spread over all of them.
    """
    if locks_of((*kept, *originals), room) <= room.most:
        for group in groups(kept, at_once, room.most, room):
            yield group, list(originals)
        return
    half = max(1, room.most // 2)
    parts = list(groups(originals, len(originals) * at_once, half, room))
    for group in groups(kept, at_once, half, room):
        for part in parts:
            yield group, part


def locks_of(some: Iterable[Compared], room: LockRoom) -> int:
    """The locks that reading these tables takes."""
    return sum(room.of(oid) for oid in {each.table.oid for each in some})


def groups(some: Sequence[Some], columns: int, locks: int, room: LockRoom) -> Iterator[list[Some]]:
    """Roots that are read together: about so many columns, and no more locks than that."""
    families: dict[str, list[Some]] = defaultdict(list)
    for each in some:
        families[each.root].append(each)
    group: list[Some] = []
    size = locked = 0
    for family in families.values():
        members = _spread(family, locks, room)
        more, takes = sum(len(each.columns) for each in members), locks_of(members, room)
        if group and (size + more > columns or locked + takes > locks):
            yield group
            group, size, locked = [], 0, 0
        group += members
        size += more
        locked += takes
    if group:
        yield group


def _spread(members: list[Some], locks: int, room: LockRoom) -> list[Some]:
    """All of them; where that would take too many locks, one in so many."""
    one_in = -(-locks_of(members, room) // locks)
    return members[::one_in]
