"""Workflows, their versions and proposals as the queries give them. Moments are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.dashboard.store.rows import DocumentJson


@dataclass(frozen=True, kw_only=True)
class CountedWorkflow:
    """A workflow, with how many appliances it is for and how its last runs went."""

    id: str
    title: str
    revision: int
    changed_at: float
    document: DocumentJson
    author: str
    appliances: int
    running: int
    failing: int
    refused: int
    last_success: float | None
    next_run: float | None
    last_state: str | None


@dataclass(frozen=True, kw_only=True)
class WorkflowRow(CountedWorkflow):
    """A workflow in the list."""

    tags: list[str]


@dataclass(frozen=True, kw_only=True)
class WorkflowNewest:
    """A workflow with its newest version."""

    id: str
    title: str
    revision: int
    created_at: float
    changed_at: float
    archived_at: float | None
    yaml: str
    document: DocumentJson
    digest: str
    author: str


@dataclass(frozen=True, kw_only=True)
class AssignmentRow:
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


@dataclass(frozen=True, kw_only=True)
class VersionRow:
    """A version of a workflow."""

    number: int
    digest: str
    note: str
    author: str
    at: float
    accepted_by: str | None
    """The second person, where one was asked."""


@dataclass(frozen=True, kw_only=True)
class VersionShown(VersionRow):
    """The same with its text."""

    yaml: str


@dataclass(frozen=True)
class StoredVersion:
    """What the next version is compared with."""

    yaml: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class TitledWorkflow:
    """A workflow to choose."""

    id: str
    title: str


@dataclass(frozen=True, kw_only=True)
class WorkflowDigest:
    """A workflow and the digest of its newest version."""

    id: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class WantedWorkflow(WorkflowDigest):
    """A workflow as its appliances are to have it."""

    revision: int
    document: DocumentJson


ProposalState = Literal["waiting", "overtaken", "accepted", "rejected", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class StoredProposal:
    """A version that keeps more than the present one, with who proposed it and what it began from."""

    id: str
    workflow_id: str
    base: int
    """The version that it changes; 0 for a new workflow."""
    yaml: str
    note: str
    author: str
    maker: str
    person_id: str | None
    at: float
    decided_by: str | None
    decided_at: float | None
    remark: str
    version: int | None
    """Its number as a version, once accepted."""
    present: int
    """The number of the newest version."""
    state: ProposalState
