"""What a task's changes of state mean for its step: state and event, in one breath. Lives in the task.

A task that is killed outright reports nothing; appliance.orchestration.reconcile finds out.
"""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

from airflow.listeners import hookimpl

from appliance.orchestration.airflow.listeners.best_effort_store import QuietStore
from appliance.orchestration.airflow.metadata import only_looks
from appliance.orchestration.containers.needs import DISCARD
from appliance.orchestration.look_reports import uncovered_events
from appliance.orchestration.plan_brief import parts_of_tables, plan_brief
from appliance.orchestration.step_failures import STOPPED, FailedStep
from appliance.run_folder import StopRequest, request_stop, run_folder, run_id_for
from appliance.settings.settings import Settings, load_settings
from appliance.steps.records.run_files import PLAN, SPEC
from appliance.store.events import append_event
from appliance.store.runs import RunStore, StepState
from appliance.system.journal import tell


class StepListener:
    """Airflow's listener for tasks."""

    def __init__(self) -> None:
        self._store = QuietStore(lambda: self.settings.database_url)

    @cached_property
    def settings(self) -> Settings:
        """Read once a process."""
        return load_settings()

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002
        if not _is_shown(task_instance):
            return
        run_id, step, part = _place(task_instance)
        attempt = task_instance.try_number
        self._store.write(lambda store: store.step_started(run_id, step, part, attempt))

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002
        if not _is_shown(task_instance):
            return
        run_id, step, part = _place(task_instance)
        result = getattr(task_instance.task, "result", None)
        data = dict(result.data) if result is not None else None

        def write(store: RunStore) -> None:
            if step == "plan":
                plan = PLAN.read(run_folder(self.settings.state_dir, run_id))
                store.run_planned(run_id, plan_brief(plan), parts_of_tables(plan))
            store.step_ended(run_id, step, part, "succeeded", result=data)

        self._store.write(write)
        _tell(task_instance, "succeeded")

    @hookimpl
    def on_task_instance_failed(
        self,
        previous_state: Any,  # noqa: ARG002
        task_instance: Any,
        error: str | BaseException | None,
    ) -> None:
        """A step failed, for good or until its next try. If for good, the run's other containers end too."""
        if not _is_shown(task_instance):
            return
        run_id, step, part = _place(task_instance)
        failure = FailedStep(step, part).by_exception(error)
        # Compared as it is: in a task the state is an enum whose text is not its value.
        again = task_instance.state == "up_for_retry"
        stopped = failure.exception == STOPPED
        state: StepState = "retrying" if again else "cancelled" if stopped else "failed"
        if state == "failed" and step != "close_snapshot":
            where = step if part is None else f"{step} {part}"
            with contextlib.suppress(OSError):
                request_stop(
                    self.settings.state_dir, run_id, StopRequest("failed", f"The step {where} failed.")
                )
        self._store.write(lambda store: store.step_ended(run_id, step, part, state, failure=failure))
        _tell(task_instance, state)
        if step == "plan" and state == "failed":
            self._store.write(lambda store: self._tell_uncovered(store, run_id, task_instance.dag_id))

    def _tell_uncovered(self, store: RunStore, run_id: str, workflow: str) -> None:
        """The columns that the plan was refused for, where the owner lets their names leave."""
        folder = run_folder(self.settings.state_dir, run_id)
        if SPEC.read(folder).policy.share_catalog == "names":
            with store.connection.transaction():
                for event in uncovered_events(run_id, workflow, folder):
                    append_event(store.connection, event)


def _tell(task_instance: Any, state: StepState) -> None:
    run_id, step, part = _place(task_instance)
    where = step if part is None else f"{step} {part}"
    tell(
        f"The step {where} of {run_id}: {state}.",
        run=run_id,
        workflow=task_instance.dag_id,
        step=step,
        state=state,
        weight="error" if state == "failed" else "info" if state == "succeeded" else "warning",
    )


def _is_shown(task_instance: Any) -> bool:
    """Tidying up is no step of a run that anyone follows."""
    return str(task_instance.task_id) != DISCARD and not only_looks(task_instance.dag_id)


def _place(task_instance: Any) -> tuple[str, str, int | None]:
    """(run id, step, part) of a task."""
    part = task_instance.map_index
    run_id = run_id_for(task_instance.dag_id, task_instance.run_id)
    return run_id, task_instance.task_id, None if part is None or part < 0 else int(part)
