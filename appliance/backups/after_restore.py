"""What a restored database must forget: work that was under way, and numbers that have been used."""

from __future__ import annotations

from contextlib import closing

import psycopg

from appliance.orchestration.step_failures import lost_run
from appliance.postgres.errors import database_failure
from appliance.store import outbox
from appliance.store.database import connect, migrate
from appliance.store.queries import current_runs
from appliance.store.runs import RunStore

ENDED = lost_run(
    "The appliance was restored from a backup that was made while this run was under way.",
    "Its containers and its snapshot belonged to the machine that is gone.",
    "Restored",
)
_UNFINISHED_RUNS = "SELECT run_id, dag_id FROM dag_run WHERE state IN ('queued', 'running')"
_END_TASKS = """
UPDATE task_instance SET state = 'failed', end_date = now()
WHERE (run_id, dag_id) = (%s, %s) AND (state IS NULL OR state NOT IN
  ('success', 'failed', 'skipped', 'upstream_failed', 'removed'))
"""
_END_RUN = "UPDATE dag_run SET state = 'failed', end_date = now() WHERE (run_id, dag_id) = (%s, %s)"


def end_airflow_runs(conninfo: str) -> int:
    """End the runs that were under way, so that the scheduler takes none of them up; how many."""
    try:
        with closing(connect(conninfo)) as session, session.transaction():
            runs = session.execute(_UNFINISHED_RUNS).fetchall()
            for run in runs:
                session.execute(_END_TASKS, [run["run_id"], run["dag_id"]])
                session.execute(_END_RUN, [run["run_id"], run["dag_id"]])
            return len(runs)
    except psycopg.Error as error:
        raise database_failure("Runs in the restored database 'airflow' could not be ended.", error) from None


def begin_anew(conninfo: str) -> int:
    """Number the outbox afresh, and end the runs that were under way; how many."""
    migrate(conninfo)
    store = RunStore(conninfo)
    try:
        outbox.begin_stream(store.connection)
        runs = [run.run_id for run in current_runs(store.connection)]
        for run_id in runs:
            store.run_ended(run_id, "failed", failure=ENDED)
        return len(runs)
    except psycopg.Error as error:
        raise database_failure("The restored database 'appliance' could not be settled.", error) from None
    finally:
        store.close()
