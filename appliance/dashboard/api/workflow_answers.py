"""What the management API answers about workflows, by call."""

from __future__ import annotations

from appliance.dashboard.api.answers import Answer, Json


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
    last_success: float | None
    next_run: float | None
    last_state: str | None
    tags: list[str]


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
    tags: list[str]


class VersionRow(Answer):
    """A version of a workflow."""

    number: int
    digest: str
    note: str
    author: str
    at: float
    accepted_by: str | None
    """The second person, where one was asked."""


class VersionShown(VersionRow):
    """The same with its text."""

    yaml: str


class RolledBack(Answer):
    """The number that the earlier version has now."""

    revision: int
