"""What the management calls answer: one model each. Moments are seconds since 1970, flags 0 or 1."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from appliance.dashboard.security import Role

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
    attention: bool


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


class RunShown(RunRow):
    """A run with everything that is known of it."""

    plan: Json
    outcome: Json
    steps: list[StepRow]
    tables: list[TableRow]
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
    state: Literal["waiting", "accepted", "done", "refused", "failed", "expired"]
    created_at: float
    created_by: str
    expires_at: float
    offered_at: float | None
    changed_at: float | None
    run_id: str | None
    rule: str | None
    problem: str | None


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


class ApplianceDetails(Answer):
    """All that an appliance's page shows."""

    appliance: ApplianceShown
    upgrade_command: str
    report: Json
    placements: list[PlacementRow]
    runs: list[RunRow]
    commands: list[CommandRow]
    refusals: list[RefusalRow]
    events: list[EventRow]
    update: UpdateRow | None
    gaps: list[GapRow]
    missing: int


class ConnectionsTemplate(Answer):
    """The text of a connections.yaml to fill in."""

    yaml: str


class ProblemRow(Answer):
    """Something that is wrong with a document."""

    line: int | None
    key: str
    what: str
    expected: str


class CheckedWorkflow(Answer):
    """Whether a document is valid, and everything that is wrong with it."""

    valid: bool
    problems: list[ProblemRow]


class WorkflowRow(Answer):
    """A workflow in the list."""

    id: str
    title: str
    revision: int
    changed_at: float
    document: Json
    author: str
    appliances: int
    running: int
    failing: int
    refused: int


class WorkflowNewest(Answer):
    """A workflow with its newest version."""

    id: str
    title: str
    revision: int
    created_at: float
    changed_at: float
    archived_at: float | None
    yaml: str
    document: Json
    digest: str
    author: str


class AssignmentRow(Answer):
    """An appliance that a workflow is for; ``placed_*`` is null until it has said something of it."""

    appliance_id: str
    name: str
    last_seen: float | None
    healthy: int
    revoked_at: float | None
    at: float
    placed_state: str | None
    placed_digest: str | None
    placed_rule: str | None
    placed_problem: str | None
    placed_next_run_at: float | None


class WorkflowShown(WorkflowNewest):
    """The same, with the appliances that it is for."""

    appliances: list[AssignmentRow]


class VersionRow(Answer):
    """A version of a workflow."""

    number: int
    digest: str
    note: str
    author: str
    at: float


class VersionShown(VersionRow):
    """The same with its text."""

    yaml: str


class RolledBack(Answer):
    """The number that the earlier version has now."""

    revision: int


class PersonRow(Answer):
    """Somebody who may sign in."""

    id: str
    name: str
    role: Role
    must_change: int
    created_at: float
    disabled_at: float | None
    last_sign_in: float | None


class PersonMade(Answer):
    """Somebody new, with the one-time password that is shown this once."""

    id: str
    one_time_password: str | None


class PasswordMade(Answer):
    """A one-time password, shown this once."""

    one_time_password: str


class TokenRow(Answer):
    """An API token, never the token itself; ``role_now`` is null where its maker may do nothing any more."""

    id: str
    name: str
    role: Role
    created_by: str
    maker: str
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    role_now: Role | None


class TokenMade(Answer):
    """A token, shown this once."""

    id: str
    token: str


class AuditRow(Answer):
    """A change, and who made it from where."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: Json
    address: str
