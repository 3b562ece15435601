"""The DAG processor runs while there is something to parse, and rests when there is not.

It takes some 130 MiB and parses every five seconds what has not changed for weeks. What it has found stays in
Airflow's database, from which the scheduler works, so nothing misses it: it is woken by a workflow file that
comes, changes or goes, or by a change of policy, and stays until the change, and every run that was under way
then, is behind it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from appliance.run_folder import open_runs
from appliance.supervision.health_probes import Proof
from appliance.supervision.notify import notify, watchdog_seconds
from appliance.supervision.watch import PROOFS_PER_WATCHDOG, WATCHDOG_DEFAULT_S, watch

AWAKE_S = 300.0
"""After a change. An author who edits again finds it awake; and a removed workflow needs a minute to go."""
LOOK_EVERY_S = 1.0
AWAKE_AGAIN_AFTER_S = 6 * 3600.0
"""However still it is: whatever else it might have missed, it sees then."""
INSIST_S = 5
"""Airflow's DAG processor ends by an exception, which is lost where the signal meets it while it forks."""
MARKER = "dag-processor-resting"
MARKER_FRESH_S = 120.0
"""Longer than one watchdog interval, and than waking takes."""

Seen = tuple[tuple[str, int, int], ...]


def watch_and_rest(
    command: Sequence[str],
    environment: Mapping[str, str],
    proof: Proof,
    *,
    folders: Sequence[Path],
    files: Sequence[Path] = (),
    state_dir: Path,
    runtime_dir: Path,
) -> int:
    """Run the command whenever files in ``folders``, or ``files``, change; its exit status, should it end."""
    while True:
        watched = _Watched(folders, files, state_dir)
        ended = watch(command, environment, proof, no_longer=watched.is_still, insist_s=INSIST_S)
        if ended is not None:
            return ended
        _rest(watched, runtime_dir / MARKER)


def is_resting(runtime_dir: Path) -> bool:
    """Whether the DAG processor is not there because it is not needed."""
    try:
        return time.time() - (runtime_dir / MARKER).stat().st_mtime < MARKER_FRESH_S
    except OSError:
        return False


class _Watched:
    """The workflow files and policy, and since when they are as they are."""

    def __init__(self, folders: Sequence[Path], files: Sequence[Path], state_dir: Path) -> None:
        self._folders, self._files = folders, files
        self._state_dir = state_dir
        self._seen = self._look()
        self._since = time.monotonic()

    def has_changed(self) -> bool:
        """Whether the files are others than at the last look."""
        now = self._look()
        changed, self._seen = now != self._seen, now
        if changed:
            self._since = time.monotonic()
        return changed

    def is_still(self) -> bool:
        """Whether nothing has changed for long, and no run is under way."""
        return (
            not self.has_changed()
            and time.monotonic() - self._since > AWAKE_S
            and not any(open_runs(self._state_dir))
        )

    def _look(self) -> Seen:
        found: list[tuple[str, int, int]] = []
        for folder in self._folders:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat()
                        found.append((entry.path, status.st_mtime_ns, status.st_size))
        for file in self._files:
            with contextlib.suppress(OSError):
                status = file.stat()
                found.append((str(file), status.st_mtime_ns, status.st_size))
        return tuple(sorted(found))


def _rest(watched: _Watched, marker: Path) -> None:
    """Return when there is something to parse."""

    def end(_number: int, _frame: FrameType | None) -> None:
        notify("STOPPING=1")
        marker.unlink(missing_ok=True)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    interval = watchdog_seconds(WATCHDOG_DEFAULT_S) / PROOFS_PER_WATCHDOG
    began = time.monotonic()
    reported = -interval
    while not watched.has_changed() and time.monotonic() - began < AWAKE_AGAIN_AFTER_S:
        if time.monotonic() - reported >= interval:
            reported = time.monotonic()
            # Having looked at the files is the work of one that rests.
            notify("WATCHDOG=1", "STATUS=Resting until a workflow file changes")
            marker.touch()
        time.sleep(LOOK_EVERY_S)
    marker.touch()
