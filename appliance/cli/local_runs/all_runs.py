"""Runs from both places where they are known: the status service, and the records of ``appliance run``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import typer
from pydantic import TypeAdapter

from appliance.cli.local_runs.recorded import recorded_run, recorded_runs
from appliance.cli.local_runs.twins import twins_of
from appliance.cli.work.host.status_client import ask, read
from appliance.errors import ApplianceError
from appliance.run_folder import run_folder
from appliance.settings.settings import Settings
from appliance.store.rows import RunDetails, RunLine

_LINES = TypeAdapter(list[RunLine])
_DETAILS = TypeAdapter(RunDetails)


@dataclass(frozen=True)
class FoundRuns:
    """The newest first. ``as_json`` is the service's own answer, with what it does not know put in."""

    runs: list[RunLine]
    as_json: Any


@dataclass(frozen=True)
class FoundRun:
    """A run, and the folder that it keeps its plan in."""

    run: RunDetails
    folder: Path
    as_json: Any


def list_runs(settings: Settings, state: Path | None, *, workflow: str | None, limit: int) -> FoundRuns:
    """The newest runs. Raises WorkFailedError where the service does not answer and nothing is recorded."""
    recorded = [_line(found.run) for found in recorded_runs(settings, state, workflow=workflow, limit=limit)]
    answer: list[Any] = []
    if state is None:
        asked = {"limit": str(limit)} | ({"workflow": workflow} if workflow else {})
        try:
            answer = ask(settings, f"/runs?{urlencode(asked)}")
        except ApplianceError:
            if not recorded:
                raise
            typer.echo("The status service does not answer: these are the runs of appliance run.", err=True)
    known = zip(read(list[RunLine], answer), answer, strict=True)
    both = [*known, *zip(recorded, _LINES.dump_python(recorded, mode="json"), strict=True)]
    both.sort(key=lambda pair: pair[0].queued_at, reverse=True)
    return FoundRuns([run for run, _ in both[:limit]], [as_json for _, as_json in both[:limit]])


def find_run(settings: Settings, state: Path | None, run_id: str) -> FoundRun:
    """One run. Raises WrongRequestError where there is none of that name, WorkFailedError as above."""
    found = recorded_run(settings, state, run_id)
    if found is not None:
        run = replace(found.run, twins=twins_of(found.run, settings, state, _known_to_the_service))
        return FoundRun(run, found.folder, _DETAILS.dump_python(run, mode="json"))
    answer = ask(settings, f"/runs/{quote(run_id, safe='')}")
    run = read(RunDetails, answer)
    run = replace(run, twins=twins_of(run, settings, state, _known_to_the_service))
    twins = _DETAILS.dump_python(run, mode="json")["twins"]
    return FoundRun(run, run_folder(settings.state_dir, run_id), answer | {"twins": twins})


def _known_to_the_service(settings: Settings, run_id: str) -> RunDetails | None:
    try:
        return read(RunDetails, ask(settings, f"/runs/{quote(run_id, safe='')}"))
    except ApplianceError:
        return None


def _line(run: RunDetails) -> RunLine:
    return RunLine(**{name: getattr(run, name) for name in RunLine.__dataclass_fields__})
