"""One process at a time looks at the release repository.

The timer's look, one that a wish begins, and what an operator types all write the same files: what python-tuf
has accepted, the bundle that comes, and what came of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import WorkFailedError
from appliance.releases.lock import BusyError, opened_lock, wait_for_lock
from appliance.releases.repository.trust import Trust

_LOCK = "look.lock"
WITHIN_S = 20.0
"""A look takes a second or two; a download may take hours, and is not waited for."""


@contextlib.contextmanager
def looking_alone(root: Path, *, within_s: float = WITHIN_S) -> Iterator[None]:
    """Look, and fetch, alone. Raises BusyError, and WorkFailedError where the block cannot write."""
    folder = Trust(root).folder
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with opened_lock(folder / _LOCK) as file:
            busy = BusyError(
                "Another look at the release repository is under way.",
                "It fetches a release, most likely.",
                "journalctl -fu appliance-fetch; ask again when it has ended.",
            )
            wait_for_lock(file, within_s, busy)
            # What a killed look has left of python-tuf's files; they come by no name that anything reads.
            for left in Trust(root).metadata.glob("tmp*"):
                left.unlink(missing_ok=True)
            yield
    except OSError as error:
        raise WorkFailedError(
            f"What was found cannot be written: {os.strerror(error.errno or 0)}.",
            "Nothing was installed, and the release that runs goes on.",
            f"df -h {folder}; make room, then ask again.",
        ) from None
