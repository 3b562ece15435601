"""How much room there is, what counts as too little, and the reserve that keeps reporting alive without.

Every threshold stands here: the status page, a run's plan and preflight all ask this module. They are
absolute on a disk of an ordinary size and a share of a small one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.durable import remove_unfinished, whole_file

Level = Literal["ok", "low", "full"]

MB = 1 << 20
INSTALL_MB = 4096
"""Preflight, before an installation: packages, one release, its images and some runs."""
UPGRADE_MB = 1024
"""Preflight, before an upgrade: the next release beside the present one."""
LOW_BYTES, LOW_SHARE = 2048 * MB, 0.10
"""Below this a person is warned."""
RUN_BYTES, RUN_SHARE = 256 * MB, 0.04
"""No run begins with less: its logs, its plan and the databases' own growth have to fit."""
RELEASE_BYTES, RELEASE_SHARE = 64 * MB, 0.02
"""Below this the reserve is given up, and runs are stopped."""
RESERVE_BYTES, RESERVE_SHARE = 96 * MB, 0.03
"""Of the reserve: some hours of the outbox, the metadata and PostgreSQL's WAL."""

RESERVE = "reserve"


@dataclass(frozen=True)
class Space:
    """Room on the disk that holds ``path``, in bytes; ``free`` is what an ordinary user may still take."""

    path: Path
    total: int
    free: int

    @property
    def low(self) -> int:
        """Less than this is low."""
        return _least(LOW_BYTES, LOW_SHARE, self.total)

    @property
    def for_a_run(self) -> int:
        """Less than this is too little to begin a run."""
        return _least(RUN_BYTES, RUN_SHARE, self.total)

    @property
    def release(self) -> int:
        """Less than this gives the reserve up."""
        return _least(RELEASE_BYTES, RELEASE_SHARE, self.total)

    @property
    def reserve(self) -> int:
        """The size of the reserve."""
        return _least(RESERVE_BYTES, RESERVE_SHARE, self.total)

    @property
    def level(self) -> Level:
        """Whether runs may begin, and whether a person should look."""
        return "full" if self.free < self.for_a_run else "low" if self.free < self.low else "ok"

    @property
    def text(self) -> str:
        """``1.2 GB of 40.0 GB are free``."""
        return f"{readable(self.free)} of {readable(self.total)} are free"


def space_of(path: Path) -> Space:
    """The room at ``path``. Raises OSError."""
    facts = os.statvfs(path)
    return Space(path, facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize)


def readable(count: float) -> str:
    """Bytes as people read them, in powers of 1000 as disks are sold."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


class Reserve:
    """A file that only takes room. One process keeps it; deleting it is always safe."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / RESERVE

    @property
    def is_held(self) -> bool:
        """Whether a reserve exists to give up."""
        return self._path.exists()

    def keep(self, space: Space) -> bool:
        """Give it up when there is too little room, take it when there is enough; whether it was given up.

        The two limits are apart, so that its own size does not make it come and go. Raises OSError.
        """
        if self.is_held:
            if space.free >= space.release:
                return False
            self._path.unlink(missing_ok=True)
            return True
        if space.free - space.reserve >= space.for_a_run:
            self._take(space.reserve)
        return False

    def _take(self, size: int) -> None:
        remove_unfinished(self._path)
        with whole_file(self._path, durable=False, mode=0o600) as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _least(size: int, share: float, total: int) -> int:
    return min(size, int(total * share))
