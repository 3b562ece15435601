"""What the store says of the fleet, as far as it is notified of."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.contract.drift_check import DriftChecked
from appliance.dashboard.store.appliances import drift_checks, fleet
from appliance.dashboard.store.appliances.rows import CountedAppliance
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.run_history.newest_ends import NewestEnd, last_success, newest_ends
from appliance.dashboard.store.run_history.runs import latest_update


@dataclass(frozen=True)
class SeenWorkflow:
    """A workflow on an appliance."""

    id: str
    newest: NewestEnd | None
    """Its newest run that has come to an end."""
    last_success: float | None
    is_scheduled: bool
    drift: DriftChecked | None
    """The last check, where no run has ended since."""


@dataclass(frozen=True)
class SeenUpdate:
    """How an update that is wished for goes, as the appliance reported it last."""

    version: str
    state: str
    rule: str | None


@dataclass(frozen=True)
class Seen:
    """An appliance that is not revoked."""

    id: str
    name: str
    version: str | None
    last_seen: float
    healthy: bool
    problems: tuple[str, ...] = ()
    """Of its parts, in its own words, scrubbed by it."""
    workflows: tuple[SeenWorkflow, ...] = ()
    update: SeenUpdate | None = None


def look(database: Database) -> list[Seen]:
    """All that have reported once. Raises StoreAwayError."""
    with database.read() as session:
        ends: dict[str, dict[str, NewestEnd]] = {}
        for end in newest_ends(session):
            ends.setdefault(end.appliance_id, {})[end.workflow_id] = end
        rows = fleet.appliances(session)
        return [
            _seen(session, row, row.last_seen, ends.get(row.id, {}))
            for row in rows
            if row.last_seen is not None
        ]


def _seen(session: Session, row: CountedAppliance, last_seen: float, ends: dict[str, NewestEnd]) -> Seen:
    scheduled = {
        each.workflow_id
        for each in fleet.placements(session, row.id)
        if each.state == "active" and each.next_run_at is not None
    }
    return Seen(
        id=row.id,
        name=row.name,
        version=row.version,
        last_seen=last_seen,
        healthy=bool(row.healthy),
        problems=() if row.healthy else _problems(session, row.id),
        workflows=tuple(
            _workflow(session, row.id, name, ends.get(name), is_scheduled=name in scheduled)
            for name in sorted(scheduled | set(ends))
        ),
        update=_update(session, row),
    )


def _problems(session: Session, appliance_id: str) -> tuple[str, ...]:
    parts = fleet.report(session, appliance_id).get("components") or []
    return tuple(f"{part['name']}: {part['problem']}" for part in parts if part.get("problem"))


def _workflow(
    session: Session, appliance_id: str, workflow: str, end: NewestEnd | None, *, is_scheduled: bool
) -> SeenWorkflow:
    succeeded = end.ended_at if end is not None and end.state == "succeeded" else None
    if end is not None and succeeded is None:
        succeeded = last_success(session, appliance_id, workflow)
    checked = drift_checks.checked(session, appliance_id, workflow)
    return SeenWorkflow(workflow, end, succeeded, is_scheduled, checked.found if checked else None)


def _update(session: Session, row: CountedAppliance) -> SeenUpdate | None:
    if row.wanted_version is None or row.wanted_version == row.version:
        return None
    reported = latest_update(session, row.id)
    if reported is None or reported.data.get("version") != row.wanted_version:
        return None
    return SeenUpdate(row.wanted_version, str(reported.data.get("state")), reported.rule)
