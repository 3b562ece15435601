"""What the management API answers about workflows, by call."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.api.answers import Answer
from appliance.dashboard.store.workflow_rows import AssignmentRow, WorkflowNewest


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


@dataclass(frozen=True, kw_only=True)
class WorkflowShown(WorkflowNewest):
    """The same, with the appliances that it is for."""

    appliances: list[AssignmentRow]
    tags: list[str]


class RolledBack(Answer):
    """The number that the earlier version has now."""

    revision: int
