"""Plan: what a run of a workflow would do on an appliance, asked for with a button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, RedirectResponse, Response

from appliance.dashboard.pages.editing.columns import columns_part
from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.store import documents, workflows
from appliance.dashboard.store.appliances import commands
from appliance.dashboard.web import plans
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.plans import PlanShown, draft_shown, plan_shown
from appliance.documents.problems import WrongDocumentError
from appliance.errors import WrongRequestError

router = APIRouter()
SAVED = "/workflows/{workflow_id}/plan"
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class PlanLive(View):
    """A plan, or that it is waited for."""

    template: ClassVar[str] = "workflow_plan_live.html"
    shown: PlanShown


@dataclass(frozen=True)
class PlanPage(PlanLive):
    """The same as a page."""

    template: ClassVar[str] = "workflow_plan.html"


@dataclass(frozen=True)
class DraftLive(PlanLive):
    """The same in the editor's page, of a document that is not saved."""

    template: ClassVar[str] = "plan_draft_live.html"


@router.post(SAVED)
def ask(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask an appliance what a run of the newest version would do."""
    visitor.needs("editor")
    appliance_id = text_of(form, "appliance")
    with visitor.context.database.read() as session:
        digest = workflows.workflow(session, workflow_id).digest
    argument = {"workflow": workflow_id, "digest": digest}
    commands.send(visitor.context.database, visitor.actor, appliance_id, "plan", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/workflows/{workflow_id}/plan/{appliance_id}", 303)


@router.post("/plan-draft")
def ask_for_draft(visitor: Visitor, form: Form) -> Response:
    """Ask the appliance whose connection is the source what a run of this text would do."""
    visitor.needs("editor")
    checked = documents.check(text_of(form, "yaml").replace("\r\n", "\n"), visitor.context.presets)
    if checked.workflow is None:
        raise WrongDocumentError(checked.problems, "Correct the document first.")
    workflow_id = text_of(form, "id") if text_of(form, "based_on") != "0" else ""
    place = columns_part(visitor, checked, form, workflow_id).sources.chosen
    if place is None:
        raise WrongRequestError(
            f"No appliance of this workflow has a connection {checked.workflow.source}.",
            "So there is none to ask.",
            "Choose the source, or the workflow's appliances, and plan again.",
        )
    command_id = plans.ask_for_draft(visitor.context.database, visitor.actor, place.appliance_id, checked)
    visitor.context.attention.watch(place.appliance_id)
    return JSONResponse({"command": command_id, "appliance": place.appliance_name})


@router.get("/plan-draft/{command_id}")
def draft_live(request: Request, command_id: str, visitor: Visitor) -> Response:
    """What the appliance answered; the part of the editor's page that changes by itself."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        shown = draft_shown(session, command_id)
    visitor.context.attention.watch(shown.appliance.id)
    response = fragment(visitor, request, DraftLive(shown))
    response.headers["x-every"] = "1" if shown.waits else "30"
    return response


def _shown(visitor: Visit, workflow_id: str, appliance_id: str) -> PlanShown:
    visitor.context.attention.watch(appliance_id)
    with visitor.context.database.read() as session:
        return plan_shown(session, appliance_id, workflow_id)


@router.get(SAVED + "/{appliance_id}")
def plan_page(request: Request, workflow_id: str, appliance_id: str, visitor: Visitor) -> Response:
    """The last plan, or that it is waited for."""
    return page(visitor, request, PlanPage(_shown(visitor, workflow_id, appliance_id)))


@router.get(SAVED + "/{appliance_id}/live")
def plan_live(request: Request, workflow_id: str, appliance_id: str, visitor: Visitor) -> Response:
    """The part of the page that changes by itself."""
    shown = _shown(visitor, workflow_id, appliance_id)
    response = fragment(visitor, request, PlanLive(shown))
    response.headers["x-every"] = "1" if shown.waits else "10"
    return response
