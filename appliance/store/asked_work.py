"""Work at branches that was asked for from elsewhere: how far it is, what came of it. One row a command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from appliance.store.asked_by import BY, PAGE
from appliance.store.database import Connection

WorkKind = Literal["branch", "rehearse"]
WorkState = Literal["queued", "running", "done", "failed", "refused", "cancelled"]
_STATES: dict[str, WorkState] = {
    "received": "queued",
    "accepted": "queued",
    "done": "done",
    "failed": "failed",
    "refused": "refused",
    "cancelled": "cancelled",
}
_OVER = ("done", "failed", "refused", "cancelled")
_MOST_LINES = 200
_COLUMNS = """
SELECT c.command_id AS id, c.kind, c.payload ->> 'workflow' AS workflow, c.state, c.received_at AS asked_at,
    c.settled_at AS ended_at, c.outcome ->> 'rule' AS rule, c.outcome ->> 'problem' AS problem,
    w.started_at, w.said, w.exit_code, w.answer, c.payload ->> %(by)s AS by
FROM appliance.command AS c LEFT JOIN appliance.asked_work AS w USING (command_id)
WHERE c.kind IN ('branch', 'rehearse')
"""


@dataclass(frozen=True)
class AskedWork:
    """A rehearsal, or something done to a branch, as it stands."""

    id: str
    kind: WorkKind
    workflow: str
    origin: Literal["local", "cloud"]
    state: WorkState
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    said: tuple[str, ...]
    """How far it is, line by line."""
    exit_code: int | None
    """0 done, or the migration passed; 1 failed or cancelled, 2 wrong, 3 refused, or above a threshold."""
    rule: str | None
    problem: str | None
    answer: dict[str, JsonValue] | None
    """Which branches there are, or the report of the rehearsal."""


def begin_work(db: Connection, command_id: str) -> None:
    """It is handed on to be done. What it brought along goes with the command's new state, and not before:
    killed in between, it is handed on again.
    """
    db.execute(
        "INSERT INTO appliance.asked_work (command_id, kind, workflow, origin)"
        " SELECT command_id, kind, payload ->> 'workflow',"
        "        CASE WHEN payload ->> %(by)s = %(page)s THEN 'local' ELSE 'cloud' END"
        " FROM appliance.command WHERE command_id = %(id)s ON CONFLICT DO NOTHING",
        {"id": command_id, "by": BY, "page": PAGE},
    )


def work_started(db: Connection, command_id: str, minutes: int) -> None:
    """It has begun, and is over after so many minutes; what is not heard of by then was killed."""
    db.execute(
        "UPDATE appliance.asked_work SET started_at = now(), lost_after = now() + make_interval(mins => %s)"
        " WHERE command_id = %s AND started_at IS NULL",
        [minutes, command_id],
    )


def is_open(db: Connection, command_id: str) -> bool:
    """Whether it is still to be done, or to be answered for."""
    found = db.execute(
        "SELECT FROM appliance.command WHERE command_id = %s AND state IN ('received', 'accepted')",
        [command_id],
    ).fetchone()
    return found is not None


def say_of_work(db: Connection, command_id: str, line: str) -> None:
    """One more line of how far it is; the same line twice is said once."""
    db.execute(
        "UPDATE appliance.asked_work SET said = said || %(line)s WHERE command_id = %(id)s"
        " AND jsonb_array_length(said) < %(most)s AND said -> -1 IS DISTINCT FROM %(line)s",
        {"id": command_id, "line": Jsonb(line[:500]), "most": _MOST_LINES},
    )


def work_ended(db: Connection, command_id: str, exit_code: int, answer: dict[str, JsonValue] | None) -> None:
    """What came of it; the command itself says the rest."""
    db.execute(
        "UPDATE appliance.asked_work SET exit_code = %s, answer = %s WHERE command_id = %s",
        [exit_code, Jsonb(answer) if answer is not None else None, command_id],
    )


def find_work(db: Connection, command_id: str) -> AskedWork | None:
    """One, or None where there is none of that id."""
    with db.cursor(row_factory=kwargs_row(_work)) as cursor:
        return cursor.execute(
            _COLUMNS + " AND c.command_id = %(id)s", {"id": command_id, "by": BY}
        ).fetchone()


def recent_rehearsals(db: Connection, most: int = 10) -> list[AskedWork]:
    """The newest rehearsals, without their reports."""
    with db.cursor(row_factory=kwargs_row(_work)) as cursor:
        found = cursor.execute(
            _COLUMNS.replace("w.answer,", "NULL::jsonb AS answer,")
            + " AND c.kind = 'rehearse' ORDER BY c.received_at DESC LIMIT %(most)s",
            {"most": most, "by": BY},
        )
        return found.fetchall()


def _work(
    *,
    id: str,  # noqa: A002
    kind: WorkKind,
    workflow: str,
    state: str,
    asked_at: datetime,
    ended_at: datetime | None,
    rule: str | None,
    problem: str | None,
    started_at: datetime | None,
    said: list[str] | None,
    exit_code: int | None,
    answer: dict[str, JsonValue] | None,
    by: str | None,
) -> AskedWork:
    shown = _STATES[state]
    over = shown in _OVER
    if over and exit_code is None:
        # It never came as far as a step.
        exit_code = {"done": 0, "refused": 3}.get(shown, 1)
    return AskedWork(
        id=id,
        kind=kind,
        workflow=workflow,
        origin="local" if by == PAGE else "cloud",
        state="running" if shown == "queued" and started_at is not None else shown,
        asked_at=asked_at,
        started_at=started_at,
        ended_at=ended_at if over else None,
        said=tuple(said or ()),
        exit_code=exit_code,
        rule=rule,
        problem=problem,
        answer=answer,
    )
