"""What became of a command of the dashboard: written down and answered for in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from appliance.contract.events import CommandChanged
from appliance.store.asked_by import BY, PAGE
from appliance.store.database import Connection
from appliance.store.events import append_event, scrubbed


@dataclass(frozen=True)
class Settled:
    """What became of a command."""

    state: Literal["accepted", "done", "refused", "failed", "cancelled"]
    run_id: str | None = None
    rule: str | None = None
    problem: str | None = None
    failure: str | None = None
    """The class of a failure, kept here; the dashboard has it in an event of its own."""


def finish_command(db: Connection, command_id: str, outcome: Settled) -> None:
    """Write down what became of a command, and answer for it. The same again changes and reports nothing."""
    why = {
        "run_id": outcome.run_id,
        "rule": outcome.rule,
        "problem": outcome.problem,
        "failure": outcome.failure,
    }
    with db.transaction():
        changed = db.execute(
            # A migration that came along is needed no more.
            "UPDATE appliance.command SET state = %(state)s, settled_at = now(), outcome = %(outcome)s,"
            " payload = payload - 'sql' - 'down'"
            " WHERE command_id = %(id)s AND state IN ('received', 'accepted') AND state <> %(state)s"
            " RETURNING payload ->> %(by)s AS by",
            {"id": command_id, "state": outcome.state, "outcome": Jsonb(why), "by": BY},
        ).fetchone()
        if changed and changed["by"] != PAGE:
            append_event(
                db,
                CommandChanged(
                    command_id=UUID(command_id),
                    state=outcome.state,
                    run_id=outcome.run_id,
                    rule=outcome.rule,
                    problem=scrubbed(outcome.problem),
                ),
            )
