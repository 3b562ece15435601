"""Appliances and commands as the queries give them. Moments are seconds since 1970, flags 0 or 1."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from appliance.dashboard.store.appliances.branches import Reported
from appliance.dashboard.store.appliances.drift_checks import Checked
from appliance.dashboard.store.appliances.rehearsals import Rehearsed
from appliance.dashboard.store.rows import DocumentJson, Stored
from appliance.dashboard.store.run_history.rows import RunState

Condition = Literal["healthy", "unhealthy", "offline", "new", "revoked"]
DRAFT = "draft"
LONG = frozenset({DRAFT, "sql", "down"})
"""Arguments as long as a document, which are shown with the command nowhere."""


@dataclass(frozen=True, kw_only=True)
class ApplianceRow:
    """An appliance."""

    id: str
    name: str
    created_at: float
    created_by: str
    enrolled_at: float | None
    revoked_at: float | None
    last_seen: float | None
    version: str | None
    wanted_version: str | None
    healthy: int
    clock_offset: float | None
    workflows_etag: str | None
    token_at: float | None


@dataclass(frozen=True, kw_only=True)
class ApplianceShown(ApplianceRow):
    """An appliance, with how it is."""

    condition: Condition


@dataclass(frozen=True, kw_only=True)
class CountedAppliance(ApplianceRow):
    """An appliance, with how many of its runs and workflows are how."""

    running: int
    failing: int
    refused: int
    workflows: int
    last_success: float | None
    next_run: float | None


@dataclass(frozen=True, kw_only=True)
class FleetRow(CountedAppliance):
    """An appliance in the list, with how many of its runs and workflows are how."""

    condition: Condition
    attention: bool
    tags: list[str]


@dataclass(frozen=True, kw_only=True)
class StoredPlacement:
    """A workflow on an appliance: as assigned here, as the appliance says, and how its last run went."""

    workflow_id: str
    title: str | None
    assigned_at: float | None
    wanted_digest: str | None
    origin: str | None
    state: str | None
    digest: str | None
    rule: str | None
    problem: str | None
    next_run_at: float | None
    last_run_id: str | None
    last_state: RunState | None
    last_started_at: float | None


@dataclass(frozen=True, kw_only=True)
class PlacementRow(StoredPlacement):
    """A workflow on an appliance: as assigned here, as the appliance says, and how its last run went."""

    drift: Checked | None
    """Whether its next run would go, where that was looked at since the last one."""
    branches: list[Reported]
    """Of its twins, as the appliance last said."""
    rehearsals: list[Rehearsed]
    """The newest."""


@dataclass(frozen=True, kw_only=True)
class UsedToken:
    """The appliance that a bearer token belongs to, with its tokens' digests."""

    id: str
    name: str
    token_digest: str | None
    next_token_digest: str | None
    token_at: float | None
    rotate_asked_at: float | None
    wanted_version: str | None


@dataclass(frozen=True, kw_only=True)
class UsedEnrolment:
    """An enrolment token that is good still, and its appliance."""

    digest: str
    appliance_id: str
    used_at: float | None
    attempt_digest: str | None
    maker: str
    name: str
    last_seen: float | None


@dataclass(frozen=True)
class Enrolled:
    """What an appliance is given for its enrolment token."""

    appliance_id: str
    name: str
    token: str


@dataclass(frozen=True, kw_only=True)
class NamedAppliance:
    """An appliance to choose."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class WaitingCommand:
    """A command that is offered to its appliance, with its whole argument."""

    id: str
    kind: str
    argument: DocumentJson
    expires_at: float
    maker: str


def _shown_argument(text: str | None) -> dict[str, Any]:
    return {key: value for key, value in json.loads(text or "{}").items() if key not in LONG}


def _erasure(text: str | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


@dataclass(frozen=True, kw_only=True)
class CommandRow:
    """A command, and what became of it."""

    id: str
    kind: str
    argument: Annotated[dict[str, Any], Stored(_shown_argument)]
    state: Literal["waiting", "accepted", "done", "refused", "failed", "cancelled", "expired"]
    created_at: float
    created_by: str
    expires_at: float
    offered_at: float | None
    changed_at: float | None
    run_id: str | None
    rule: str | None
    problem: str | None
    erasure: Annotated[dict[str, Any] | None, Stored(_erasure)] = None
    """Of an erasure: places, those that are open, rows, and the receipt's number and digest."""


@dataclass(frozen=True, kw_only=True)
class CommandShown(CommandRow):
    """The same, with the appliance that it is for."""

    appliance_id: str


@dataclass(frozen=True, kw_only=True)
class KnownCatalog:
    """A catalog that has come, without its tables."""

    appliance_id: str
    appliance_name: str
    connection: str
    scanned_at: float
    tables: int
    columns: int
    tables_total: int


@dataclass(frozen=True, kw_only=True)
class StoredCatalog:
    """A catalog: its parts are those of the scan; ``since`` is JSON of the times of its columns."""

    scan_id: str
    scanned_at: float
    tables_total: int
    since: str
