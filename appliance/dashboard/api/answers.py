"""What the management calls answer: one model each. Moments are seconds since 1970, flags 0 or 1."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from appliance.dashboard.store.appliances.branches import Reported
from appliance.dashboard.store.appliances.connection_tests import Tested
from appliance.dashboard.store.appliances.drift_checks import Checked
from appliance.dashboard.store.appliances.rehearsals import Rehearsed

Condition = Literal["revoked", "new", "offline", "unhealthy", "healthy"]
RunState = Literal["running", "succeeded", "failed", "refused", "cancelled", "lost"]
Json = dict[str, Any]
"""What an appliance or a document says, as the contract or the workflow's schema has it."""


class Answer(BaseModel):
    """A key that is not declared here is a fault of ours, and found by the tests of every call."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Enrolment(Answer):
    """What the customer needs; the token is shown this once and is good for a day."""

    appliance_id: str
    enrolment_token: str
    install_command: str
    enrol_command: str


class ApplianceRow(Answer):
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


class ApplianceShown(ApplianceRow):
    """An appliance, with how it is."""

    condition: Condition


class FleetRow(ApplianceShown):
    """An appliance in the list, with how many of its runs and workflows are how."""

    running: int
    failing: int
    refused: int
    workflows: int
    last_success: float | None
    next_run: float | None
    attention: bool
    tags: list[str]


class PlacementRow(Answer):
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
    drift: Checked | None
    """Whether its next run would go, where that was looked at since the last one."""
    branches: list[Reported]
    """Of its twins, as the appliance last said."""
    rehearsals: list[Rehearsed]
    """The newest."""


class RunRow(Answer):
    """A run; ``workflow_title`` is null for a workflow that is not of this dashboard."""

    appliance_id: str
    run_id: str
    workflow_id: str
    state: RunState
    started_by: str | None
    origin: str | None
    digest: str | None
    command_id: str | None
    started_at: float
    ended_at: float | None
    seconds: float | None
    rows: int | None
    bytes: int | None
    changed_at: float
    appliance_name: str
    workflow_title: str | None
    asked_by: str | None


class StepRow(Answer):
    """A step of a run, its shards taken together."""

    step: str
    state: str
    seconds: float | None
    attempt: int
    shards: int
    shards_done: int


class TableRow(Answer):
    """How far the copying of a table is."""

    table: str
    rows: int
    expected: int
    bytes: int
    done: bool
    begun: bool
    masked: int
    kept: int


class ReplacedBy(Answer):
    """The run that put another twin in a twin's place."""

    run_id: str
    workflow_id: str
    at: float


class TwinRow(Answer):
    """A twin that a run put in place; ``replaced_by`` is null while it stands."""

    connection: str
    since: float
    replaced_by: ReplacedBy | None


class RunShown(RunRow):
    """A run with everything that is known of it."""

    plan: Json
    outcome: Json
    steps: list[StepRow]
    tables: list[TableRow]
    twins: list[TwinRow]
    version: int | None
    rows_done: int
    rows_expected: int
    elapsed: float
    share: float
    tables_done: int


class CommandRow(Answer):
    """A command, and what became of it."""

    id: str
    kind: str
    argument: Json
    state: Literal["waiting", "accepted", "done", "refused", "failed", "cancelled", "expired"]
    created_at: float
    created_by: str
    expires_at: float
    offered_at: float | None
    changed_at: float | None
    run_id: str | None
    rule: str | None
    problem: str | None
    erasure: Json | None = None
    """Of an erasure: places, those that are open, rows, and the receipt's number and digest."""


class CommandShown(CommandRow):
    """The same, with the appliance that it is for."""

    appliance_id: str


class RefusalRow(Answer):
    """Something that an appliance's policy refused."""

    at: float
    type: str
    run_id: str | None
    workflow_id: str | None
    rule: str
    data: Json


class EventRow(Answer):
    """An event; ``ordinal`` is what to go on from."""

    ordinal: int
    at: float
    received_at: float
    type: str
    run_id: str | None
    workflow_id: str | None
    rule: str | None
    data: Json


class UpdateRow(Answer):
    """How the newest update goes."""

    at: float
    rule: str | None
    data: Json


class GapRow(Answer):
    """Numbers of events that have not arrived."""

    first: int
    last: int
    noticed_at: float


class ConnectionUsed(Answer):
    """When a run last worked with a connection, and the newest run since that could not."""

    worked_at: float | None
    failed_at: float | None
    failed_run: str
    failed_class: str


class ApplianceDetails(Answer):
    """All that an appliance's page shows."""

    appliance: ApplianceShown
    tags: list[str]
    upgrade_command: str
    report: Json
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


class TagsShown(Answer):
    """The tags of an appliance or a workflow."""

    tags: list[str]


class OutcomeRow(Answer):
    """What became of a change for one of several; ``problem`` is null where it is done."""

    id: str
    name: str
    problem: str | None


class ConnectionsTemplate(Answer):
    """The text of a connections.yaml to fill in."""

    yaml: str
