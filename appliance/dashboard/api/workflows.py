"""Management calls about workflows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import JSONResponse

from appliance.contract.calls import MAX_DOCUMENT_BYTES, Problem
from appliance.dashboard.api.appliances import Deck, Editor, Given
from appliance.dashboard.api.proposals import PROPOSED, proposed
from appliance.dashboard.api.workflow_answers import CheckedWorkflow, ProblemRow, RolledBack, WorkflowShown
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.store import documents, saving, tags, workflows
from appliance.dashboard.store.appliances import commands
from appliance.dashboard.store.appliances.rows import CommandShown
from appliance.dashboard.store.workflow_rows import (
    AssignmentRow,
    VersionRow,
    VersionShown,
    WorkflowNewest,
    WorkflowRow,
)
from appliance.dashboard.web import overview
from appliance.dashboard.web.access import api_role
from appliance.dashboard.web.context import Context
from appliance.dashboard.web.masks import Card, cards

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)
Number = Annotated[int, Path(ge=1, le=2**31)]


class WorkflowText(Given):
    """A workflow as YAML."""

    yaml: str = Field(max_length=MAX_DOCUMENT_BYTES, examples=["id: nightly-twin\nsource: production\n"])
    note: str = Field(default="", max_length=200, description="Why it was changed.")


class WorkflowVersion(WorkflowText):
    """A new version of a workflow."""

    based_on: int | None = Field(
        default=None,
        ge=1,
        le=2**31,
        description="The version that was edited; another one since is a conflict.",
    )


class RollBack(Given):
    """Which version to go back to."""

    version: int = Field(ge=1, le=2**31)


class Assigned(Given):
    """The appliances that a workflow is for."""

    appliance_ids: set[Annotated[str, Field(max_length=36)]] = Field(max_length=1000)


class RunRequest(Given):
    """Where to run a workflow; on all of its appliances where none is named."""

    appliance_ids: set[Annotated[str, Field(max_length=36)]] = Field(default_factory=set, max_length=1000)


@router.get("/masks")
def list_masks() -> list[Card]:
    """Every mask: what it does, an example, and its parameters."""
    return list(cards())


@router.post("/workflows/check")
def check_workflow(context: Deck, given: WorkflowText) -> CheckedWorkflow:
    """Everything that is wrong with a document, by line and key, without saving it."""
    checked = documents.check(given.yaml, context.presets)
    problems = [ProblemRow.model_validate(asdict(each)) for each in checked.by_line()]
    return CheckedWorkflow(valid=checked.workflow is not None, problems=problems)


@router.get("/workflows")
def list_workflows(context: Deck, search: str = "", tag: str = "") -> list[WorkflowRow]:
    """Every workflow that is not archived; ``tag`` is one that they have."""
    found = overview.workflow_rows(context, search)
    return [row for row in found if not tag or tag in row.tags]


@router.post("/workflows", status_code=201, response_model=WorkflowNewest, responses=PROPOSED)
def add_workflow(actor: Editor, context: Deck, given: WorkflowText) -> WorkflowNewest | JSONResponse:
    """Save a new workflow; one that keeps columns may wait for a second person (202)."""
    return _answer(
        context,
        saving.save(
            context.database,
            actor,
            given.yaml,
            second_person=context.settings.second_person,
            note=given.note,
        ),
    )


def _answer(context: Context, saved: saving.Saved) -> WorkflowNewest | JSONResponse:
    with context.database.read() as session:
        if saved.proposal_id is None:
            return workflows.workflow(session, saved.workflow_id)
        return proposed(session, saved.proposal_id)


@router.get("/workflows/{workflow_id}")
def show_workflow(context: Deck, workflow_id: str) -> WorkflowShown:
    """One workflow, the appliances it is for, and what each says of it."""
    with context.database.read() as session:
        found = workflows.workflow(session, workflow_id)
        assigned = workflows.assignments(session, workflow_id)
        tagged = tags.tags_of(session, "workflow", workflow_id)
    return WorkflowShown(**vars(found), appliances=assigned, tags=tagged)


@router.put("/workflows/{workflow_id}", response_model=WorkflowNewest, responses=PROPOSED)
def change_workflow(
    actor: Editor, context: Deck, workflow_id: str, given: WorkflowVersion
) -> WorkflowNewest | JSONResponse:
    """Save a new version; one that keeps more than the present one may wait for a second person (202)."""
    return _answer(
        context,
        saving.save(
            context.database,
            actor,
            given.yaml,
            second_person=context.settings.second_person,
            workflow_id=workflow_id,
            based_on=given.based_on,
            note=given.note,
        ),
    )


@router.delete("/workflows/{workflow_id}", status_code=204)
def archive_workflow(actor: Editor, context: Deck, workflow_id: str) -> None:
    """Take it from every appliance and out of the list; its history stays."""
    workflows.archive(context.database, actor, workflow_id)


@router.get("/workflows/{workflow_id}/versions")
def list_versions(context: Deck, workflow_id: str) -> list[VersionRow]:
    """Every version, newest first."""
    with context.database.read() as session:
        workflows.workflow(session, workflow_id)
        return workflows.history(session, workflow_id)


@router.get("/workflows/{workflow_id}/versions/{number}")
def show_version(context: Deck, workflow_id: str, number: Number) -> VersionShown:
    """One version with its text."""
    with context.database.read() as session:
        return workflows.revision(session, workflow_id, number)


@router.post("/workflows/{workflow_id}/roll-back", response_model=RolledBack, responses=PROPOSED)
def roll_back(actor: Editor, context: Deck, workflow_id: str, given: RollBack) -> RolledBack | JSONResponse:
    """Make an earlier version the newest again; one that keeps more may wait for a second person (202)."""
    saved = saving.roll_back(
        context.database, actor, workflow_id, given.version, second_person=context.settings.second_person
    )
    if saved.proposal_id is None:
        return RolledBack(revision=saved.number)
    with context.database.read() as session:
        return proposed(session, saved.proposal_id)


@router.put("/workflows/{workflow_id}/appliances")
def assign_workflow(actor: Editor, context: Deck, workflow_id: str, given: Assigned) -> list[AssignmentRow]:
    """Say which appliances it is for."""
    workflows.reassign(context.database, actor, workflow_id, lambda _: given.appliance_ids)
    with context.database.read() as session:
        return workflows.assignments(session, workflow_id)


@router.post("/workflows/{workflow_id}/run", status_code=202)
def run_workflow(actor: Editor, context: Deck, workflow_id: str, given: RunRequest) -> list[CommandShown]:
    """Ask its appliances for a run; returns the commands."""
    with context.database.read() as session:
        workflows.workflow(session, workflow_id)
        assigned = {row.appliance_id for row in workflows.assignments(session, workflow_id)}
    wanted = given.appliance_ids or assigned
    if not wanted or wanted - assigned:
        raise NotFoundError("The workflow is not assigned to such an appliance.", "", "Assign it first.")
    sent = [
        commands.send(context.database, actor, appliance_id, "run", {"workflow": workflow_id})
        for appliance_id in sorted(wanted)
    ]
    with context.database.read() as session:
        return [commands.command(session, each) for each in sent]
