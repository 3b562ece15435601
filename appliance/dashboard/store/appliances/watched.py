"""What is read of the whole fleet at once, every few seconds: by those who notify of what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.store.database import Session


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An appliance that is not revoked and has reported."""

    id: str
    name: str
    last_seen: float
    version: str | None
    wanted_version: str | None
    healthy: int


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """A workflow that will run by itself on an appliance."""

    appliance_id: str
    workflow_id: str


def reporting(session: Session) -> list[Watched]:
    """Every appliance that there is something to say of, by name."""
    return session.all(
        Watched,
        "SELECT id, name, last_seen, version, wanted_version, healthy FROM appliance"
        " WHERE revoked_at IS NULL AND last_seen IS NOT NULL ORDER BY name",
    )


def scheduled(session: Session) -> list[Scheduled]:
    """Every workflow that says when it runs next."""
    return session.all(
        Scheduled,
        "SELECT appliance_id, workflow_id FROM placement"
        " WHERE state = 'active' AND next_run_at IS NOT NULL ORDER BY appliance_id, workflow_id",
    )
