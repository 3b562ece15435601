"""Events: what an appliance reports of its runs, in order and numbered.

Every field's description says why it leaves; ``docs/what-leaves.md`` is made from them. A receiver applies an
event only where its number is newer than what it already knows of the same thing, so late, repeated and
reordered events are harmless.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from appliance.contract.branches import BranchesReported
from appliance.contract.catalog import CatalogReported, ColumnsUncovered, PlanReported
from appliance.contract.connection_test import ConnectionTested
from appliance.contract.drift_check import DriftChecked
from appliance.contract.erasures import ErasureReported
from appliance.contract.fields import (
    ConnectionName,
    Count,
    Digest,
    Identifier,
    Instant,
    ObjectName,
    RuleName,
    RunId,
    ScrubbedText,
    Seconds,
    VersionName,
    WireModel,
    WorkflowId,
)
from appliance.contract.receipts import ReceiptSigned
from appliance.contract.rehearsals import RehearsalReported
from appliance.contract.run_parts import (
    MAX_PLANNED_TABLES,
    Check,
    FailureReport,
    KeptLooked,
    Shard,
    Step,
    StepTime,
    TableBrief,
)
from appliance.contract.table_drift import MAX_DRIFT, TableDrift

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 2 * 2**20
"""A sender keeps a batch below both; a receiver answers 413 above the second."""

StepState = Literal["waiting", "running", "succeeded", "failed", "retrying", "cancelled", "skipped"]
RunOutcome = Literal["succeeded", "failed", "refused", "cancelled"]
_Run = Annotated[RunId, Field(description="The run it belongs to.")]


class RunStarted(WireModel):
    """A run began."""

    type: Literal["run_started"] = Field(default="run_started", description="The kind of event.")
    run_id: _Run
    workflow: WorkflowId = Field(description="The workflow that runs.")
    trigger: Literal["schedule", "command", "operator"] = Field(description="Who asked for the run.")
    origin: Literal["cloud", "local"] = Field(description="Whether the workflow came from the dashboard.")
    digest: Digest | None = Field(default=None, description="Which version of the workflow's document ran.")
    command_id: Identifier | None = Field(
        default=None, description="The dashboard's command that asked for it."
    )


class RunPlanned(WireModel):
    """What a run is about to do, in numbers and table names."""

    type: Literal["run_planned"] = Field(default="run_planned", description="The kind of event.")
    run_id: _Run
    shards: int = Field(ge=0, le=100_000, description="How many parts copying is cut into, to show progress.")
    tables: tuple[TableBrief, ...] = Field(
        default=(),
        max_length=MAX_PLANNED_TABLES,
        description="The tables to copy, to show progress by table.",
    )
    tables_total: Count = Field(description="How many tables there are, where the list had to be cut.")
    not_carried: Count = Field(default=0, description="How many things of the source the twin will not have.")
    warnings: Count = Field(
        default=0, description="How many warnings the plan has; their text stays on the appliance."
    )
    server_version: int | None = Field(
        default=None, ge=90000, le=10**7, description="The source server's version number, for support."
    )
    drift: tuple[TableDrift, ...] = Field(
        default=(),
        max_length=MAX_DRIFT,
        description="What has changed in the source's tables since the last run, to see what came.",
    )


class StepChanged(WireModel):
    """A step of a run, or one part of it, changed state."""

    type: Literal["step_changed"] = Field(default="step_changed", description="The kind of event.")
    run_id: _Run
    step: Step = Field(description="The step.")
    shard: Shard = None
    state: StepState = Field(description="Its new state.")
    attempt: int = Field(default=1, ge=1, le=1000, description="Which try it is.")
    seconds: Seconds | None = Field(default=None, description="How long it took, once it is over.")


class TableProgress(WireModel):
    """How far one table has come. Dropped first when the appliance has to make room."""

    type: Literal["progress"] = Field(default="progress", description="The kind of event.")
    run_id: _Run
    step: Step = Field(description="The step that is at work.")
    shard: Shard = None
    table: ObjectName | None = Field(
        default=None, description="The table, by name, to draw its progress bar."
    )
    part: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]+$", max_length=60)] | None = Field(
        default=None, description="Which part of the table, where it is copied in several."
    )
    rows: Count = Field(default=0, description="Rows done so far, to draw its progress bar.")
    rows_expected: Count | None = Field(default=None, description="Rows expected, to draw its progress bar.")
    bytes: Count = Field(default=0, description="Bytes passed through so far, to show the rate.")
    done: bool = Field(default=False, description="Whether this table or part is finished.")


class RunFinished(WireModel):
    """A run's outcome. Never dropped."""

    type: Literal["run_finished"] = Field(default="run_finished", description="The kind of event.")
    run_id: _Run
    workflow: WorkflowId = Field(description="The workflow that ran.")
    outcome: RunOutcome = Field(description="How it ended.")
    seconds: Seconds = Field(description="How long it took.")
    rows: Count = Field(default=0, description="Rows delivered, in total.")
    bytes: Count = Field(default=0, description="Bytes that passed through, in total.")
    steps: tuple[StepTime, ...] = Field(default=(), max_length=20, description="The time by step.")
    checks: tuple[Check, ...] = Field(default=(), max_length=20, description="What verification found.")
    twins: tuple[ConnectionName, ...] = Field(
        default=(),
        max_length=50,
        description="The connections whose twins it put in place, by name, to say until when each stands.",
    )
    kept: KeptLooked | None = Field(default=None, description="How far it looked into what it kept.")
    failure: FailureReport | None = Field(default=None, description="Why it failed, where it did.")


class WorkflowChanged(WireModel):
    """The appliance took up, refused or put away a workflow."""

    type: Literal["workflow_changed"] = Field(default="workflow_changed", description="The kind of event.")
    workflow: WorkflowId = Field(description="The workflow.")
    state: Literal["active", "invalid", "refused", "removed"] = Field(description="What became of it.")
    digest: Digest | None = Field(default=None, description="Which version of the document it is about.")
    rule: RuleName | None = Field(default=None, description="The policy rule that refused it, where one did.")
    problem: ScrubbedText | None = Field(default=None, description="Why it was not taken up, scrubbed.")


class CommandChanged(WireModel):
    """What became of a command: the only acknowledgement, written together with the command's effect."""

    type: Literal["command_changed"] = Field(default="command_changed", description="The kind of event.")
    command_id: Identifier = Field(description="The dashboard's command.")
    state: Literal["accepted", "done", "refused", "failed", "cancelled"] = Field(
        description="What became of it."
    )
    run_id: RunId | None = Field(default=None, description="The run it started or ended.")
    rule: RuleName | None = Field(default=None, description="The policy rule that refused it, where one did.")
    problem: ScrubbedText | None = Field(default=None, description="Why it was refused or failed, scrubbed.")


class UpdateChanged(WireModel):
    """How an update of the appliance's own release goes."""

    type: Literal["update_changed"] = Field(default="update_changed", description="The kind of event.")
    version: VersionName = Field(description="The release.")
    state: Literal["waiting", "done", "refused", "failed"] = Field(description="How far the update is.")
    rule: RuleName | None = Field(default=None, description="The policy rule that refused it, where one did.")
    problem: ScrubbedText | None = Field(default=None, description="Why it did not go through, scrubbed.")


class Noticed(WireModel):
    """Something about the appliance itself that a person should know."""

    type: Literal["noticed"] = Field(default="noticed", description="The kind of event.")
    kind: Literal[
        "disk_low",
        "clock_skew",
        "progress_dropped",
        "export_deleted",
        "receipt_deleted",
    ] = Field(description="What happened.")
    connection: ConnectionName | None = Field(
        default=None, description="The connection it is about, by name only."
    )
    amount: Count | None = Field(
        default=None, description="How many, how much or how long: bytes, events or seconds."
    )
    problem: ScrubbedText | None = Field(default=None, description="What is wrong, scrubbed.")


EventBody = (
    RunStarted
    | RunPlanned
    | StepChanged
    | TableProgress
    | RunFinished
    | ReceiptSigned
    | ErasureReported
    | WorkflowChanged
    | CommandChanged
    | UpdateChanged
    | Noticed
    | CatalogReported
    | ColumnsUncovered
    | PlanReported
    | DriftChecked
    | ConnectionTested
    | BranchesReported
    | RehearsalReported
)
EventData = Annotated[EventBody, Field(discriminator="type")]
EVENT_KINDS: dict[str, type[EventBody]] = {
    kind.model_fields["type"].default: kind for kind in get_args(EventBody)
}
"""The model of each kind of event."""


class Event(WireModel):
    """One numbered event."""

    id: Identifier = Field(description="Names the event, so that it counts once however often it is sent.")
    sequence: int = Field(
        ge=1, le=2**53, description="Its number in the stream, so that a missing one is seen."
    )
    at: Instant = Field(description="When it happened, by the appliance's clock.")
    data: EventData = Field(description="What happened.")


class EventBatch(WireModel):
    """A piece of one appliance's stream of events."""

    stream: Identifier = Field(
        description="Names the numbering; a restored or reinstalled appliance starts a new one, from 1."
    )
    sent_at: Instant = Field(
        description="The appliance's clock when it sent this, to measure how wrong it is."
    )
    events: tuple[Event, ...] = Field(
        min_length=1, max_length=MAX_BATCH_EVENTS, description="The events, in their order."
    )


class RejectedEvent(WireModel):
    """An event that the dashboard could not read. Sending it again cannot help: drop it."""

    id: Identifier | None
    sequence: int | None
    problem: Annotated[str, Field(max_length=300)]


class EventsAccepted(WireModel):
    """The answer to a batch: everything in it has been dealt with and need not be sent again."""

    accepted: int
    duplicates: int
    rejected: tuple[RejectedEvent, ...] = ()
