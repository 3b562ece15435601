"""How the runs of each workflow have ended on each appliance, for those who watch a fleet."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.store.database import Session


@dataclass(frozen=True, kw_only=True)
class WorkflowEnd:
    """A workflow on an appliance that is not revoked."""

    appliance: str
    workflow_id: str
    last_success: float | None
    is_failing: int
    """Whether its newest run has failed or was refused."""


def workflow_ends(session: Session) -> list[WorkflowEnd]:
    """Of every workflow that has run somewhere, by appliance and workflow."""
    return session.all(
        WorkflowEnd,
        "SELECT a.name AS appliance, r.workflow_id,"
        " max(CASE WHEN r.state = 'succeeded' THEN r.ended_at END) AS last_success,"
        " max(CASE WHEN r.latest = 1 AND r.state IN ('failed', 'refused') THEN 1 ELSE 0 END) AS is_failing"
        " FROM run r JOIN appliance a ON a.id = r.appliance_id"
        " WHERE a.revoked_at IS NULL AND r.workflow_id <> ''"
        " GROUP BY a.name, r.workflow_id ORDER BY a.name, r.workflow_id",
    )
