"""What pages and API both show of the fleet and of one appliance, and the asking for a release."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from appliance import __version__
from appliance.dashboard.repository.published import published
from appliance.dashboard.security import Actor
from appliance.dashboard.store import tags, workflows
from appliance.dashboard.store.appliances import branches, commands, drift_checks, fleet, rehearsals
from appliance.dashboard.store.appliances.connection_tests import Tested, connection_tests
from appliance.dashboard.store.appliances.connection_uses import ConnectionUsed, connection_uses
from appliance.dashboard.store.appliances.rows import (
    ApplianceShown,
    CommandRow,
    FleetRow,
    PlacementRow,
    StoredPlacement,
)
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history import run_lists, runs
from appliance.dashboard.store.run_history.rows import EventRow, GapRow, RefusalRow, RunRow, UpdateRow
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.store.workflow_rows import WorkflowRow
from appliance.dashboard.web import connection_template, onboarding
from appliance.dashboard.web.context import Context
from appliance.errors import WrongRequestError


@dataclass(frozen=True)
class ApplianceDetails:
    """All that an appliance's page shows."""

    appliance: ApplianceShown
    tags: list[str]
    upgrade_command: str
    report: dict[str, Any]
    placements: list[PlacementRow]
    uses: dict[str, ConnectionUsed]
    tests: dict[str, Tested]
    runs: list[RunRow]
    commands: list[CommandRow]
    refusals: list[RefusalRow]
    events: list[EventRow]
    update: UpdateRow | None
    gaps: list[GapRow]
    missing: int


def fleet_rows(context: Context, search: str) -> list[FleetRow]:
    """The fleet's rows with their condition, and whether it needs attention."""
    now, beat = time.time(), context.settings.heartbeat_seconds
    with context.database.read() as session:
        rows = fleet.appliances(session, search[:80])
        tagged = tags.tags_by_subject(session, "appliance")
    found = []
    for row in rows:
        condition = fleet.condition(row, now, beat)
        trouble = condition in {"offline", "unhealthy"} or row.failing or row.refused
        found.append(
            FleetRow(**vars(row), tags=tagged.get(row.id, []), condition=condition, attention=bool(trouble))
        )
    return found


def workflow_rows(context: Context, search: str) -> list[WorkflowRow]:
    """The workflows' rows with their tags."""
    with context.database.read() as session:
        rows = workflows.workflows(session, search[:80])
        tagged = tags.tags_by_subject(session, "workflow")
    return [WorkflowRow(**vars(row), tags=tagged.get(row.id, [])) for row in rows]


def appliance_details(context: Context, appliance_id: str) -> ApplianceDetails:
    """All that is shown of one appliance."""
    now = time.time()
    with context.database.read() as session:
        row = fleet.appliance(session, appliance_id)
        condition = fleet.condition(row, now, context.settings.heartbeat_seconds)
        gaps = runs.gaps(session, appliance_id)
        return ApplianceDetails(
            appliance=ApplianceShown(**vars(row), condition=condition),
            tags=tags.tags_of(session, "appliance", appliance_id),
            upgrade_command=onboarding.upgrade_command(context.settings, row.wanted_version or __version__),
            report=fleet.report(session, appliance_id),
            placements=[
                _placement(session, appliance_id, placed)
                for placed in fleet.placements(session, appliance_id)
            ],
            uses=connection_uses(session, appliance_id),
            tests=connection_tests(session, appliance_id),
            runs=run_lists.runs(session, Wanted(appliance_id=appliance_id), 8),
            commands=commands.recent(session, appliance_id, 6),
            refusals=runs.refusals(session, appliance_id, 8),
            events=runs.events(session, appliance_id, limit=10),
            update=runs.latest_update(session, appliance_id),
            gaps=gaps,
            missing=sum(gap.last - gap.first + 1 for gap in gaps),
        )


def _placement(session: Session, appliance_id: str, placed: StoredPlacement) -> PlacementRow:
    return PlacementRow(
        **vars(placed),
        drift=drift_checks.checked(session, appliance_id, placed.workflow_id),
        branches=branches.reported(session, appliance_id, placed.workflow_id),
        rehearsals=rehearsals.latest(session, appliance_id, placed.workflow_id, 3),
    )


def connections_text(context: Context, appliance_id: str) -> str:
    """The connections template for the workflows that are assigned to the appliance."""
    with context.database.read() as session:
        row = fleet.appliance(session, appliance_id)
        wanted = workflows.wanted_by(session, appliance_id)
    return connection_template.template(row.name, [entry.document for entry in wanted.workflows])


def request_update(context: Context, actor: Actor, appliance_id: str, version: str) -> str:
    """Say which release is wanted, and ask for it now; returns the command's id."""
    check_wish(context, version)
    fleet.set_wanted_version(context.database, actor, appliance_id, version)
    return commands.send(context.database, actor, appliance_id, "update", {"version": version})


def check_wish(context: Context, version: str | None) -> None:
    """Raise WrongRequestError for a release that this dashboard's repository does not have.

    Without a repository anything may be wished for: bundles come to machines in other ways then.
    """
    repository = published(context.settings.releases)
    if version is None or repository is None or version in (has := repository.versions()):
        return
    if (why := repository.revoked().get(version)) is not None:
        raise WrongRequestError(f"The release {version} was revoked.", why, "Choose another one.")
    raise WrongRequestError(
        f"The release repository has no release {version}.",
        f"It has {', '.join(has)}." if has else "It has none yet.",
        "appliance-release add BUNDLE, then publish",
    )
