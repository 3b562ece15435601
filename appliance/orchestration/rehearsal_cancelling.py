"""Ending a rehearsal that was asked for: at once where it has not begun, else its step is asked to stop.

Imports no Airflow and no step, as the status service is small.
"""

from __future__ import annotations

from appliance.errors import RefusedError, WrongRequestError
from appliance.policy.branches import check_asking
from appliance.policy.policy import enforce, read_policy
from appliance.policy.refusal import Origin
from appliance.run_folder import LOOK, StopRequest, request_stop, run_folder
from appliance.settings.settings import Settings
from appliance.store.asked_work import AskedWork, find_work, work_ended
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection

CANCELLED = "The rehearsal was cancelled."
EXIT_CODE = 1


def require_open(db: Connection, work_id: str) -> AskedWork:
    """The rehearsal of that id, which is not over. Raises WrongRequestError, psycopg.Error."""
    found = find_work(db, work_id)
    if found is None:
        raise WrongRequestError(
            f"No rehearsal was asked for under {work_id}, or it was forgotten since.",
            "",
            "appliance rehearsal list",
        )
    if found.kind != "rehearse":
        raise WrongRequestError(
            f"{work_id} is work at a branch, and no rehearsal.", "It takes seconds, and is not cancelled."
        )
    if found.ended_at is not None:
        raise WrongRequestError(
            f"The rehearsal {work_id} is over: it {_ENDS.get(found.state, 'has ended')}.",
            "",
            f"appliance remote wait {work_id}",
        )
    return found


_ENDS = {"done": "is done", "failed": "has failed", "refused": "was refused", "cancelled": "was cancelled"}


def cancel_rehearsal(
    db: Connection, settings: Settings, work_id: str, why: str, *, origin: Origin = "local"
) -> None:
    """Ask it to end: within seconds its branch is gone. Again changes nothing.

    Raises RefusedError for what the dashboard may not end, WrongRequestError for what is none or over,
    psycopg.Error while the database is away.
    """
    found = require_open(db, work_id)
    if origin == "cloud":
        enforce(check_asking(read_policy(settings).branches, "cloud"), "Ask the owner of policy.yaml.")
        if found.origin != "cloud":
            raise RefusedError(
                f"The rehearsal {work_id} was not asked for by the dashboard.",
                "It ends what it has asked for itself.",
                rule="branches.by",
            )
    run_id = f"{LOOK}{work_id}"
    if run_folder(settings.state_dir, run_id).is_dir():
        request_stop(settings.state_dir, run_id, StopRequest("cancel", why))
    if found.started_at is None:
        with db.transaction():
            work_ended(db, work_id, EXIT_CODE, None)
            finish_command(db, work_id, as_cancelled(why))


def as_cancelled(why: str) -> Settled:
    """What is written down of it."""
    return Settled("cancelled", problem=f"{CANCELLED} {why}".strip())
