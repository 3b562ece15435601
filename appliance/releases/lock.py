"""The lock of updates: one process at a time moves this machine to another release, or removes releases."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import WorkFailedError

STATE = ".update"
"""Folder under the root of all releases: how far an update is, its lock, the copy of the metadata."""
UNDER_WAY = "update.json"
"""In that folder, from the beginning of an update to its end."""
WATCHING = "watching"
"""In that folder while a release is in its grace period: appliance-watch.path sees it."""


class BusyError(WorkFailedError):
    """Another process performs an update."""


@contextmanager
def update_alone(root: Path) -> Iterator[Path]:
    """Hold the lock; the folder of the update's state. Raises BusyError where another process holds it."""
    state = root / STATE
    state.mkdir(mode=0o700, exist_ok=True)
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("Another update is being performed.", "", "appliance release list") from None
        yield state
