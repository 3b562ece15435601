"""The lock of updates: one process at a time moves this machine to another release, or removes releases."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from appliance.errors import WorkFailedError

STATE = ".update"
"""Folder under the root of all releases: how far an update is, its lock, the copy of the metadata."""
UNDER_WAY = "update.json"
"""In that folder, from the beginning of an update to its end."""
_POLL_S = 0.2
WATCHING = "watching"
"""In that folder while a release is in its grace period: appliance-watch.path sees it."""


class BusyError(WorkFailedError):
    """Another process performs an update."""


@contextmanager
def update_alone(
    root: Path, *, within_s: float = 0.0, say: Callable[[str], None] = lambda _: None
) -> Iterator[Path]:
    """Hold the lock; the folder of the update's state. Raises BusyError where another process keeps it.

    ``say`` hears that it is waited for.
    """
    state = root / STATE
    state.mkdir(mode=0o700, exist_ok=True)
    with opened_lock(state / "lock") as file:
        if within_s and not is_locked(file):
            say(f"Another update is being performed; waits up to {within_s:.0f} s for it.")
        busy = BusyError("Another update is being performed.", "", "appliance release list")
        wait_for_lock(file, within_s, busy)
        yield state


def opened_lock(path: Path) -> IO[str]:
    """A file to lock. Raises OSError. No other user may open it: who can, can hold it, and for ever."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")


def wait_for_lock(file: IO[str], within_s: float, busy: BusyError) -> None:
    """Hold the file's lock. Raises ``busy`` where another process keeps it for so long."""
    give_up = time.monotonic() + within_s
    while not is_locked(file):
        if time.monotonic() >= give_up:
            raise busy
        time.sleep(_POLL_S)


def is_locked(file: IO[str]) -> bool:
    """Whether this process holds the file's lock now, which it is given if no other does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
