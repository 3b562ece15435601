"""What the store says of the fleet, as far as it is notified of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from appliance.contract.drift_check import DriftChecked
from appliance.dashboard.store.appliances import drift_checks, fleet, watched
from appliance.dashboard.store.appliances.watched import Watched
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


@dataclass
class _Workflow:
    """What the fleet's lists say of one workflow."""

    newest: NewestEnd | None = None
    is_scheduled: bool = False
    drift: DriftChecked | None = None


def look(database: Database) -> list[Seen]:
    """All that have reported once. Raises StoreAwayError."""
    with database.read() as session:
        there: dict[str, dict[str, _Workflow]] = defaultdict(lambda: defaultdict(_Workflow))
        for end in newest_ends(session):
            there[end.appliance_id][end.workflow_id].newest = end
        for each in watched.scheduled(session):
            there[each.appliance_id][each.workflow_id].is_scheduled = True
        for check in drift_checks.all_checked(session):
            if (workflow := there[check.appliance_id].get(check.workflow_id)) is not None:
                workflow.drift = check.found
        return [_seen(session, row, there[row.id]) for row in watched.reporting(session)]


def _seen(session: Session, row: Watched, workflows: dict[str, _Workflow]) -> Seen:
    return Seen(
        id=row.id,
        name=row.name,
        version=row.version,
        last_seen=row.last_seen,
        healthy=bool(row.healthy),
        problems=() if row.healthy else _problems(session, row.id),
        workflows=tuple(_workflow(session, row.id, name, workflows[name]) for name in sorted(workflows)),
        update=_update(session, row),
    )


def _problems(session: Session, appliance_id: str) -> tuple[str, ...]:
    parts = fleet.report(session, appliance_id).get("components") or []
    return tuple(f"{part['name']}: {part['problem']}" for part in parts if part.get("problem"))


def _workflow(session: Session, appliance_id: str, name: str, found: _Workflow) -> SeenWorkflow:
    end = found.newest
    succeeded = end.ended_at if end is not None and end.state == "succeeded" else None
    if end is not None and succeeded is None:
        succeeded = last_success(session, appliance_id, name)
    return SeenWorkflow(name, end, succeeded, found.is_scheduled, found.drift)


def _update(session: Session, row: Watched) -> SeenUpdate | None:
    if row.wanted_version is None or row.wanted_version == row.version:
        return None
    reported = latest_update(session, row.id)
    if reported is None or reported.data.get("version") != row.wanted_version:
        return None
    return SeenUpdate(row.wanted_version, str(reported.data.get("state")), reported.rule)
