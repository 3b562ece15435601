"""Making the appliance's run state agree with Airflow's, for whatever no listener could report.

A killed task reports nothing, a listener may have found the database away, a scheduler may have died between
two writes. What this writes goes through RunStore, so nothing is reported twice.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from appliance.contract.step_messages import Failure
from appliance.orchestration.airflow import metadata
from appliance.orchestration.containers.needs import CONTAINER, DISCARD, UPLOAD
from appliance.orchestration.step_failures import FailedStep, lost_run
from appliance.orchestration.workflow_files import origin_of
from appliance.run_folder import mark_over, run_id_for
from appliance.store.database import Connection
from appliance.store.queries import current_runs, step_states
from appliance.store.rows import RunLine
from appliance.store.runs import RunStore, StepState

GONE = lost_run(
    "Airflow no longer knows this run.",
    "Its database was restored or cleaned while the run was under way.",
    "RunGone",
)
_STEP_STATES: dict[str, StepState] = {
    "success": "succeeded",
    "failed": "failed",
    "up_for_retry": "retrying",
    "skipped": "skipped",
}
_RUN_STATES: dict[str, Literal["succeeded", "failed"]] = {"success": "succeeded", "failed": "failed"}
_NOT_STARTED_S = 60


def reconcile(store: RunStore, airflow: Connection, state_dir: Path) -> int:
    """Look once; how many runs were looked at. Raises psycopg.Error when a database is away."""
    for dag_run in metadata.open_dag_runs(airflow):
        _know(store, dag_run, state_dir)
    ours = [(run, run.airflow_run_id) for run in current_runs(store.connection) if run.airflow_run_id]
    theirs = metadata.dag_runs(airflow, [(run.workflow, airflow_id) for run, airflow_id in ours])
    for run, airflow_id in ours:
        found = theirs.get((run.workflow, airflow_id))
        if found is None:
            if run.seconds > _NOT_STARTED_S:
                _end(store, state_dir, run.run_id, "failed", failure=GONE)
            continue
        _steps(store, airflow, run, airflow_id)
        if state := _RUN_STATES.get(found.state):
            _end(store, state_dir, run.run_id, state, at=found.end_date)
    return len(ours)


def _know(store: RunStore, run: metadata.DagRun, state_dir: Path) -> None:
    run_id = run_id_for(run.dag_id, run.run_id)
    store.run_queued(
        run_id,
        run.dag_id,
        airflow_run_id=run.run_id,
        origin=origin_of(state_dir, run.dag_id),
        trigger="schedule" if run.run_type == "scheduled" else "operator",
        at=run.queued_at,
    )
    if run.state == "running":
        store.run_started(run_id, at=run.start_date)


def _steps(store: RunStore, airflow: Connection, run: RunLine, airflow_run_id: str) -> None:
    known = step_states(store.connection, run.run_id)
    for task in metadata.task_instances(airflow, run.workflow, airflow_run_id):
        step, part = task.task_id, None if task.map_index < 0 else task.map_index
        if step == DISCARD or (step in (CONTAINER, UPLOAD) and task.state == "skipped"):
            # The second: a workflow without one.
            continue
        state = _STEP_STATES.get(task.state or "")
        if known.get((step, task.map_index)) == (state or task.state):
            continue
        if state is None:
            if task.state == "running":
                store.step_started(run.run_id, step, part, task.try_number, at=task.start_date)
            continue
        failure = FailedStep(step, part).killed() if state in ("failed", "retrying") else None
        if state == "failed" and run.stop_requested:
            state, failure = "cancelled", None
        store.step_ended(run.run_id, step, part, state, failure=failure, at=task.end_date)


def _end(
    store: RunStore,
    state_dir: Path,
    run_id: str,
    state: Literal["succeeded", "failed"],
    *,
    failure: Failure | None = None,
    at: datetime | None = None,
) -> None:
    store.run_ended(run_id, state, failure=failure, at=at)
    with contextlib.suppress(OSError):
        mark_over(state_dir, run_id, state)
