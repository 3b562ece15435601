"""What the dashboard can ask an appliance for. None of it is an order: the appliance's policy decides."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from appliance.contract.branches import BranchCommand
from appliance.contract.connection_test import ConnectionTestCommand
from appliance.contract.erasures import EraseCommand
from appliance.contract.fields import (
    ConnectionName,
    Digest,
    Identifier,
    RunId,
    Seconds,
    VersionName,
    WireModel,
    WorkflowId,
)
from appliance.contract.rehearsals import RehearseCommand

MAX_DRAFT_BYTES = 96 * 2**10
"""Of a draft's JSON, which comes with a heartbeat's answer: with all else in it, that stays below 256 KiB."""


class RunCommand(WireModel):
    """Start a workflow now."""

    kind: Literal["run"] = "run"
    workflow: WorkflowId


class CancelCommand(WireModel):
    """End a run; or a rehearsal that the dashboard has asked for, by the id of that command."""

    kind: Literal["cancel"] = "cancel"
    run_id: RunId | None = Field(default=None, description="The run.")
    command_id: Identifier | None = Field(default=None, description="The command that asked to rehearse.")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.run_id is None) == (self.command_id is None):
            raise ValueError("name a run, or the command of a rehearsal")
        return self


class SyncCommand(WireModel):
    """Fetch the workflows now, whatever the ETag says."""

    kind: Literal["sync"] = "sync"


class UpdateCommand(WireModel):
    """Move to a release, within the customer's window and pin."""

    kind: Literal["update"] = "update"
    version: VersionName


class ScanCommand(WireModel):
    """Look at a connection's columns, and report them where policy allows it."""

    kind: Literal["scan"] = "scan"
    connection: ConnectionName


class PlanCommand(WireModel):
    """Say what a run of this version of a workflow would do; or of a draft, which no appliance has."""

    kind: Literal["plan"] = "plan"
    workflow: WorkflowId
    digest: Digest
    draft: str | None = Field(
        default=None,
        max_length=MAX_DRAFT_BYTES,
        description="The draft's document as JSON; its `document_digest` is the digest.",
    )


class Command(WireModel):
    """A request, which the appliance's policy may refuse.

    Offered with every heartbeat until a ``command_changed`` event names it or it expires. The appliance
    remembers the ids it has dealt with, for at least a week, and acts on each once.
    """

    id: Identifier
    expires_in: Seconds = Field(description="Seconds from now, so that no clock has to be right.")
    request: Annotated[
        RunCommand
        | CancelCommand
        | SyncCommand
        | UpdateCommand
        | ScanCommand
        | PlanCommand
        | ConnectionTestCommand
        | EraseCommand
        | BranchCommand
        | RehearseCommand,
        Field(discriminator="kind"),
    ]
