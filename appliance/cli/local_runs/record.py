"""Writing down a run without Airflow while it goes on: its record, and what its steps said.

The record is what the appliance's own database has of other runs, so ``runs`` shows both alike. The logs are
called as Airflow calls its own, so ``logs`` reads both alike. Neither holds a value of a row: what steps say
holds none. A disk that is full costs the record, never the run.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter

from appliance.contract.step_messages import Failure, Notice, Progress
from appliance.documents.problems import printable
from appliance.durable import write_file
from appliance.errors import ApplianceError, ExitCode
from appliance.orchestration.plan_brief import parts_of_tables, plan_brief
from appliance.postgres.plan import Plan
from appliance.run_folder import LOGS, RECORD
from appliance.steps.local.observer import Observer
from appliance.steps.local.run import LocalRun, RunOutcome, StepFailedError
from appliance.store.queries import tables_of
from appliance.store.rows import (
    NoticeLine,
    ProgressLine,
    RunDetails,
    RunState,
    StepLine,
    StepState,
    stored_plan,
)

_EVERY_S = 1.0
_SHARE = 50
"""Writing the record takes at most one part in so many of a processor: one of 5,000 tables takes its time."""
_DETAILS = TypeAdapter(RunDetails)
_Step = tuple[str, int | None]


def run_recorded(
    run: LocalRun, observer: Observer, *, heard: Callable[[str], None] | None = None
) -> RunOutcome:
    """Execute the run, and write down what it does; ``heard`` is given each line of the log as well.

    Raises what the run raises.
    """
    record = _Record(run, observer, heard)
    try:
        outcome = run.run(record)
    except ApplianceError as error:
        record.failed(error)
        raise
    except KeyboardInterrupt:
        record.ended("cancelled")
        raise
    except BaseException:
        record.ended("failed")
        raise
    record.ended("succeeded")
    return outcome


class _Record:
    """An observer between the run and the one that shows it."""

    def __init__(self, run: LocalRun, shown: Observer, heard: Callable[[str], None] | None) -> None:
        self._run, self._shown, self._heard = run, shown, heard
        self._folder: Path = run.paths.run_dir
        self._steps: dict[_Step, StepLine] = {}
        self._progress: dict[tuple[str, int | None, str | None, str | None], ProgressLine] = {}
        self._parts: dict[str, int] = {}
        self._written = 0.0
        self._pause = _EVERY_S
        self._is_stale = False
        self._logs: dict[_Step, TextIO] = {}
        now = datetime.now(UTC)
        self._details = RunDetails(
            run_id=run.spec.run_id,
            workflow=run.spec.workflow.id,
            airflow_run_id=None,
            origin="local",
            trigger="operator",
            state="running",
            queued_at=run.spec.created_at,
            started_at=now,
            ended_at=None,
            stop_requested=None,
            failure=None,
            seconds=0.0,
            plan=None,
            steps=(),
            tables=(),
            progress=(),
            notices=(),
        )

    def planned(self, plan: Plan) -> None:
        """The plan is made."""
        self._parts = parts_of_tables(plan)
        brief = plan_brief(plan)
        tables = [{**each, "parts": self._parts.get(str(each["table"]), 1)} for each in brief["tables"]]
        self._details = replace(self._details, plan=stored_plan({**brief, "tables": tables}))
        self._changed()
        self._shown.planned(plan)

    def step_started(self, step: str, part: int | None, parts: int) -> None:
        """One process of a step begins."""
        before = self._steps.get((step, part))
        attempt = before.attempt + 1 if before else 1
        now = datetime.now(UTC)
        self._steps[step, part] = StepLine(step, part, attempt, "running", now, None, None, None, None)
        self._log(step, part, "info", f"The step '{step}' begins.")
        self._changed()
        self._shown.step_started(step, part, parts)

    def step_ended(self, step: str, part: int | None, seconds: float, *, worked: bool) -> None:
        """One process of a step is over."""
        line = self._steps[step, part]
        state: StepState = "succeeded" if worked else "failed"
        self._steps[step, part] = replace(line, state=state, ended_at=datetime.now(UTC), seconds=seconds)
        self._log(step, part, "info" if worked else "error", f"The step '{step}' has {state}.")
        self._close_log((step, part))
        self._changed()
        self._shown.step_ended(step, part, seconds, worked=worked)

    def message(self, message: Progress | Notice) -> None:
        """A step says something."""
        now = datetime.now(UTC)
        if isinstance(message, Notice):
            line = NoticeLine(message.step, message.text, now)
            self._details = replace(self._details, notices=(*self._details.notices, line))
            self._log(message.step, None, "warning", message.text)
        else:
            key = (message.step, message.shard, message.part, message.table)
            self._progress[key] = ProgressLine(
                *key, message.rows, message.rows_expected, message.bytes, message.done, now
            )
            if message.done:
                what = message.table or message.part or message.step
                self._log(
                    message.step, message.shard, "info", f"{what}: {message.rows:,} rows, {message.bytes:,} B"
                )
        self._changed()
        self._shown.message(message)

    def tick(self) -> None:
        """Some time has passed."""
        if self._is_stale:
            self._changed()
        self._shown.tick()

    def failed(self, error: ApplianceError) -> None:
        """The run has ended with an error."""
        step = next(reversed(self._steps), ("run", None))
        failure = (
            error.failure
            if isinstance(error, StepFailedError)
            else Failure.of(error.explanation, step=step[0], exit_code=error.exit_code, retry=False)
        )
        where = (failure.step, failure.shard)
        if where in self._steps:
            self._steps[where] = replace(self._steps[where], failure=failure)
        self._log(*where, "error", error.explanation.text())
        self._details = replace(self._details, failure=failure)
        self.ended("refused" if error.exit_code == ExitCode.REFUSED else "failed")

    def ended(self, state: RunState) -> None:
        """The run is over; what its steps have counted is known."""
        now = datetime.now(UTC)
        over: dict[str, StepState] = {"running": "cancelled" if state == "cancelled" else "failed"}
        results = {step: [*given] for step, given in self._run.results.items() if len(given) == 1}
        # Twins are published one after the other, in any order; of other parts whose result is whose is open.
        results["publish"] = list(self._run.results.get("publish", ()))
        by_end = sorted(self._steps.items(), key=lambda item: item[1].ended_at or now)
        for key, line in by_end:
            given = results.get(key[0], []) if line.state == "succeeded" else []
            result = given.pop(0) if given else line.result
            self._steps[key] = replace(line, state=over.get(line.state, line.state), result=result)
        self._details = replace(self._details, state=state, ended_at=now)
        for step in list(self._logs):
            self._close_log(step)
        self._write()

    def _changed(self) -> None:
        """Thousands of steps and tables must not make thousands of records."""
        self._is_stale = time.monotonic() - self._written < self._pause
        if not self._is_stale:
            self._write()

    def _write(self) -> None:
        began = time.process_time()
        details = self._details
        until = details.ended_at or datetime.now(UTC)
        progress = tuple(self._progress.values())
        copied = Counter(line.table for line in progress if line.step == "copy" and line.done)
        tables = tuple(
            replace(each, done=False) if copied[each.table] < self._parts.get(each.table, 1) else each
            for each in tables_of(progress)
        )
        steps = tuple(self._steps.values())
        seconds = (until - (details.started_at or details.queued_at)).total_seconds()
        whole = replace(details, steps=steps, tables=tables, progress=progress, seconds=seconds)
        with contextlib.suppress(OSError):
            write_file(self._folder / RECORD, _DETAILS.dump_json(whole).decode(), durable=False, mode=0o640)
        self._pause = max(_EVERY_S, (time.process_time() - began) * _SHARE)
        self._written = time.monotonic()

    def _log(self, step: str, part: int | None, level: str, text: str) -> None:
        line = self._steps.get((step, part))
        attempt = line.attempt if line else 1
        shard = () if part is None else (f"map_index={part}",)
        folder = self._folder.joinpath(LOGS, f"task_id={step}", *shard)
        now = datetime.now(UTC)
        if self._heard is not None:
            where = step if part is None else f"{step} {part}"
            for said in text.split("\n"):
                self._heard(printable(f"{now:%H:%M:%S}  {where}: {said}"))
        entry = {"timestamp": now.isoformat(), "level": level, "event": text}
        with contextlib.suppress(OSError):
            file = self._logs.get((step, part))
            if file is None:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                # Line by line: `logs` reads it meanwhile, and a forked step has nothing of it to write.
                file = (folder / f"attempt={attempt}.log").open("a", encoding="utf-8", buffering=1)
                self._logs[step, part] = file
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _close_log(self, step: _Step) -> None:
        with contextlib.suppress(KeyError, OSError):
            self._logs.pop(step).close()
