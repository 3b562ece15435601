"""What Airflow's own database says, by plain SQL: the truth about runs and processes, without Airflow.

The few columns that are read here have kept their names through Airflow 3; a test reads them from a real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.rows import class_row

from appliance.store.database import Connection

JOBS = {"SchedulerJob": "scheduler", "DagProcessorJob": "dag_processor"}
STALE_S = 30.0
"""A process whose last heartbeat is older counts as down; it writes one every five seconds."""
LOOK_DAG = "_look"
"""The DAG of what the dashboard asks to be looked at."""
REHEARSAL_DAG = "_rehearsal"
"""The DAG of rehearsals that were asked for, of all workflows."""
PROBE_DAG = "_probe"
"""The DAG of the tiny run that a release is proven by."""
DRIFT_DAG = "_drift."
"""Begins the DAG of a workflow's check for drift; the workflow's id follows."""
_OPEN = ("queued", "running")
_NO_WORKFLOWS = (LOOK_DAG, REHEARSAL_DAG, PROBE_DAG)


def only_looks(dag_id: str) -> bool:
    """Whether a DAG is the appliance's own: no run of it is a workflow's, whose id begins otherwise."""
    return dag_id in _NO_WORKFLOWS or dag_id.startswith(DRIFT_DAG)


@dataclass(frozen=True)
class DagRun:
    """A run as Airflow has it."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None


@dataclass(frozen=True)
class TaskInstance:
    """A task of a run; ``map_index`` is -1 for one that has no shards."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    start_date: datetime
    end_date: datetime | None


def heartbeats(connection: Connection) -> dict[str, float]:
    """Seconds since each process's newest heartbeat, by our name for it; a silent one is missing."""
    rows = connection.execute(
        "SELECT job_type, max(latest_heartbeat) AS at FROM job"
        " WHERE job_type = ANY(%s) AND state = 'running' GROUP BY job_type",
        [list(JOBS)],
    ).fetchall()
    now = datetime.now(UTC)
    return {JOBS[row["job_type"]]: (now - row["at"]).total_seconds() for row in rows if row["at"]}


def next_runs(connection: Connection) -> dict[str, datetime]:
    """When each scheduled workflow runs next."""
    rows = connection.execute(
        "SELECT dag_id, next_dagrun_create_after AS at FROM dag"
        " WHERE NOT is_stale AND next_dagrun_create_after IS NOT NULL"
    ).fetchall()
    return {row["dag_id"]: row["at"] for row in rows}


def known_workflows(connection: Connection) -> set[str]:
    """The workflows that Airflow would run."""
    return {
        row["dag_id"] for row in connection.execute("SELECT dag_id FROM dag WHERE NOT is_stale").fetchall()
    }


def open_dag_runs(connection: Connection) -> list[DagRun]:
    """Runs that Airflow has queued or under way."""
    with connection.cursor(row_factory=class_row(DagRun)) as cursor:
        return cursor.execute(
            "SELECT dag_id, run_id, run_type, state, queued_at, start_date, end_date FROM dag_run"
            " WHERE state = ANY(%s) AND dag_id <> ALL(%s) AND NOT starts_with(dag_id, %s)",
            [list(_OPEN), list(_NO_WORKFLOWS), DRIFT_DAG],
        ).fetchall()


def dag_runs(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], DagRun]:
    """These runs (workflow, Airflow's run id), those of them that Airflow knows."""
    with connection.cursor(row_factory=class_row(DagRun)) as cursor:
        found = cursor.execute(
            "SELECT dag_id, run_id, run_type, state, queued_at, start_date, end_date FROM dag_run"
            " WHERE (dag_id, run_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            [[dag for dag, _ in keys], [run for _, run in keys]],
        ).fetchall()
    return {(run.dag_id, run.run_id): run for run in found}


def task_instances(connection: Connection, workflow: str, airflow_run_id: str) -> list[TaskInstance]:
    """The tasks of a run that have begun."""
    with connection.cursor(row_factory=class_row(TaskInstance)) as cursor:
        return cursor.execute(
            "SELECT task_id, map_index, state, try_number, start_date, end_date FROM task_instance"
            " WHERE dag_id = %s AND run_id = %s AND start_date IS NOT NULL",
            [workflow, airflow_run_id],
        ).fetchall()
