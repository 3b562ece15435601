"""What the owner asks for on the status page: a run, the end of one, a test of a connection.

On a VM the status service can start nothing by itself. It puts the request where those of the dashboard
wait, and the process that may start runs takes it from there; policy has been asked by then as for any other.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import ApplianceError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.facts.diagnostics_file import KIND, diagnostics_shown
from appliance.store.asked_by import BY, PAGE
from appliance.store.database import connect
from appliance.store.queries import run_state

WHY = "It was asked for on the status page."
EXPIRES_S = 600.0


class WantedRun(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    workflow: str = Field(min_length=1, max_length=100, description="The workflow to run.")


class WantedTest(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    connection: str = Field(min_length=1, max_length=63, description="The connection to try.")


class Asked(BaseModel):
    """What the page is answered; what becomes of it shows among the runs."""

    said: str = Field(description="What happens now, in a sentence.")


def ask_for_run(settings: Settings, workflow: str) -> Asked:
    """Raises WrongRequestError for a workflow that cannot run, psycopg.Error while the database is away."""
    from appliance.orchestration.start_and_stop import find_workflow, start_run  # noqa: PLC0415 - see serving

    find_workflow(settings, workflow)
    if settings.is_split:
        put(settings, "run", {"workflow": workflow})
        return Asked(said=f"Asked for: {workflow} starts within seconds.")
    return Asked(said=f"Started: {start_run(settings, workflow, wait_s=0).run_id}")


def ask_to_cancel(settings: Settings, run_id: str) -> Asked:
    """Raises WrongRequestError for a run that is over or unknown, psycopg.Error as above."""
    from appliance.orchestration.start_and_stop import cancel_run  # noqa: PLC0415 - see serving

    with connect(settings.database_url, read_only=True) as db:
        state = run_state(db, run_id)
    if state not in ("queued", "running"):
        what = f"The run '{run_id}' is over: it has {state}." if state else f"There is no run '{run_id}'."
        raise WrongRequestError(what, "", "appliance runs")
    if settings.is_split:
        put(settings, "cancel", {"run_id": run_id})
    else:
        cancel_run(settings, run_id, WHY)
    return Asked(said="Asked for: it ends within seconds, and the twin stays as it was.")


def ask_for_test(settings: Settings, connection: str) -> Asked:
    """Have a connection tried as a run opens it. How it went shows with the connection.

    Raises WrongRequestError for one that there is not, psycopg.Error or WorkFailedError while the database
    or Airflow is away.
    """
    from appliance.orchestration.looks import Look, ask  # noqa: PLC0415 - see serving
    from appliance.status.facts.connection_notes import states_of  # noqa: PLC0415

    state = states_of(settings, set()).get(connection)
    if state != "ready":
        what = f"The connection '{connection}' still has changeme in it."
        if state is None:
            what = f"There is no connection '{connection}'."
        raise WrongRequestError(what, "", f"Edit {settings.connections_file}")
    if settings.is_split:
        put(settings, "test", {"connection": connection})
    else:
        # No other process works off what waits where no dashboard is known.
        command_id = put(settings, "test", {"connection": connection}, state="accepted")
        try:
            ask(settings, Look(kind="test", command_id=command_id, connection=connection, origin="local"))
        except ApplianceError:
            # It is not under way, and the page must not say so.
            with connect(settings.database_url) as db:
                db.execute("DELETE FROM appliance.command WHERE command_id = %s", [str(command_id)])
            raise
    return Asked(said=f"Asked for: {connection} is tried; how it went shows here within a minute.")


def ask_for_diagnostics(settings: Settings) -> Asked:
    """Have diagnostics made. Raises WrongRequestError while some are, psycopg.Error as above."""
    with connect(settings.database_url, read_only=True) as db:
        if diagnostics_shown(settings, db).state == "under way":
            raise WrongRequestError("Diagnostics are being made.", "", "Wait until they are there.")
    if settings.is_split:
        put(settings, KIND, {})
    else:
        command_id = put(settings, KIND, {}, state="accepted")
        from appliance.status.facts.diagnostics_making import make_here  # noqa: PLC0415 - see serving

        make_here(settings, str(command_id))
    return Asked(said="Asked for: they are made, which takes up to a minute.")


def put(
    settings: Settings,
    kind: str,
    payload: dict[str, str],
    *,
    state: Literal["received", "accepted"] = "received",
) -> UUID:
    """Put a request where those of the dashboard wait; its id. Raises psycopg.Error."""
    command_id = uuid4()
    with connect(settings.database_url) as db:
        db.execute(
            "INSERT INTO appliance.command (command_id, kind, payload, state, expires_at)"
            " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
            [command_id, kind, Jsonb(payload | {BY: PAGE}), state, EXPIRES_S],
        )
    return command_id
