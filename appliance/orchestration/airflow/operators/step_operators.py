"""The steps of a workflow as Airflow tasks: each one container, with only what the step needs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from appliance.contract.step_messages import Failure, Result
from appliance.errors import ApplianceError
from appliance.exports.writing import end_export, export_folder, find_finished
from appliance.orchestration.airflow.operators.task_errors import (
    TaskFailedError,
    TaskFailedForGoodError,
    raise_failure,
)
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError, StepRun
from appliance.orchestration.containers.container import STOP_GRACE_S, StepLimits, paths_inside, step_mounts
from appliance.orchestration.containers.host_paths import host_path
from appliance.orchestration.containers.inputs import StepInputs, instance_name, mapped_over
from appliance.orchestration.containers.needs import UPLOAD, needs_libraries, takes_files
from appliance.orchestration.containers.reach import open_ways
from appliance.orchestration.containers.reaping import remove_run
from appliance.orchestration.receipts import sign_released
from appliance.orchestration.step_failures import FailedStep
from appliance.orchestration.workflow_files import Origin
from appliance.run_folder import StopRequest, run_folder, run_id_for, stop_request
from appliance.settings.settings import Settings, load_settings
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.records.made_copies import note_bucket, note_copies, note_removed
from appliance.steps.records.run_files import PLAN
from appliance.store.runs import RunStore

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

TIDYING_UP = timedelta(minutes=5)


class StepOperator(DockerOperator):
    """Runs ``step`` of a workflow. ``shard`` or ``delivery`` says which part of it, where it has parts.

    Of the provider's operator it keeps the connection to the engine; the container is made by StepRun, which
    knows the limits and the protocol. The XCom is what the next step is mapped over.
    """

    template_fields = ()
    keeps_running = False
    stop_grace_s = STOP_GRACE_S

    def __init__(
        self,
        *,
        step: str,
        workflow: str,
        source_file: str,
        origin: Origin,
        shard: int | None = None,
        delivery: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(image="from-settings", mount_tmp_dir=False, api_version="auto", **kwargs)
        self.step = step
        self.workflow = workflow
        self.source_file = source_file
        self.origin = origin
        self.shard = shard
        self.delivery = delivery
        self.run: StepRun | None = None
        self.killed = False
        self.result: Result | None = None

    @cached_property
    def settings(self) -> Settings:
        """The appliance's settings, read when the task runs: parsing a DAG must not depend on them."""
        return load_settings()

    @cached_property
    def store(self) -> RunStore:
        """Where this task process writes progress."""
        return RunStore(self.settings.database_url)

    @property
    def part(self) -> int | None:
        """Which of the step's parallel parts this is."""
        return self.shard if self.shard is not None else self.delivery

    @property
    def _failed(self) -> FailedStep:
        return FailedStep(self.step, self.part)

    def run_id(self, context: Context) -> str:
        """The appliance's id of the run."""
        return run_id_for(self.workflow, context["ti"].run_id)

    def execute(self, context: Context) -> Any:
        """Run the container to its end.

        Raises TaskFailedError (tried again) or TaskFailedForGoodError (not).
        """
        try:
            return self._execute(context)
        except (TaskFailedError, TaskFailedForGoodError):
            raise
        except ApplianceError as error:
            raise_failure(self._failed.by_error(error))
        except (AirflowException, *DockerTrouble) as error:
            raise_failure(self._failed.by_error(EngineAwayError(error)))
        finally:
            self.store.close()

    def on_kill(self) -> None:
        """Airflow wants this task to end now."""
        self.killed = True
        if self.run is not None:
            self.run.stop()

    def _execute(self, context: Context) -> Any:
        run_id = self.run_id(context)
        folder = run_folder(self.settings.state_dir, run_id)
        if request := self._stop_request(folder):
            raise_failure(self._failed.stopped(request))
        client = self.cli
        attempt, shard, delivery = context["ti"].try_number, self.shard, self.delivery
        call = StepCall(run_id, self.workflow, self.step, attempt=attempt, shard=shard, delivery=delivery)
        inputs = StepInputs.of_run(self.settings, call, Path(self.source_file), self.origin)
        call = dataclasses.replace(call, exports=takes_files(self.step, inputs.spec.workflow))
        self._perform(client, inputs, call, folder)
        return mapped_over(self.step, folder, inputs.spec.workflow)

    def _perform(self, client: docker.APIClient, inputs: StepInputs, call: StepCall, folder: Path) -> None:
        """Run the container to its end. Raises what Airflow understands where it did not work."""
        self.run = self._new_run(client, inputs, call, folder, self._reached(inputs, call))
        self.run.remove_stale()
        self._about_to_run(inputs, folder)
        with self._secrets(inputs, call) as secrets, self._exported(inputs, call) as exported:
            keep = False
            try:
                inside = paths_inside(call)
                here = StepPaths(folder, secrets, exported)
                on_host = here.each(lambda path: Path(host_path(client, path)))
                mounts = step_mounts(inside, on_host, only_reads_files=self.step == UPLOAD)
                self.run.start(mounts, inside, f"{os.getuid()}:{os.getgid()}")
                self.result = self.run.follow(until_result=self.keeps_running)
                if self.result is None or self.killed:
                    raise_failure(self._failure(self.run, inputs))
                keep = self.keeps_running
            finally:
                if not keep:
                    self.run.remove()
            self._done(client, inputs, folder, exported)

    def _about_to_run(self, inputs: StepInputs, folder: Path) -> None:
        """Write down what the step is going to make."""
        if self.step == "publish":
            note_copies(self.settings.state_dir, inputs.spec, PLAN.read(folder), self.delivery)
        note_bucket(self.settings.state_dir, inputs.spec, self.delivery)

    def _stop_request(self, folder: Path) -> StopRequest | None:
        return stop_request(folder)

    def _deadline(self, inputs: StepInputs) -> datetime:
        return inputs.spec.created_at + timedelta(minutes=inputs.spec.workflow.limits.run_timeout_min)

    def _new_run(
        self,
        client: docker.APIClient,
        inputs: StepInputs,
        call: StepCall,
        folder: Path,
        hosts: tuple[str, ...],
    ) -> StepRun:
        limits = inputs.spec.workflow.limits
        steps = self.settings.steps
        return StepRun(
            client,
            call,
            instance=instance_name(self.settings, client),
            connect=lambda: docker.from_env(version=client.api_version).api,
            image=steps.parquet_image if needs_libraries(call, inputs.spec.workflow) else steps.image,
            limits=StepLimits(
                memory_mb=min(limits.memory_mb, steps.max_memory_mb),
                cpus=min(limits.cpus, steps.max_cpus, os.cpu_count() or 1),
                network=steps.network,
                cgroup_parent=steps.cgroup_parent,
                hosts=hosts,
            ),
            store=self.store,
            deadline=self._deadline(inputs),
            asked_to_stop=lambda: self._stop_request(folder),
            log=self.log.info,
            clean=inputs.scrubber.clean,
            clean_line=inputs.scrubber.stream(),
            grace_s=self.stop_grace_s,
        )

    def _reached(self, inputs: StepInputs, call: StepCall) -> tuple[str, ...]:
        """Have the databases of this step let through, where a firewall guards what steps may reach."""
        known, wanted = inputs.connections_to_reach(call)
        named, places = inputs.named_places(), inputs.bucket_places(call)
        return open_ways(self.settings.runtime_dir, known, wanted, named=named, places=places)

    def _done(self, client: docker.APIClient, inputs: StepInputs, folder: Path, files: Path | None) -> None:
        if self.step == "attest":
            sign_released(self.settings, self.store, client, folder, files)
        elif self.step == "publish" and self.delivery == inputs.spec.workflow.exporting_delivery:
            stay = inputs.spec.workflow.kept_formats
            end_export(self.settings.exports_dir, self.workflow, inputs.spec.run_id, formats=stay)
        elif self.step == UPLOAD and self.result is not None:
            note_removed(self.settings.state_dir, self.result.data)

    def _exported(self, inputs: StepInputs, call: StepCall) -> contextlib.AbstractContextManager[Path | None]:
        """The folder that this step writes files to, if it does."""
        if not call.exports:
            return contextlib.nullcontext()
        return export_folder(self.settings.exports_dir, self.workflow, inputs.spec.run_id)

    @contextlib.contextmanager
    def _secrets(self, inputs: StepInputs, call: StepCall) -> Iterator[Path]:
        """The step's secrets on tmpfs, for as long as its container runs."""
        folder = (
            self.settings.runtime_dir / call.run_id / f"{call.place}-{call.attempt}-{time.monotonic_ns()}"
        )
        kept = False
        try:
            inputs.write_secrets(folder, call)
            yield folder
            kept = self.keeps_running
        finally:
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):
                    folder.parent.rmdir()

    def _failure(self, run: StepRun, inputs: StepInputs) -> Failure:
        if run.stopped_by:
            return self._failed.stopped(run.stopped_by)
        if run.out_of_time:
            return self._failed.out_of_time(inputs.spec.workflow.limits.run_timeout_min)
        if self.killed:
            return self._failed.interrupted()
        memory = min(inputs.spec.workflow.limits.memory_mb, self.settings.steps.max_memory_mb)
        failure = self._failed.by_container(run.state, run.output.failure, memory_mb=memory)
        return failure.model_copy(update={"log_tail": tuple(run.output.tail)})


class OpenSnapshotOperator(StepOperator):
    """Starts the container that holds the snapshot, and leaves it running: CloseSnapshotOperator ends it."""

    keeps_running = True


class CloseSnapshotOperator(BaseOperator):
    """Ends and removes the container that OpenSnapshotOperator left running, and its secrets.

    A teardown: it runs whatever became of the steps between.
    """

    step = "close_snapshot"
    part = None

    def __init__(self, *, workflow: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.result = None

    @cached_property
    def settings(self) -> Settings:
        """The appliance's settings, read when the task runs."""
        return load_settings()

    def run_id(self, context: Context) -> str:
        """The appliance's id of the run."""
        return run_id_for(self.workflow, context["ti"].run_id)

    def execute(self, context: Context) -> None:
        """Stop the keeper. One that is gone already is no error: what needed it has failed by itself."""
        try:
            client = docker.from_env(version="auto").api
            removed = remove_run(client, self.settings, self.run_id(context), step="open_snapshot")
        except DockerTrouble as error:
            raise_failure(FailedStep(self.step).by_error(EngineAwayError(error)))
        else:
            self.log.info("The snapshot is closed." if removed else "The snapshot was closed already.")


class DiscardOperator(StepOperator):
    """Drops what the run built aside, unless its receipt is signed. A teardown: it runs in any case.

    What was built for files alone goes in any case too: nothing else is ever made of it.
    """

    def execute(self, context: Context) -> Any:
        """Nothing once the receipt is signed; else the step does it, also when the run was asked to stop."""
        if context["ti"].xcom_pull(task_ids="attest") is None or self._left_scratch(context):
            super().execute(context)

    def _left_scratch(self, context: Context) -> bool:
        folder = run_folder(self.settings.state_dir, self.run_id(context))
        if not PLAN.is_in(folder) or not any(target.scratch for target in PLAN.read(folder).targets):
            return False
        return find_finished(self.settings.exports_dir, self.workflow, self.run_id(context)) is None

    def _stop_request(self, folder: Path) -> StopRequest | None:  # noqa: ARG002
        return None

    def _deadline(self, inputs: StepInputs) -> datetime:  # noqa: ARG002
        return datetime.now(UTC) + TIDYING_UP
