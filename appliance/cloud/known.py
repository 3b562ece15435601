"""What passes between the reporter and the status service: what it asks for, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from appliance.store.rows import OutboxDepth, RunLine


@dataclass(frozen=True)
class NotTaken:
    """A workflow of the dashboard that this appliance did not take up."""

    id: str
    state: str
    rule: str | None
    problem: str | None


@dataclass(frozen=True)
class DashboardLink:
    """How it stands with the dashboard. A positive clock offset: this machine's clock is ahead."""

    enrolled: bool
    url: str | None
    name: str | None
    last_contact_at: datetime | None
    clock_offset_seconds: float | None
    problem: str | None
    not_taken: tuple[NotTaken, ...]


class KnownPart(Protocol):
    """One part of the appliance."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> Literal["ok", "degraded", "down", "unknown"]: ...
    @property
    def problem(self) -> str | None: ...


class KnownWorkflow(Protocol):
    """One workflow file."""

    @property
    def id(self) -> str | None: ...
    @property
    def origin(self) -> Literal["local", "cloud"]: ...
    @property
    def state(self) -> Literal["active", "invalid", "waiting"]: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def next_run_at(self) -> datetime | None: ...


class KnownDisk(Protocol):
    """The disk that holds the state."""

    @property
    def total_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...


class KnownRuns(Protocol):
    """Runs under way; None where the database is away."""

    @property
    def current(self) -> Sequence[RunLine] | None: ...


class KnownCertificate(Protocol):
    """A certificate in use."""

    @property
    def expires_at(self) -> datetime: ...


class KnownReport(Protocol):
    """Of the report of ``/status`` (appliance.status.report.Report, a room above), what a heartbeat says."""

    @property
    def started_at(self) -> datetime: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def components(self) -> Sequence[KnownPart]: ...
    @property
    def workflows(self) -> Sequence[KnownWorkflow]: ...
    @property
    def runs(self) -> KnownRuns: ...
    @property
    def outbox(self) -> OutboxDepth | None: ...
    @property
    def disk(self) -> KnownDisk | None: ...
    @property
    def certificates(self) -> Sequence[KnownCertificate]: ...


class Known(Protocol):
    """What the status service knows of this appliance, for every caller."""

    def report(self) -> KnownReport:
        """What ``/status`` says."""
        ...

    def connection_states(self, wanted: set[str]) -> dict[str, str]:
        """How ready each connection is that there is or that a workflow names."""
        ...
