"""Branches, as they cross to the dashboard: what it may ask for, and which there are. No password."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import ConnectionName, Count, Identifier, Instant, RunId, WireModel, WorkflowId

MAX_BRANCHES = 200
"""Branches in one event."""
BranchName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
BranchAct = Literal["list", "create", "reset", "extend", "drop"]


class BranchCommand(WireModel):
    """Make, renew or drop a branch of a workflow's twin, or say which there are."""

    kind: Literal["branch"] = "branch"
    act: BranchAct
    workflow: WorkflowId
    name: BranchName | None = Field(default=None, description="The branch; none to list them.")
    ttl: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[mhdw]$")] | None = Field(
        default=None, description="How long it is to stand: 90m, 12h, 3d, 2w. Else what policy allows."
    )
    on: ConnectionName | None = Field(
        default=None, description="The connection of the twin, where the workflow delivers several."
    )


class BranchLine(WireModel):
    """One branch."""

    name: BranchName = Field(description="What it is called, to find it again.")
    run_id: RunId = Field(description="Of which run its rows are.")
    copy_of: Literal["golden", "twin", "former"] = Field(description="What it is a copy of.")
    made_at: Instant = Field(description="When it was made.")
    ends_at: Instant = Field(description="When it ends by itself.")
    bytes: Count = Field(description="Its size, as the server counts it.")


class BranchesReported(WireModel):
    """Which branches a twin has, after the dashboard asked. Only where `branches.by` names `cloud`."""

    type: Literal["branches_reported"] = Field(default="branches_reported", description="The kind of event.")
    command_id: Identifier = Field(description="The dashboard's command that asked.")
    workflow: WorkflowId = Field(description="The workflow.")
    connection: ConnectionName = Field(description="Which of its twins.")
    branches: tuple[BranchLine, ...] = Field(
        default=(), max_length=MAX_BRANCHES, description="The branches, to be shown beside the twin."
    )
    total: Count = Field(default=0, description="How many there are.")
