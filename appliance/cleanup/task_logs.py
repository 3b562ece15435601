"""Keep the task logs within their bounds of age and size. Run by appliance-cleanup.timer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.system.beneath import as_owner_of

DAY_S = 86_400
FOLDER = Path("/var/log/appliance")
MAX_DAYS_DEFAULT = 30
MAX_MB_DEFAULT = 512
STILL_WRITTEN_S = 3_600
"""A file changed within the last hour may belong to a running task, and is never deleted for its size."""


@dataclass(frozen=True)
class Removed:
    """What one pass deleted, and what is left."""

    files: int
    bytes: int
    left_bytes: int


def clean(folder: Path, max_days: int, max_bytes: int, now: float) -> Removed:
    """Delete files older than ``max_days``, then the oldest until all together fit into ``max_bytes``.

    Folders that became empty go too. Links are not followed.
    """
    found: list[tuple[float, int, Path]] = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            found.append((status.st_mtime, status.st_blocks * 512, path))
    left = sum(size for _, size, _ in found)
    files = freed = 0
    for modified, size, path in sorted(found):
        too_old = now - modified > max_days * DAY_S
        too_much = left > max_bytes and now - modified > STILL_WRITTEN_S
        if not (too_old or too_much):
            continue
        path.unlink(missing_ok=True)
        files, freed, left = files + 1, freed + size, left - size
    _remove_empty_folders(folder, now)
    return Removed(files, freed, left)


def _remove_empty_folders(folder: Path, now: float) -> None:
    for root, _, _ in os.walk(folder, topdown=False):
        path = Path(root)
        try:
            if path != folder and now - path.lstat().st_mtime > STILL_WRITTEN_S:
                path.rmdir()
        except OSError:
            continue  # not empty, or gone already


def main() -> None:
    """Clean the task logs by the bounds in the environment, and say what was done."""
    days = int(os.environ.get("APPLIANCE_TASK_LOG_MAX_DAYS", MAX_DAYS_DEFAULT))
    megabytes = int(os.environ.get("APPLIANCE_TASK_LOG_MAX_MB", MAX_MB_DEFAULT))
    with as_owner_of(FOLDER):
        removed = clean(FOLDER, days, megabytes << 20, time.time())
    print(  # noqa: T201 -- the journal is where this is read
        f"Deleted {removed.files} task logs ({removed.bytes >> 20} MB), "
        f"{removed.left_bytes >> 20} MB are left."
    )


if __name__ == "__main__":
    main()
