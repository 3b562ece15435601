"""The last check for drift of each workflow on each appliance: whether its next run would go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from appliance.contract.drift_check import DriftChecked
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Stored


@dataclass(frozen=True)
class Checked:
    """What was found, and when."""

    at: float
    found: Annotated[DriftChecked, Stored(DriftChecked.from_wire)]


def take(session: Session, appliance_id: str, data: DriftChecked, at: float, ordinal: int) -> None:
    """Take an event."""
    session.run(
        "INSERT INTO drift_check (appliance_id, workflow_id, ordinal, at, data) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, workflow_id) DO UPDATE SET ordinal = excluded.ordinal,"
        " at = excluded.at, data = excluded.data WHERE excluded.ordinal > drift_check.ordinal",
        appliance_id,
        data.workflow,
        ordinal,
        at,
        data.to_wire(),
    )


@dataclass(frozen=True, kw_only=True)
class CheckedThere(Checked):
    """The last check of one workflow on one appliance."""

    appliance_id: str
    workflow_id: str


_UNANSWERED = (
    "NOT EXISTS (SELECT 1 FROM run r WHERE r.appliance_id = c.appliance_id AND r.workflow_id = c.workflow_id"
    " AND r.latest = 1 AND r.started_at > c.at AND r.state <> 'running')"
)
"""A run that has begun and ended since says more."""


def all_checked(session: Session) -> list[CheckedThere]:
    """The last checks that no run has answered since, of the whole fleet."""
    return session.all(
        CheckedThere,
        "SELECT c.appliance_id, c.workflow_id, c.at, c.data AS found FROM drift_check c"  # noqa: S608
        f" WHERE {_UNANSWERED}",
    )


def checked(session: Session, appliance_id: str, workflow_id: str) -> Checked | None:
    """The last check; None where a run has answered it since."""
    return session.one(
        Checked,
        "SELECT c.at, c.data AS found FROM drift_check c"  # noqa: S608
        f" WHERE c.appliance_id = ? AND c.workflow_id = ? AND {_UNANSWERED}",
        appliance_id,
        workflow_id,
    )
