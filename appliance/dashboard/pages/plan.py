"""Plan: what a run of a workflow would do on an appliance, asked for with a button."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.rendering import fragment, page
from appliance.dashboard.store import commands, workflows
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.plans import PlanShown, plan_shown

router = APIRouter(prefix="/workflows/{workflow_id}/plan")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@router.post("")
def ask(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask an appliance what a run of the newest version would do."""
    visitor.needs("editor")
    appliance_id = text_of(form, "appliance")
    with visitor.context.database.read() as session:
        digest = workflows.workflow(session, workflow_id)["digest"]
    argument = {"workflow": workflow_id, "digest": digest}
    commands.send(visitor.context.database, visitor.actor, appliance_id, "plan", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/workflows/{workflow_id}/plan/{appliance_id}", 303)


def _shown(visitor: Visit, workflow_id: str, appliance_id: str) -> PlanShown:
    visitor.context.attention.watch(appliance_id)
    with visitor.context.database.read() as session:
        return plan_shown(session, appliance_id, workflow_id)


@router.get("/{appliance_id}")
def plan_page(request: Request, workflow_id: str, appliance_id: str, visitor: Visitor) -> Response:
    """The last plan, or that it is waited for."""
    return page(visitor, request, "workflow_plan.html", shown=_shown(visitor, workflow_id, appliance_id))


@router.get("/{appliance_id}/live")
def plan_live(request: Request, workflow_id: str, appliance_id: str, visitor: Visitor) -> Response:
    """The part of the page that changes by itself."""
    shown = _shown(visitor, workflow_id, appliance_id)
    response = fragment(
        request,
        "workflow_plan_live.html",
        shown=shown,
        may_edit=visitor.actor.may("editor"),
        csrf=visitor.csrf,
    )
    response.headers["x-every"] = "1" if shown.waits else "10"
    return response
