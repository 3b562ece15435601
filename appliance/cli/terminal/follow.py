"""Following a run on the appliance until it ends, by asking the status service."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from appliance.cli.work.host.status_client import ask, read
from appliance.cli.workflows.runs import failure_text
from appliance.errors import ApplianceError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.store.rows import RunDetails, StepLine

if TYPE_CHECKING:
    from appliance.cli.terminal.progress import RunDisplay

EVERY_S = 0.5
UNKNOWN_S = 30
"""A run is written down when Airflow takes it up: until then it is not known, and that is no error."""
AWAY_S = 300
"""A status service that restarts must not end a pipeline's wait."""
OVER = ("succeeded", "failed", "refused", "cancelled")


def follow_run(settings: Settings, run_id: str, *, show: bool) -> RunDetails:
    """Wait for the end and return the run as /runs/{id} has it.

    ``show`` shows how far it is meanwhile; its caller has printed the run's id.
    """
    if not show:
        return _wait(settings, run_id, lambda _: None)
    from rich.console import Console  # noqa: PLC0415 - waiting alone does without it

    from appliance.cli.terminal.progress import RunDisplay  # noqa: PLC0415

    with RunDisplay(Console(), f"run {run_id}", announced=True) as display:
        return _wait(settings, run_id, _Teller(display).tell)


def _wait(settings: Settings, run_id: str, tell: Callable[[RunDetails], None]) -> RunDetails:
    last_answer = started = time.monotonic()
    while True:
        try:
            run: RunDetails | None = read(RunDetails, ask(settings, f"/runs/{quote(run_id, safe='')}"))
            last_answer = time.monotonic()
        except WrongRequestError:
            if time.monotonic() - started > UNKNOWN_S:
                raise
            run = None
        except ApplianceError:
            if time.monotonic() - last_answer > AWAY_S:
                raise
            run = None
        if run is not None:
            tell(run)
            if run.state in OVER:
                if run.failure:
                    typer.echo(failure_text(run.failure), err=True)
                return run
        time.sleep(EVERY_S)


class _Teller:
    """Turns what changed between two answers into calls of a display."""

    def __init__(self, display: RunDisplay) -> None:
        self._display = display
        self._planned = False
        self._steps: dict[tuple[str, int | None], str] = {}
        self._said: set[tuple[str, str]] = set()
        self._progress: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def tell(self, run: RunDetails) -> None:
        """Pass on what is new."""
        from appliance.contract.step_messages import Notice, Progress  # noqa: PLC0415

        if run.plan and not self._planned:
            self._planned = True
            for table in run.plan.tables:
                self._display.state.expect(table.table, table.rows, table.parts)
        for step in run.steps:
            self._began(step, run)
        # Before the ends: what says that the copying is done also says how much it was.
        for line in run.progress:
            key = (line.step, line.table, line.part)
            position = (line.rows, line.bytes, line.done)
            if self._progress.get(key) != position:
                self._progress[key] = position
                fields = {
                    name: value for name, value in asdict(line).items() if name in Progress.model_fields
                }
                self._display.message(Progress(**fields))
        for step in run.steps:
            self._ended(step)
        for notice in run.notices:
            said = (notice.step, notice.text)
            if said not in self._said:
                self._said.add(said)
                self._display.message(Notice(step=notice.step, text=notice.text))

    def _began(self, step: StepLine, run: RunDetails) -> None:
        key = (step.step, step.shard)
        before = self._steps.get(key)
        if before is None:
            parts = run.plan.shards if step.step == "copy" and run.plan else 1
            self._display.step_started(step.step, step.shard, parts)
            self._steps[key] = "running"
        elif before in ("retrying", "failed") and step.state == "running":
            self._display.step_started(step.step, step.shard, 1)

    def _ended(self, step: StepLine) -> None:
        key = (step.step, step.shard)
        now = step.state
        if self._steps[key] == "running" and now != "running":
            self._display.step_ended(step.step, step.shard, step.seconds or 0.0, worked=now == "succeeded")
        self._steps[key] = now
