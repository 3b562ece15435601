"""Run a whole workflow on this machine, without Airflow or Docker: the same steps, in child processes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psycopg

from appliance.connections.buckets import BucketConnection
from appliance.connections.database import Connection
from appliance.contract.step_messages import Failure, Notice, Progress
from appliance.errors import ApplianceError, ExitCode, WorkFailedError
from appliance.exports.writing import end_export, export_folder
from appliance.killed_runs import alive, planning
from appliance.postgres.plan import Plan
from appliance.receipts.envelope import SignedReceipt
from appliance.run_folder import reading_once, state_of
from appliance.steps import discard
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.container_result import ContainerResult
from appliance.steps.calling.context import load_context
from appliance.steps.calling.secrets import remove_secrets, write_secrets, write_settings
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.local.observer import Observer, SilentObserver
from appliance.steps.local.process import StepProcess, keeper_left, stop_all
from appliance.steps.local.uploads import give_bucket, uploading
from appliance.steps.records.former_catalog import give_former_catalog
from appliance.steps.records.made_copies import note_copies
from appliance.steps.records.receipt_parts import outcome_of
from appliance.steps.records.run_files import PLAN, SPEC
from appliance.steps.records.run_receipt import Signing, close_run, release_run
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.catalog import NotCarried

_RETRY_AFTER_S = (1.0, 5.0, 15.0)
_WATCH_EVERY_S = 0.25


class StepFailedError(ApplianceError):
    """A step failed for good; the text and exit code are its own."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what)
        self.explanation = failure.explanation
        self.failure = failure
        self.exit_code = (
            ExitCode(failure.exit_code) if failure.exit_code in (1, 2, 3) else ExitCode.WORK_FAILED
        )


@dataclass(frozen=True)
class RunOutcome:
    """What a run that worked has done."""

    plan: Plan
    results: dict[str, list[dict[str, Any]]]
    """Result data by step, in the order of its parts."""
    seconds: dict[str, float]
    """Wall time by step, from the first process's start to the last one's end."""
    total_seconds: float
    export: Path | None = None
    """Where its files are."""
    receipt: SignedReceipt | None = None
    receipt_file: Path | None = None
    containers: tuple[ContainerResult, ...] = ()


@dataclass
class _Job:
    call: StepCall
    paths: StepPaths
    not_before: float = 0.0


@dataclass
class LocalRun:
    """One run. Its folder is made here; that of its secrets is filled here and removed at the end."""

    spec: RunSpec
    connections: Mapping[str, Connection]
    key: bytes
    """The appliance's mask key, of which no step sees more than what its plan asks for."""
    paths: StepPaths
    exports_dir: Path
    """Where a workflow's files go: ``<workflow>/<run>/`` in it."""
    signing: Signing
    """What its receipt is signed with; no step is given it."""
    check: Callable[[], None] = field(default=lambda: None)
    """Called a few times a second; what it raises ends the run."""
    buckets: Mapping[str, BucketConnection] = field(default_factory=dict)
    receipt: SignedReceipt | None = None
    hand_over: Callable[[Observer], list[ContainerResult]] = field(default=lambda _: [])
    """Starts the workflow's own containers when all else is published; their results."""
    _alive: list[StepProcess] = field(default_factory=list)
    _results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _deadline: float = 0.0
    _observer: Observer = field(default_factory=SilentObserver)

    @property
    def results(self) -> Mapping[str, list[dict[str, Any]]]:
        """Result data by step, as far as the run has come."""
        return self._results

    def run(self, observer: Observer) -> RunOutcome:
        """Execute every step. Raises ApplianceError; whatever happens, no process and no secret stays."""
        self._prepare(observer)
        with reading_once(), alive(self.paths.run_dir):
            return self._run()

    def _run(self) -> RunOutcome:
        began = time.monotonic()
        export: Path | None = None
        try:
            write_secrets(self.paths.secrets_dir, self.connections)
            plan = self._snapshot_and_plan()
            self._steps("schema", [self._job("schema")])
            self._keyed_steps("copy", [self._job("copy", shard=shard.number) for shard in plan.shards], plan)
            self._close_snapshot()
            self._steps("finish", [self._job("finish")])
            self._keyed_steps("verify", [self._job("verify")], plan)
            export = self._attest_and_publish()
            containers = tuple(self.hand_over(self._observer))
        except BaseException as error:
            stop_all(self._alive)
            self._close(error)
            # A finished twin that could not be swapped stays: its message says what to do to get it swapped.
            released = self.receipt is not None and isinstance(error, StepFailedError)
            uploading = isinstance(error, StepFailedError) and error.failure.step == "upload"
            stays = released and not uploading and not self.spec.workflow.scratch
            if not stays and "publish" not in self._seconds:
                self._drop_unfinished()
            raise
        finally:
            stop_all(self._alive)
            remove_secrets(self.paths.secrets_dir)
        total = time.monotonic() - began
        receipt_file = self.signing.book.of_run(self.spec.run_id)[-1].path
        return RunOutcome(
            plan, self._results, self._seconds, total, export, self.receipt, receipt_file, containers
        )

    def only_plan(self, observer: Observer) -> Plan:
        """Make the plan, and try what a target would refuse; nothing is left behind."""
        self._prepare(observer)
        with planning(self.paths.run_dir):
            try:
                write_secrets(self.paths.secrets_dir, self.connections)
                plan = self._snapshot_and_plan()
                return plan.model_copy(update={"not_carried": (*plan.not_carried, *self._refused())})
            finally:
                stop_all(self._alive)
                remove_secrets(self.paths.secrets_dir)

    def _prepare(self, observer: Observer) -> None:
        self._observer = observer
        self._deadline = time.monotonic() + self.spec.workflow.limits.run_timeout_min * 60
        SPEC.freeze(self.paths.run_dir, self.spec)
        give_former_catalog(self.paths.run_dir, self.spec.workflow.id)

    def _snapshot_and_plan(self) -> Plan:
        """Open the snapshot, whose keeper stays alive, and make the plan in it."""
        self._steps("open_snapshot", [self._job("open_snapshot")])
        self._keyed_steps("plan", [self._job("plan")])
        plan = PLAN.read(self.paths.run_dir)
        self._observer.planned(plan)
        return plan

    def _refused(self) -> list[NotCarried]:
        """What the targets refuse to make, which shows only when it is tried."""
        self._steps("rehearse", [self._job("rehearse")])
        results = self._results["rehearse"]
        return [NotCarried.model_validate(item) for made in results for item in made["not_carried"]]

    def _attest_and_publish(self) -> Path | None:
        """Write the files, sign the receipt, swap the twins in; then the files get their name."""
        workflow, attest = self.spec.workflow, self._job("attest")
        publish = [self._job("publish", delivery=number) for number in workflow.built]
        note_copies(state_of(self.paths.run_dir), self.spec, PLAN.read(self.paths.run_dir))
        if not workflow.exported:
            self._sign_and_publish(attest, publish)
            return None
        with export_folder(self.exports_dir, workflow.id, self.spec.run_id) as folder:
            attest.call = replace(attest.call, exports=True)
            attest.paths = replace(attest.paths, export_dir=folder)
            try:
                self._sign_and_publish(attest, publish)
                stay = workflow.kept_formats
                return end_export(self.exports_dir, workflow.id, self.spec.run_id, formats=stay)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def _sign_and_publish(self, attest: _Job, publish: list[_Job]) -> None:
        self._steps("attest", [attest])
        self.receipt = release_run(self.signing, self.paths.run_dir, attest.paths.export_dir)
        if self.spec.workflow.buckets:
            self._upload(attest.paths)
        self._steps("publish", publish)

    def _upload(self, paths: StepPaths) -> None:
        """Deliver to each bucket, a step each."""
        jobs = [self._job("upload", delivery=number) for number in self.spec.workflow.buckets]
        for job in jobs:
            job.call, job.paths = replace(job.call, exports=True), paths
        state = state_of(self.paths.run_dir)
        with uploading(state, self.spec, paths.secrets_dir, lambda: self._results["upload"]):
            self._steps("upload", jobs)

    def _close(self, error: BaseException) -> None:
        step = error.failure.step if isinstance(error, StepFailedError) else None
        try:
            close_run(self.signing, self.paths.run_dir, outcome_of(error), step)
        except ApplianceError as failed:
            self._observer.message(Notice(step=step or "attest", text=failed.what))

    def _keyed_steps(self, step: str, jobs: list[_Job], plan: Plan | None = None) -> None:
        """Steps that are given keys, those of their plan, for as long as they take."""
        write_settings(self.paths.secrets_dir, step_settings(step, self.spec, plan, self.key))
        try:
            self._steps(step, jobs)
        finally:
            write_settings(self.paths.secrets_dir, {})

    def _job(self, step: str, *, shard: int | None = None, delivery: int | None = None) -> _Job:
        call = StepCall(self.spec.run_id, self.spec.workflow.id, step, shard=shard, delivery=delivery)
        return _Job(call, self.paths)

    def _steps(self, step: str, jobs: list[_Job]) -> None:
        """Run all jobs of a step, ``limits.parallel`` at a time; raise for the first that fails for good."""
        began = time.monotonic()
        waiting, parts = list(jobs), len(jobs)
        width = self.spec.workflow.limits.parallel if step == "copy" else 1
        running: dict[StepProcess, _Job] = {}
        self._results[step] = []
        while waiting or running:
            now = time.monotonic()
            ready = [job for job in waiting if job.not_before <= now][: width - len(running)]
            for job in ready:
                waiting.remove(job)
                self._observer.step_started(step, job.call.part, parts)
                running[self._start(job)] = job
            for process in self._listen():
                job_over = running.pop(process, None)
                if job_over is not None and self._finished(process, job_over):
                    waiting.append(job_over)
        self._seconds[step] = time.monotonic() - began

    def _start(self, job: _Job) -> StepProcess:
        give_bucket(job.call, self.spec, self.buckets, job.paths.secrets_dir)
        process = StepProcess(job.call, job.paths)
        self._alive.append(process)
        return process

    def _listen(self) -> list[StepProcess]:
        """Pass on messages; the processes whose job is over (a keeper's is when its result has come)."""
        if time.monotonic() > self._deadline:
            raise WorkFailedError(
                "The run took longer than it may.",
                f"limits.run_timeout_min is {self.spec.workflow.limits.run_timeout_min}.",
                "Raise limits.run_timeout_min in the workflow, or look at what takes so long.",
            )
        wait([process.reader for process in self._alive], timeout=_WATCH_EVERY_S)
        self._observer.tick()
        self.check()
        over = []
        for process in list(self._alive):
            had_result = process.result is not None
            for message in process.receive():
                if isinstance(message, Progress | Notice):
                    self._observer.message(message)
            if process.ended:
                self._alive.remove(process)
                if process.call.step == "open_snapshot" and had_result:
                    raise StepFailedError(process.failure or keeper_left())
                over.append(process)
            elif process.call.step == "open_snapshot" and process.result is not None and not had_result:
                over.append(process)
        return over

    def _finished(self, process: StepProcess, job: _Job) -> bool:
        """Take in a process's end; whether its job is to be tried again."""
        worked = process.failure is None
        self._observer.step_ended(job.call.step, job.call.part, process.seconds, worked=worked)
        if process.failure is None:
            self._results[job.call.step].append(process.result.data if process.result else {})
            return False
        retries = (
            self.spec.workflow.limits.retries
            if job.call.step not in ("open_snapshot", "plan", "rehearse")
            else 0
        )
        if not process.failure.retry or job.call.attempt > retries:
            raise StepFailedError(process.failure)
        again = job.call.attempt
        pause = _RETRY_AFTER_S[min(again, len(_RETRY_AFTER_S)) - 1]
        job.call = replace(job.call, attempt=again + 1)
        job.not_before = time.monotonic() + pause
        text = f"{process.failure.what} Trying again in {pause:.0f} s ({again} of {retries})."
        self._observer.message(Notice(step=job.call.step, text=text))
        return True

    def _close_snapshot(self) -> None:
        """The source is not needed any more: let it vacuum."""
        stop_all(self._alive)
        self._alive.clear()

    def _drop_unfinished(self) -> None:
        """Remove what was built aside; the next run would do so too, but disk space is wanted now."""
        try:
            discard.run(load_context(self._job("discard").call, self.paths, lambda _: None))
        except (ApplianceError, psycopg.Error, OSError):
            left = "What was built beside the twin could not be dropped. The next run tries again."
            self._observer.message(Notice(step="discard", text=left))
