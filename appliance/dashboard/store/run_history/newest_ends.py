"""How each workflow's newest run that has come to an end has ended, and when one last succeeded."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import ReportedJson
from appliance.dashboard.store.run_history.rows import RunState

_NO_END = ("running", "cancelled")
_COLUMNS = "appliance_id, workflow_id, run_id, state, ended_at, outcome"


@dataclass(frozen=True, kw_only=True)
class NewestEnd:
    """A run that has succeeded or failed, was refused, or was lost."""

    appliance_id: str
    workflow_id: str
    run_id: str
    state: RunState
    ended_at: float | None
    outcome: ReportedJson


def newest_ends(session: Session) -> list[NewestEnd]:
    """Of every workflow on every appliance; one that has not come to an end yet has none."""
    found = []
    newest = session.all(
        NewestEnd,
        f"SELECT {_COLUMNS} FROM run WHERE latest = 1 AND workflow_id <> ''",  # noqa: S608
    )
    for each in newest:
        ended = each if each.state not in _NO_END else _before(session, each)
        if ended is not None:
            found.append(ended)
    return found


def _before(session: Session, run: NewestEnd) -> NewestEnd | None:
    return session.one(
        NewestEnd,
        f"SELECT {_COLUMNS} FROM run"  # noqa: S608
        " WHERE appliance_id = ? AND workflow_id = ? AND state NOT IN ('running', 'cancelled')"
        " ORDER BY started_at DESC LIMIT 1",
        run.appliance_id,
        run.workflow_id,
    )


def last_success(session: Session, appliance_id: str, workflow_id: str) -> float | None:
    """When a run of it last succeeded there."""
    return session.value(
        float,
        "SELECT ended_at FROM run WHERE appliance_id = ? AND workflow_id = ? AND state = 'succeeded'"
        " ORDER BY started_at DESC LIMIT 1",
        appliance_id,
        workflow_id,
    )
