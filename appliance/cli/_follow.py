"""Following a run on the appliance until it ends, by asking the status service."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import typer

from appliance.cli._output import duration
from appliance.cli._status_client import ask
from appliance.cli.runs import failure_text
from appliance.errors import ApplianceError, RequestWrong
from appliance.settings import Settings

EVERY_S = 0.5
UNKNOWN_S = 30
"""The run is written down when Airflow takes it up: until then it is not known, and that is no error."""
AWAY_S = 300
"""A status service that restarts must not end a pipeline's wait."""
OVER = ("succeeded", "failed", "refused", "cancelled")


def follow_run(settings: Settings, run_id: str, *, show: bool) -> dict[str, Any]:
    """Wait for the end and return the run as /runs/{id} has it. ``show`` prints what happens meanwhile."""
    told: set[tuple[Any, ...]] = set()
    last_answer = started = time.monotonic()
    while True:
        try:
            run: dict[str, Any] = ask(settings, f"/runs/{quote(run_id, safe='')}")
            last_answer = time.monotonic()
        except RequestWrong:
            if time.monotonic() - started > UNKNOWN_S:
                raise
            run = {"state": "queued", "steps": []}
        except ApplianceError:
            if time.monotonic() - last_answer > AWAY_S:
                raise
            run = {"state": "unknown", "steps": []}
        if show:
            _tell(run, told)
        if run["state"] in OVER:
            if run["failure"]:
                typer.echo(failure_text(run["failure"]), err=True)
            return run
        time.sleep(EVERY_S)


def _tell(run: dict[str, Any], told: set[tuple[Any, ...]]) -> None:
    for step in run["steps"]:
        key = (step["step"], step["shard"], step["attempt"], step["state"])
        if step["state"] != "running" and key not in told:
            told.add(key)
            name = step["step"] if step["shard"] is None else f"{step['step']} {step['shard']}"
            typer.echo(f"{name}: {step['state']} after {duration(step['seconds'])}")
    if run["state"] in OVER:
        typer.echo(f"{run['run_id']}: {run['state']} after {duration(run['seconds'])}")
