"""What Airflow's changes of a run's state mean: state and event, in one breath. Lives in the scheduler.

For speed; appliance.orchestration.reconcile is for truth. Nothing here may raise or wait long.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from functools import cached_property
from typing import Any, Literal

from airflow.listeners import hookimpl

from appliance.orchestration.airflow.listeners.best_effort_store import QuietStore
from appliance.orchestration.airflow.metadata import only_looks
from appliance.orchestration.airflow.patches import SchedulerSleep, end_with_parent
from appliance.orchestration.workflow_files import origin_of
from appliance.run_folder import mark_over, run_id_for
from appliance.settings.settings import Settings, load_settings
from appliance.store.runs import RunStore, Trigger
from appliance.system.journal import tell

REAP_EVERY_S = 600.0
"""Besides the end of each run. A look takes a second of processor time, all day and night."""
REAP_TIMEOUT_S = 120.0


class RunListener:
    """Airflow's listener for runs."""

    def __init__(self) -> None:
        self._store = QuietStore(lambda: self.settings.database_url)
        self._reap_now = threading.Event()

    @cached_property
    def settings(self) -> Settings:
        """Read once a process."""
        return load_settings()

    @cached_property
    def sleep(self) -> SchedulerSleep:
        """How long this scheduler sleeps."""
        return SchedulerSleep(self.settings)

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """In the scheduler only: set its sleep, and reap what ended runs left."""
        # The hook comes before the job knows its type; tasks, forked from here, call it with something else.
        if type(component).__name__ != "Job" or "scheduler" not in sys.argv:
            return
        end_with_parent()
        with contextlib.suppress(Exception):
            self.sleep.apply()
        threading.Thread(target=self._reap_for_ever, name="reaper", daemon=True).start()

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:  # noqa: ARG002 - the hook's signature
        workflow, airflow_run_id = dag_run.dag_id, dag_run.run_id
        run_id = run_id_for(workflow, airflow_run_id)
        self.sleep.run_started(run_id)
        if only_looks(workflow):
            return
        trigger: Trigger = "schedule" if dag_run.run_type == "scheduled" else "operator"
        queued, started = dag_run.queued_at, dag_run.start_date
        origin = origin_of(self.settings.state_dir, workflow)

        def write(store: RunStore) -> None:
            store.run_queued(
                run_id, workflow, airflow_run_id=airflow_run_id, origin=origin, trigger=trigger, at=queued
            )
            store.run_started(run_id, at=started)

        self._store.write(write)
        tell(f"The run {run_id} has begun.", run=run_id, workflow=workflow, state="running")

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:  # noqa: ARG002
        self._ended(dag_run, "succeeded")

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:  # noqa: ARG002
        """A run failed or was cancelled."""
        self._ended(dag_run, "failed")

    def _ended(self, dag_run: Any, state: Literal["succeeded", "failed"]) -> None:
        run_id = run_id_for(dag_run.dag_id, dag_run.run_id)
        at = dag_run.end_date
        self.sleep.run_ended(run_id)
        if only_looks(dag_run.dag_id):
            return
        self._store.write(lambda store: store.run_ended(run_id, state, at=at))
        tell(
            f"The run {run_id} has {state}.",
            run=run_id,
            workflow=dag_run.dag_id,
            state=state,
            weight="error" if state == "failed" else "info",
        )
        with contextlib.suppress(OSError):
            mark_over(self.settings.state_dir, run_id, state)
        self._reap_now.set()

    def _reap_for_ever(self) -> None:
        """In a process of its own each time: the scheduler must not wait for Docker, nor hold its client."""
        while True:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                command = [sys.executable, "-m", "appliance.orchestration.containers.reaper", "--once"]
                subprocess.run(  # noqa: S603
                    command, check=False, timeout=REAP_TIMEOUT_S, stdin=subprocess.DEVNULL
                )
            self._reap_now.clear()
            self._reap_now.wait(REAP_EVERY_S)
            time.sleep(1)
