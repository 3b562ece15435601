"""Management calls for tags, and for the same change to several appliances or workflows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from appliance.contract.calls import Problem
from appliance.dashboard.api.answers import OutcomeRow, TagsShown
from appliance.dashboard.api.appliances import Deck, Editor, Given
from appliance.dashboard.store import tags
from appliance.dashboard.web import bulk
from appliance.dashboard.web.access import api_role

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)
Word = Annotated[str, Field(max_length=80)]
Id = Annotated[str, Field(max_length=63)]
Words = Annotated[list[Word], Field(max_length=50, examples=[["hospital", "north"]])]


class Tags(Given):
    """All tags that it is to have."""

    tags: Words


class ApplianceChange(Given):
    """A change for several appliances, and what it takes: tags, a workflow, or a release."""

    ids: list[Id] = Field(min_length=1, max_length=bulk.MOST)
    action: bulk.ApplianceAction
    tags: Words = Field(default_factory=list)
    workflow: str = Field(default="", max_length=63)
    version: str = Field(default="", max_length=60)


class WorkflowChange(Given):
    """A change for several workflows, and what it takes: tags, or an appliance."""

    ids: list[Id] = Field(min_length=1, max_length=bulk.MOST)
    action: bulk.WorkflowAction
    tags: Words = Field(default_factory=list)
    appliance_id: str = Field(default="", max_length=36)


@router.put("/appliances/{appliance_id}/tags")
def tag_appliance(actor: Editor, context: Deck, appliance_id: str, given: Tags) -> TagsShown:
    """Say which tags an appliance has."""
    wanted = tags.read_tags(given.tags)
    return TagsShown(tags=tags.retag(context.database, actor, "appliance", appliance_id, lambda _: wanted))


@router.put("/workflows/{workflow_id}/tags")
def tag_workflow(actor: Editor, context: Deck, workflow_id: str, given: Tags) -> TagsShown:
    """Say which tags a workflow has."""
    wanted = tags.read_tags(given.tags)
    return TagsShown(tags=tags.retag(context.database, actor, "workflow", workflow_id, lambda _: wanted))


@router.post("/appliances/bulk")
def change_appliances(actor: Editor, context: Deck, given: ApplianceChange) -> list[OutcomeRow]:
    """Do the same for several appliances; says of each what became of it."""
    outcomes = bulk.change_appliances(
        context,
        actor,
        given.ids,
        given.action,
        words=given.tags,
        workflow=given.workflow,
        version=given.version,
    )
    return [OutcomeRow(**asdict(each)) for each in outcomes]


@router.post("/workflows/bulk")
def change_workflows(actor: Editor, context: Deck, given: WorkflowChange) -> list[OutcomeRow]:
    """Do the same for several workflows; says of each what became of it."""
    outcomes = bulk.change_workflows(
        context, actor, given.ids, given.action, words=given.tags, appliance_id=given.appliance_id
    )
    return [OutcomeRow(**asdict(each)) for each in outcomes]
