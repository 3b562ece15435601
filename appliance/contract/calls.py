"""What crosses between an appliance and its dashboard: the models of ``/v1``, used by both sides as they are.

Only the appliance opens connections. Every call but ``enrol`` carries its bearer token:

    POST /v1/enrol                 EnrolRequest   -> Enrolled          a one-time token becomes a bearer token
    POST /v1/appliance/heartbeat   Heartbeat      -> HeartbeatAnswer   state in; commands and release out
    GET  /v1/appliance/workflows   If-None-Match  -> WorkflowSet | 304
    POST /v1/appliance/events      EventBatch     -> EventsAccepted
    POST /v1/appliance/token       (empty)        -> NewToken          rotation

What leaves an appliance is ``OUTBOUND`` and nothing else; ``docs/what-leaves.md`` is made from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.contract.commands import (
    CancelCommand,
    Command,
    PlanCommand,
    RunCommand,
    ScanCommand,
    SyncCommand,
    UpdateCommand,
)
from appliance.contract.events import Event, EventBatch, EventsAccepted, RejectedEvent
from appliance.contract.fields import (
    ConnectionName,
    Count,
    Digest,
    Identifier,
    Instant,
    Label,
    Offset,
    Percent,
    RuleName,
    RunId,
    ScrubbedText,
    Seconds,
    Secret,
    VersionName,
    WireModel,
    WorkflowId,
)
from appliance.contract.policy_report import PolicyReport
from appliance.contract.receipts import ReceiptChain
from appliance.contract.run_parts import FailureReport
from appliance.errors import Explanation

__all__ = [
    "OUTBOUND",
    "CancelCommand",
    "Command",
    "EnrolRequest",
    "Enrolled",
    "Event",
    "EventBatch",
    "EventsAccepted",
    "FailureReport",
    "Heartbeat",
    "HeartbeatAnswer",
    "NewToken",
    "PlanCommand",
    "Problem",
    "RejectedEvent",
    "RunCommand",
    "ScanCommand",
    "ScrubbedText",
    "SyncCommand",
    "UpdateCommand",
    "WorkflowSet",
]

MAX_HEARTBEAT_BYTES = 256 * 2**10
MAX_WORKFLOWS = 200
MAX_DOCUMENT_BYTES = 256 * 2**10
MAX_WORKFLOW_SET_BYTES = 8 * 2**20
"""An appliance reads no more of an answer than this, whatever the dashboard sends."""
HEARTBEAT_SECONDS = 30
HEARTBEAT_SECONDS_RANGE = (3, 300)
"""An appliance keeps to this range whatever the dashboard asks for."""

Component = Literal["scheduler", "dag_processor", "api_server", "status", "postgres", "docker", "reporting"]
ComponentState = Literal["ok", "degraded", "down", "unknown"]


class EnrolRequest(WireModel):
    """Exchanges a one-time token. Repeatable with the same ``attempt`` until the bearer token is used."""

    token: Secret = Field(description="The one-time token that the dashboard showed.")
    attempt: Secret = Field(
        description="Random, kept until enrolled, so that a lost answer can be asked for again."
    )
    version: VersionName = Field(
        description="The appliance's release, so that the dashboard can speak to it."
    )


class Enrolled(WireModel):
    """The appliance's identity. ``token`` is shown this once."""

    appliance_id: Identifier
    name: Label
    token: Secret
    heartbeat_seconds: Annotated[int, Field(ge=3, le=300)] = HEARTBEAT_SECONDS


class NewToken(WireModel):
    """A new bearer token. The old one is good until this one is first used; asking again replaces this."""

    token: Secret


class ComponentReport(WireModel):
    """One part of the appliance."""

    name: Component = Field(description="Which part.")
    state: ComponentState = Field(description="Whether it works.")
    version: VersionName | None = Field(default=None, description="Its version, for support and updates.")
    problem: ScrubbedText | None = Field(default=None, description="What is wrong with it, scrubbed.")


class WorkflowReport(WireModel):
    """One workflow as the appliance has it."""

    id: WorkflowId = Field(description="The workflow.")
    origin: Literal["cloud", "local"] = Field(
        description="Whether it came from the dashboard or from a local file."
    )
    state: Literal["active", "invalid", "refused", "waiting"] = Field(
        description="Whether it can run; `waiting` is for a connection that is not filled in."
    )
    digest: Digest | None = Field(default=None, description="Which version of the document is in force.")
    rule: RuleName | None = Field(default=None, description="The policy rule that refused it, where one did.")
    problem: ScrubbedText | None = Field(default=None, description="Why it cannot run, scrubbed.")
    next_run_at: Instant | None = Field(default=None, description="When it runs next.")


class ConnectionReport(WireModel):
    """Whether a connection is ready, by name; never where it leads or who it signs in as."""

    name: ConnectionName = Field(description="The name that workflows use.")
    state: Literal["ready", "missing", "placeholder", "invalid"] = Field(
        description="Whether it is filled in, so that the dashboard can say what is left to do."
    )


class DiskReport(WireModel):
    """The disk that holds the appliance's state."""

    total_bytes: Count = Field(description="Its size, to warn before it is full.")
    free_bytes: Count = Field(description="Its free space, to warn before it is full.")


class HostReport(WireModel):
    """The virtual machine, in a few numbers."""

    system: Label | None = Field(
        default=None, description="The operating system's name and version, for support."
    )
    cpus: int | None = Field(
        default=None, ge=1, le=4096, description="How many CPUs it has, to judge a slow run."
    )
    memory_total_bytes: Count | None = Field(default=None, description="Its memory, to judge a slow run.")
    memory_used_percent: Percent | None = Field(default=None, description="How much of it is in use.")
    cpu_percent: Percent | None = Field(default=None, description="How busy its CPUs are.")
    disk: DiskReport | None = Field(default=None, description="Its disk.")


class OutboxReport(WireModel):
    """The events that wait to be sent."""

    waiting: Count = Field(description="How many wait, to see a backlog.")
    oldest_seconds: Seconds | None = Field(default=None, description="How long the oldest has waited.")
    dropped: Count = Field(default=0, description="How many progress events were dropped to make room.")
    rejected: Count = Field(default=0, description="How many the dashboard could not read.")


class Heartbeat(WireModel):
    """The appliance's state. ``healthy`` only on proven work: the scheduler lives, the database answers."""

    sent_at: Instant = Field(description="The appliance's clock, to measure how wrong it is.")
    version: VersionName = Field(description="The appliance's release.")
    started_at: Instant = Field(description="Since when it has been up, to see restarts.")
    healthy: bool = Field(description="Whether it can do its work.")
    components: tuple[ComponentReport, ...] = Field(default=(), max_length=20, description="Its parts.")
    workflows: tuple[WorkflowReport, ...] = Field(
        default=(), max_length=MAX_WORKFLOWS, description="Its workflows, and why one cannot run."
    )
    workflows_etag: Digest | None = Field(
        default=None, description="Which set of the dashboard's workflows it has taken up."
    )
    connections: tuple[ConnectionReport, ...] = Field(
        default=(), max_length=200, description="Which connections are ready, by name."
    )
    running: tuple[RunId, ...] = Field(
        default=(),
        max_length=100,
        description="The runs in progress, so that one whose events were lost is noticed.",
    )
    host: HostReport | None = Field(default=None, description="The virtual machine.")
    outbox: OutboxReport | None = Field(default=None, description="The events that wait to be sent.")
    receipts: ReceiptChain | None = Field(
        default=None, description="The end of the chain of receipts, so that it cannot be cut off unseen."
    )
    policy: PolicyReport | None = Field(default=None, description="What the customer's policy allows.")
    certificate_expires_at: Instant | None = Field(
        default=None, description="When the first of its certificates expires, to warn in time."
    )
    clock_offset_seconds: Offset | None = Field(
        default=None, description="How far its clock is from the dashboard's, as it measured itself."
    )


class WantedRelease(WireModel):
    """The release that this appliance should be on."""

    version: VersionName


class HeartbeatAnswer(WireModel):
    """What the dashboard wants. Nothing in it is an order: the appliance's policy decides."""

    server_time: Instant
    heartbeat_seconds: Annotated[int, Field(ge=3, le=300)]
    workflows_etag: Digest
    commands: Annotated[tuple[Command, ...], Field(max_length=20)] = ()
    wanted_release: WantedRelease | None = None
    rotate_token: bool = False


class AssignedWorkflow(WireModel):
    """One workflow document, as ``appliance.workflow`` writes it; ``digest`` is its ``document_digest``."""

    id: WorkflowId
    revision: Annotated[int, Field(ge=1, le=2**31)]
    digest: Digest
    document: dict[str, Any]


class WorkflowSet(WireModel):
    """All the workflows that are assigned to the appliance; one that is not in it is no longer wanted."""

    etag: Digest
    workflows: Annotated[tuple[AssignedWorkflow, ...], Field(max_length=MAX_WORKFLOWS)]


class Problem(WireModel):
    """Every error answer's body: what happened, why, and what to do."""

    code: Annotated[str, Field(max_length=64)]
    what: Annotated[str, Field(max_length=1000)]
    why: Annotated[str, Field(max_length=2000)] = ""
    next_step: Annotated[str, Field(max_length=1000)] = ""

    @classmethod
    def of(cls, code: str, explanation: Explanation) -> Problem:
        """The answer with this explanation, cut to what an answer may hold."""
        said = explanation
        return cls(
            code=code[:64], what=said.what[:1000], why=said.why[:2000], next_step=said.next_step[:1000]
        )


OUTBOUND: tuple[type[WireModel], ...] = (EnrolRequest, Heartbeat, EventBatch)
"""Every body that an appliance can send. A bearer token and an ETag go in headers beside them."""
