"""What ``/status`` says, as types: made once by ``state``, read by page, metrics, heartbeat, command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.cloud.known import DashboardLink
from appliance.status.facts.exports_shown import ExportsShown
from appliance.status.facts.policy_shown import PolicyShown
from appliance.store.rows import (
    AskedErasure,
    ConnectionTestLine,
    DriftCheck,
    KeptLook,
    OutboxDepth,
    RefusedCommand,
    ReleaseWish,
    RunLine,
    RunState,
    StandingTwin,
)
from appliance.system.last_backup import LastBackup

ComponentState = Literal["ok", "degraded", "down", "unknown"]


@dataclass(frozen=True)
class Component:
    """One part of the appliance, and what is wrong with it."""

    name: str
    state: ComponentState
    problem: str | None
    next_step: str | None = None
    """The command that shows more of a problem."""


@dataclass(frozen=True)
class LastRun:
    """The newest run of a workflow."""

    run_id: str
    state: RunState
    queued_at: datetime
    ended_at: datetime | None
    seconds: float


@dataclass(frozen=True)
class WorkflowState:
    """One workflow file: ``waiting`` until Airflow has taken it up, ``invalid`` where it cannot run."""

    id: str | None
    title: str
    file: str
    origin: Literal["local", "cloud"]
    state: Literal["active", "invalid", "waiting"]
    problem: str | None
    schedule: str | None
    timezone: str
    next_run_at: datetime | None
    last_run: LastRun | None
    last_success_at: datetime | None = None
    """When the newest run that succeeded ended."""
    kept: KeptLook | None = None
    """What the newest run that was verified saw in the columns that it kept."""
    drift: str | None = None
    """When it is checked for drift: five cron fields, or two times five."""
    drift_check: DriftCheck | None = None
    """What the last check has found; None where a run has ended since, which says more."""


@dataclass(frozen=True)
class Runs:
    """Those under way, oldest first, and the newest; None where the database is away."""

    current: tuple[RunLine, ...] | None
    recent: tuple[RunLine, ...] | None


@dataclass(frozen=True)
class Disk:
    """The disk that holds the state. Below ``runs_need_bytes`` no run starts."""

    path: str
    total_bytes: int
    free_bytes: int
    level: Literal["ok", "low", "full"]
    low_below_bytes: int
    runs_need_bytes: int
    reserve: Literal["held", "given up"]


@dataclass(frozen=True)
class ReleaseLook:
    """The last look at the release repository: why it came to nothing, and the newest release known."""

    at: datetime
    channel: str
    problem: str | None
    newer: str | None
    """The newest release that comes after the running one."""
    revoked: str | None
    """Why the running one was revoked."""


@dataclass(frozen=True)
class Certificate:
    """A file, and the moment when the first certificate in it expires."""

    file: str
    used_by: str
    expires_at: datetime


@dataclass(frozen=True)
class Receipts:
    """Where the chain of receipts ends, and the public key to check them with."""

    number: int
    digest: str | None
    public_key: str | None


@dataclass(frozen=True)
class ConnectionShown:
    """A connection by name: whether it is filled in, and how its newest test went."""

    name: str
    state: str
    test: ConnectionTestLine | None


@dataclass(frozen=True)
class Report:
    """Everything. None stands for what is not known because its database, or the disk, is away."""

    version: str
    now: datetime
    started_at: datetime
    healthy: bool
    reasons: tuple[str, ...]
    components: tuple[Component, ...]
    workflows: tuple[WorkflowState, ...]
    runs: Runs
    outbox: OutboxDepth | None
    refused: tuple[RefusedCommand, ...] | None
    wanted_release: ReleaseWish | None
    release_look: ReleaseLook | None
    """None where no root of trust is pinned, or before the first look."""
    disk: Disk | None
    dashboard: DashboardLink | None
    certificates: tuple[Certificate, ...]
    receipts: Receipts | None
    erasures: tuple[AskedErasure, ...] | None = None
    """What the dashboard asked to have erased and is not done."""
    name: str | None = None
    """As the dashboard calls this appliance, else as the machine is called."""
    policy: PolicyShown | None = None
    connections: tuple[ConnectionShown, ...] | None = None
    twins: tuple[StandingTwin, ...] | None = None
    exports: ExportsShown | None = None
    last_backup: LastBackup | None = None


@dataclass(frozen=True)
class Health:
    """What ``/healthz`` says."""

    healthy: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class EnrolledAs:
    """The name that the dashboard gave this appliance."""

    name: str


@dataclass(frozen=True)
class Owner:
    """Whether the caller has shown the owner's token, and the file that holds it."""

    is_owner: bool
    token_file: str
