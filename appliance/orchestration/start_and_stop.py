"""Starting and stopping runs, for the command line and the dashboard's requests. Imports no Airflow."""

from __future__ import annotations

import time
from dataclasses import dataclass

from appliance.errors import WrongRequestError
from appliance.orchestration.airflow.execution_api import create_dag_run
from appliance.orchestration.workflow_files import WorkflowFile, read_workflow_files
from appliance.run_folder import StopRequest, new_airflow_run_id, request_stop, run_id_for
from appliance.settings.settings import Settings
from appliance.store.queries import run_state
from appliance.store.rows import StopNote
from appliance.store.runs import RunStore, Trigger

TAKEN_UP_S = 90.0
"""How long a file that is valid may take until Airflow knows its workflow: its DAG processor may rest."""


@dataclass(frozen=True)
class StartedRun:
    """A run that was asked for. ``new`` is False when one of that id had been asked for before."""

    run_id: str
    workflow: str
    new: bool


def find_workflow(settings: Settings, workflow: str) -> WorkflowFile:
    """The file of a workflow that can run. Raises WrongRequestError that says why there is none."""
    files = read_workflow_files(settings.config_dir, settings.state_dir)
    matching = [file for file in files if file.id == workflow]
    for file in matching:
        if file.usable:
            return file
    if matching:
        raise WrongRequestError(matching[0].problem or f"The workflow '{workflow}' cannot run.")
    known = ", ".join(sorted(file.id for file in files if file.id)) or "none"
    broken = [file.path for file in files if file.problem]
    raise WrongRequestError(
        f"There is no workflow '{workflow}'.",
        f"This appliance has: {known}." + (f" Not readable: {', '.join(broken)}." if broken else ""),
        "appliance workflow list",
    )


def start_run(
    settings: Settings,
    workflow: str,
    *,
    airflow_run_id: str | None = None,
    trigger: Trigger = "operator",
    command_id: str | None = None,
    wait_s: float = TAKEN_UP_S,
) -> StartedRun:
    """Start a workflow now. The same ``airflow_run_id`` again starts nothing new.

    Raises WrongRequestError for a workflow that cannot run, WorkFailedError when Airflow does not answer.
    """
    file = find_workflow(settings, workflow)
    wanted = airflow_run_id or new_airflow_run_id()
    run_id = run_id_for(workflow, wanted)
    give_up = time.monotonic() + wait_s
    while True:
        try:
            new = create_dag_run(settings, workflow, wanted)
            break
        except WrongRequestError:
            if time.monotonic() > give_up:
                raise
            time.sleep(1)
    store = RunStore(settings.database_url)
    store.attempt(
        lambda: store.run_queued(
            run_id,
            workflow,
            airflow_run_id=wanted,
            origin=file.origin,
            trigger=trigger,
            command_id=command_id,
        )
    )
    store.close()
    return StartedRun(run_id, workflow, new)


def cancel_run(settings: Settings, run_id: str, why: str) -> bool:
    """Ask a run to stop: its containers end within seconds, its snapshot is closed, nothing is retried.

    False when it had been asked before. Raises WrongRequestError for a run that is over.
    """
    store = RunStore(settings.database_url)
    state = store.attempt(lambda: run_state(store.connection, run_id) or "unknown")
    if state == "unknown":
        raise WrongRequestError(f"There is no run '{run_id}'.", "", "appliance runs")
    if state not in (None, "queued", "running"):
        raise WrongRequestError(
            f"The run '{run_id}' is over: it has {state}.", "", f"appliance runs {run_id}"
        )
    request = StopRequest("cancel", why)
    asked = request_stop(settings.state_dir, run_id, request)
    store.attempt(lambda: store.stop_requested(run_id, StopNote(request.kind, request.why)))
    store.close()
    return asked
