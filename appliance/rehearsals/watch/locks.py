"""PostgreSQL's table locks: which is stronger, and whom each keeps waiting.

As the manual has it: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from __future__ import annotations

from collections.abc import Iterable

MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""From the weakest to the strongest."""
BLOCKS_READERS = frozenset({"AccessExclusiveLock"})
"""What a SELECT waits for."""
BLOCKS_WRITERS = frozenset({"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"})
"""What INSERT, UPDATE and DELETE wait for."""


def strength(mode: str) -> int:
    """The higher, the more it keeps others from."""
    return MODES.index(mode) if mode in MODES else -1


def strongest(modes: Iterable[str]) -> str:
    """The strongest of some; there must be one."""
    return max(modes, key=strength)


def short(mode: str) -> str:
    """As SQL and people write it: ``ACCESS EXCLUSIVE``."""
    words = "".join(f" {each}" if each.isupper() else each for each in mode.removesuffix("Lock")).split()
    return " ".join(words).upper()
