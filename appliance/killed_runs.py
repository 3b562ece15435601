"""Runs whose process is gone: how they are seen, and what they have left behind.

Reads marks and locks in the runs' folders, and no database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.durable import create_file, write_file
from appliance.run_folder import (
    ALIVE,
    CLOSED,
    LONGEST_OPEN_S,
    OVER,
    PLANNING,
    RECEIPT,
    SPEC,
    TOUCHED,
    TRY_AGAIN_S,
    UNFINISHED,
    is_over,
)

_MODE = 0o640


def mark_unfinished(folder: Path) -> None:
    """Note that something is about to be built beside the twin that must not stay."""
    create_file(folder / UNFINISHED, "", durable=False, mode=_MODE)
    create_file(folder / TOUCHED, "", durable=False, mode=_MODE)


def mark_removed(folder: Path) -> None:
    """Note that nothing of the kind is there any more; again is no error."""
    (folder / UNFINISHED).unlink(missing_ok=True)


@contextlib.contextmanager
def alive(folder: Path) -> Iterator[None]:
    """Hold the lock by which others see that this process still runs the run that owns the folder."""
    with (folder / ALIVE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def planning(folder: Path) -> Iterator[None]:
    """Hold the lock of a plan that is only shown, and leave no folder of it."""
    try:
        with (folder / PLANNING).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_killed_plans(state_dir: Path) -> None:
    """Remove the folders of plans whose process was killed."""
    for mark in (state_dir / "runs").glob(f"*/{PLANNING}"):
        with contextlib.suppress(OSError):
            if _is_free(mark):
                shutil.rmtree(mark.parent, ignore_errors=True)


def was_killed(folder: Path) -> bool:
    """Whether the process of a run without Airflow is gone; not where that may not be asked."""
    try:
        return _is_free(folder / ALIVE)
    except OSError:
        return False


def left_behind(state_dir: Path, *, local_only: bool = False) -> list[tuple[str, Path]]:
    """(run id, folder) of runs that have ended, or were killed, and may have left evidence beside a twin.

    ``local_only``: of those without Airflow. One that could not be cleaned up waits ``TRY_AGAIN_S``; what was
    tried for ``LONGEST_OPEN_S`` is given up.
    """
    now, found = time.time(), []
    for mark in sorted((state_dir / "runs").glob(f"*/{UNFINISHED}")):
        folder = mark.parent
        try:
            tried = mark.stat().st_mtime if mark.stat().st_size else 0.0
            began = (folder / SPEC).stat().st_mtime
            is_local = (folder / ALIVE).exists()
            ended = _is_free(folder / ALIVE) if is_local else is_over(folder)
        except OSError:
            continue
        if ended and (is_local or not local_only) and tried < now - TRY_AGAIN_S < began + LONGEST_OPEN_S:
            found.append((folder.name, folder))
    return found


def unclosed(state_dir: Path, *, local_only: bool = False) -> list[tuple[str, Path]]:
    """(run id, folder) of runs that touched a target, did not succeed, and have no receipt of that.

    ``local_only``: of those without Airflow. They have no mark of their end, and a receipt to publish with
    means that they came as far as the swap.
    """
    found = []
    for mark in sorted((state_dir / "runs").glob(f"*/{TOUCHED}")):
        folder = mark.parent
        if (folder / CLOSED).exists():
            continue
        try:
            if (folder / ALIVE).exists():
                failed = not (folder / RECEIPT).exists() and _is_free(folder / ALIVE)
            else:
                failed = not local_only and _state_of(folder) == "failed"
        except OSError:
            continue
        if failed:
            found.append((folder.name, folder))
    return found


def note_try(folder: Path) -> None:
    """Note that cleaning up after the run is tried now."""
    write_file(folder / UNFINISHED, "tried", durable=False, mode=_MODE)


def _state_of(folder: Path) -> str | None:
    try:
        state: object = json.loads((folder / OVER).read_bytes())["state"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return state if isinstance(state, str) else None


def _is_free(path: Path) -> bool:
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
