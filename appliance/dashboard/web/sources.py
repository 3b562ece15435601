"""Which connections an author can choose among, and whose columns can be shown for the one that is chosen."""

from __future__ import annotations

import time
from dataclasses import dataclass

from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import catalogs, commands, fleet
from appliance.dashboard.store.appliances.catalogs import SourceCatalog
from appliance.dashboard.store.appliances.rows import CommandRow, KnownCatalog, NamedAppliance
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Lenient

MOST_APPLIANCES = 20
"""Looked at, where a workflow is for none yet."""
RECENTLY_S = 1800.0
"""A request that is older is not spoken of any more."""


@dataclass(frozen=True)
class Place:
    """A connection of an appliance."""

    appliance_id: str
    appliance_name: str
    connection: str
    shares: bool
    """Its policy lets columns be shown."""
    scanned_at: float | None
    request: CommandRow | None
    """The last scan that was asked for lately, as the list of commands has it."""

    @property
    def key(self) -> str:
        """As a form names it."""
        return f"{self.appliance_id}/{self.connection}"

    @property
    def waits(self) -> bool:
        """Whether a scan is under way."""
        return self.request is not None and self.request.state in {"waiting", "accepted"}

    @property
    def trouble(self) -> CommandRow | None:
        """The scan that did not work, if nothing newer has come."""
        request = self.request
        if request is None or request.state not in {"refused", "failed", "expired"}:
            return None
        return request if (self.scanned_at or 0) < request.created_at else None


@dataclass(frozen=True)
class Sources:
    """What an author is offered."""

    connections: tuple[str, ...]
    """Of every appliance that the workflow is for, by name."""
    places: tuple[Place, ...]
    """Where the chosen source is a connection."""
    chosen: Place | None
    catalog: SourceCatalog | None
    last_run: float
    """When the workflow last went well there; 0 where it never did."""


def sources(session: Session, workflow_id: str, source: str, wanted: str) -> Sources:
    """What is known for a workflow that reads from ``source``; ``wanted`` is the place that was chosen."""
    rows = _appliances(session, workflow_id)
    names: set[str] = set()
    places: list[Place] = []
    for row in rows:
        report = fleet.report(session, row.id)
        known = {each.connection: each for each in catalogs.known(session, row.id)}
        connections = {each["name"] for each in report.get("connections") or ()} | known.keys()
        names |= connections
        if source in connections:
            places.append(_place(session, row, source, report, known.get(source)))
    places.sort(key=lambda place: (place.scanned_at is None, place.appliance_name))
    chosen = next((place for place in places if place.key == wanted), places[0] if places else None)
    catalog, went_well = None, 0.0
    if chosen is not None:
        catalog = catalogs.catalog(session, chosen.appliance_id, chosen.connection)
        went_well = last_run(session, chosen.appliance_id, workflow_id)
    return Sources(tuple(sorted(names)), tuple(places), chosen, catalog, went_well)


def _appliances(session: Session, workflow_id: str) -> list[NamedAppliance]:
    """Those that the workflow is for; where there is none, those that there are."""
    if workflow_id:
        assigned = workflows.assignments(session, workflow_id)
        if assigned:
            return [NamedAppliance(id=row.appliance_id, name=row.name) for row in assigned[:MOST_APPLIANCES]]
    rows = [row for row in fleet.appliances(session) if row.last_seen and not row.revoked_at]
    return [NamedAppliance(id=row.id, name=row.name) for row in rows[:MOST_APPLIANCES]]


def _place(
    session: Session, row: NamedAppliance, source: str, report: Lenient, known: KnownCatalog | None
) -> Place:
    policy = report.get("policy") or {}
    asked = [
        command
        for command in commands.recent(session, row.id, 20)
        if command.kind == "scan" and command.argument["connection"] == source
    ]
    newest = asked[0] if asked and asked[0].created_at > time.time() - RECENTLY_S else None
    return Place(
        row.id,
        row.name,
        source,
        policy.get("share_catalog") == "names",
        known.scanned_at if known else None,
        newest,
    )


def last_run(session: Session, appliance_id: str, workflow_id: str) -> float:
    """When a workflow last went well on an appliance; 0 where it never did."""
    at = session.value(
        float,
        "SELECT max(started_at) FROM run WHERE appliance_id = ? AND workflow_id = ? AND state = 'succeeded'",
        appliance_id,
        workflow_id,
    )
    return at or 0.0
