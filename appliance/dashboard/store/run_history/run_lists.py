"""Lists of runs: those that are looked for, and the latest of each workflow."""

from __future__ import annotations

import time
from dataclasses import dataclass

from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history.rows import LatestRun, RunRow

OVER = ("succeeded", "failed", "refused", "cancelled")
RUN_STATES = ("running", *OVER, "lost")
COLUMNS = (
    "r.appliance_id, r.run_id, r.workflow_id, r.state, r.started_by, r.origin, r.digest, r.command_id,"
    " r.started_at, r.ended_at, r.seconds, r.rows, r.bytes, r.changed_at, a.name AS appliance_name,"
    " w.title AS workflow_title, c.created_by AS asked_by"
)
TABLES = (
    "run r JOIN appliance a ON a.id = r.appliance_id LEFT JOIN workflow w ON w.id = r.workflow_id"
    " LEFT JOIN command c ON c.id = r.command_id"
)
"""``workflow_title`` is None for a workflow of another dashboard, ``asked_by`` where no one asked here."""
OTHERS = {"schedule": "Its schedule", "operator": "An operator on the appliance"}
"""Who asks for runs besides people of this dashboard."""


@dataclass(frozen=True)
class Wanted:
    """Which runs; what is empty leaves none out. Moments are seconds since 1970."""

    workflow_id: str = ""
    appliance_id: str = ""
    state: str = ""
    person: str = ""
    """Who asked: a person's name, or one of OTHERS."""
    text: str = ""
    """Part of a run's id, of its workflow's title or id, or of why it failed."""
    since: float | None = None
    until: float | None = None
    before: float | None = None
    """The start of the last one seen."""


def runs(session: Session, wanted: Wanted, limit: int = 50) -> list[RunRow]:
    """Runs, newest first."""
    where = ["r.started_at < ?"]
    values: list[str | float | int] = [wanted.before if wanted.before is not None else time.time() + 86400.0]
    for condition, value in (
        ("r.workflow_id = ?", wanted.workflow_id),
        ("r.appliance_id = ?", wanted.appliance_id),
        ("r.state = ?", wanted.state),
        ("r.started_by = ?" if wanted.person in OTHERS else "c.created_by = ?", wanted.person),
    ):
        if value:
            where.append(condition)
            values.append(value)
    for condition, moment in (("r.started_at >= ?", wanted.since), ("r.started_at < ?", wanted.until)):
        if moment is not None:
            where.append(condition)
            values.append(moment)
    if wanted.text:
        part = f"%{_literal(wanted.text.lower())}%"
        places = ("r.run_id", "r.workflow_id", "coalesce(w.title, '')")
        found = [f"lower({place}) LIKE ? ESCAPE '!'" for place in places]
        # An outcome is JSON; its failure begins with what happened.
        found.append("lower(coalesce(r.outcome, '')) LIKE ? ESCAPE '!'")
        where.append(f"({' OR '.join(found)})")
        values += [part, part, part, f'%"what":"{part}']
    return session.all(
        RunRow,
        f"SELECT {COLUMNS} FROM {TABLES}"  # noqa: S608
        f" WHERE {' AND '.join(where)} ORDER BY r.started_at DESC LIMIT ?",
        *values,
        limit,
    )


def latest(
    session: Session, *, workflow_id: str = "", appliance_id: str = "", each: int = 20
) -> list[LatestRun]:
    """The latest runs of each workflow, oldest first, by workflow."""
    return session.all(
        LatestRun,
        "SELECT appliance_id, run_id, workflow_id, state, started_at, seconds, rows, workflow_title FROM"
        " (SELECT r.appliance_id, r.run_id, r.workflow_id, r.state, r.started_at, r.seconds,"
        " r.rows, w.title AS workflow_title,"
        " row_number() OVER (PARTITION BY r.workflow_id ORDER BY r.started_at DESC) AS place"
        " FROM run r LEFT JOIN workflow w ON w.id = r.workflow_id WHERE r.workflow_id <> ''"
        " AND (? = '' OR r.workflow_id = ?) AND (? = '' OR r.appliance_id = ?)) latest"
        " WHERE place <= ? ORDER BY workflow_id, started_at LIMIT 2000",
        workflow_id,
        workflow_id,
        appliance_id,
        appliance_id,
        each,
    )


def people_who_asked(session: Session) -> list[str]:
    """Everybody whom a run was asked for by on this dashboard."""
    return session.column(
        str, "SELECT DISTINCT created_by FROM command WHERE kind = 'run' ORDER BY created_by LIMIT 200"
    )


def _literal(text: str) -> str:
    return "".join(f"!{character}" if character in "!%_" else character for character in text)
