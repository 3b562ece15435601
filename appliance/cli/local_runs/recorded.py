"""Reading what is written down of runs without Airflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from appliance.contract.step_messages import Failure
from appliance.errors import Explanation
from appliance.killed_runs import was_killed
from appliance.run_folder import RECORD, run_folder
from appliance.settings.settings import Settings
from appliance.steps.local.folders import state_folders
from appliance.store.rows import RunDetails
from appliance.system.beneath import as_owner_of

_DETAILS = TypeAdapter(RunDetails)


@dataclass(frozen=True)
class Recorded:
    """A run, and its folder."""

    run: RunDetails
    folder: Path


def recorded_runs(
    settings: Settings, state: Path | None, *, workflow: str | None, limit: int
) -> list[Recorded]:
    """The newest runs, whatever their state."""
    found = [mark for folder in state_folders(settings, state) for mark in _marks(folder)]
    runs: list[Recorded] = []
    for _, mark in sorted(found, reverse=True):
        if len(runs) == limit:
            break
        run = _read(mark.parent)
        if run is not None and workflow in (None, run.workflow):
            runs.append(Recorded(run, mark.parent))
    return runs


def recorded_run(settings: Settings, state: Path | None, run_id: str) -> Recorded | None:
    """One run; None where none of that name is written down."""
    for folder in _folders(settings, state, run_id):
        if (run := _read(folder)) is not None:
            return Recorded(run, folder)
    return None


def _folders(settings: Settings, state: Path | None, run_id: str) -> Iterator[Path]:
    if run_id == Path(run_id).name:
        for folder in state_folders(settings, state):
            yield run_folder(folder, run_id)


def _marks(state: Path) -> list[tuple[float, Path]]:
    try:
        with as_owner_of(state), os.scandir(state / "runs") as entries:
            marks = [Path(entry.path, RECORD) for entry in entries]
            return [(mark.stat().st_mtime, mark) for mark in marks if mark.is_file()]
    except OSError:
        return []


def _read(folder: Path) -> RunDetails | None:
    try:
        with as_owner_of(folder):
            run = _DETAILS.validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
    if run.state != "running" or not was_killed(folder):
        return run
    killed = Explanation(
        "The run was killed.",
        "Its process is gone, and it has not written down an end.",
        "Run it again: what it built beside the twin is dropped first.",
    )
    return replace(run, state="failed", failure=Failure.of(killed, step="run", retry=False))
