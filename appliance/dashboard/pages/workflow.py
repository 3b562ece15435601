"""Workflows: the list, one workflow, its history, and which appliances it is for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.editing.versions import difference
from appliance.dashboard.pages.rendering import fragment, page
from appliance.dashboard.pages.run_grid import grid
from appliance.dashboard.store import proposals, saving, workflows
from appliance.dashboard.store.appliances import commands, drift_checks, fleet
from appliance.dashboard.store.run_history import run_lists
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.masks import explain

router = APIRouter(prefix="/workflows")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]
Number = Annotated[int, Path(ge=1, le=2**31)]


@router.get("")
def workflows_page(request: Request, visitor: Visitor, q: str = "") -> Response:
    with visitor.context.database.read() as session:
        rows = workflows.workflows(session, q[:80])
    return page(visitor, request, "workflows.html", rows=rows, search=q[:80])


def details(visitor: Visit, workflow_id: str) -> dict[str, Any]:
    """What a workflow's page shows of its appliances and runs."""
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        assigned = workflows.assignments(session, workflow_id)
        recent = run_lists.runs(session, Wanted(workflow_id=workflow_id), 8)
        latest = run_lists.latest(session, workflow_id=workflow_id)
        waiting = proposals.proposals(session, workflow_id, waiting=True)
        for appliance in assigned:
            appliance["drift"] = drift_checks.checked(session, appliance["appliance_id"], workflow_id)
    for appliance in assigned:
        appliance["fresh"] = appliance["placed_digest"] == row["digest"]
    return {
        "workflow": row,
        "assigned": assigned,
        "runs": recent,
        "grid": grid(latest),
        "proposals": [each for each in waiting if each["state"] == "waiting"],
        "may_edit": visitor.actor.may("editor"),
    }


@router.get("/{workflow_id}/live")
def workflow_live(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """The part of a workflow's page that changes by itself."""
    data = details(visitor, workflow_id)
    for appliance in data["assigned"]:
        visitor.context.attention.watch(appliance["appliance_id"])
    return fragment(request, "workflow_live.html", **data, csrf=visitor.csrf)


@router.get("/{workflow_id}/history")
def history_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        versions = workflows.history(session, workflow_id)
    return page(visitor, request, "workflow_history.html", workflow=row, versions=versions)


@router.get("/{workflow_id}/history/{number}")
def version_page(
    request: Request, workflow_id: str, number: Number, visitor: Visitor, against: int = 0
) -> Response:
    """One version, and what it changed."""
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        version = workflows.revision(session, workflow_id, number)
        numbers = [entry["number"] for entry in workflows.history(session, workflow_id)]
        other = against if against in numbers else number - 1
        earlier = workflows.revision(session, workflow_id, other)["yaml"] if other in numbers else ""
    return page(
        visitor,
        request,
        "workflow_version.html",
        workflow=row,
        version=version,
        other=other if other in numbers else 0,
        numbers=numbers,
        diff=difference(earlier, version["yaml"]),
    )


@router.post("/{workflow_id}/history/{number}", dependencies=[Depends(checked_form)])
def roll_back(workflow_id: str, number: Number, visitor: Visitor) -> Response:
    """Make an earlier version the newest again."""
    visitor.needs("editor")
    saved = saving.roll_back(
        visitor.context.database,
        visitor.actor,
        workflow_id,
        number,
        second_person=visitor.context.settings.second_person,
    )
    if saved.proposal_id:
        return RedirectResponse(f"/proposals/{saved.proposal_id}?note=proposed", 303)
    return RedirectResponse(f"/workflows/{workflow_id}?note=rolled-back", 303)


@router.get("/{workflow_id}/appliances")
def assign_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """Choose the appliances that the workflow is for."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        chosen = {entry["appliance_id"] for entry in workflows.assignments(session, workflow_id)}
        rows = fleet.appliances(session)
    return page(visitor, request, "workflow_assign.html", workflow=row, rows=rows, chosen=chosen)


@router.post("/{workflow_id}/appliances")
def assign(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Say which appliances the workflow is for."""
    visitor.needs("editor")
    chosen = {value for value in form.getlist("appliance") if isinstance(value, str)}
    workflows.assign(visitor.context.database, visitor.actor, workflow_id, chosen)
    return RedirectResponse(f"/workflows/{workflow_id}?note=assigned", 303)


@router.post("/{workflow_id}/archive", dependencies=[Depends(checked_form)])
def archive(workflow_id: str, visitor: Visitor) -> Response:
    """Put it away."""
    visitor.needs("editor")
    workflows.archive(visitor.context.database, visitor.actor, workflow_id)
    return RedirectResponse("/workflows?note=archived", 303)


@router.post("/{workflow_id}/runs")
def run(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask one of its appliances for a run."""
    visitor.needs("editor")
    appliance_id = text_of(form, "appliance")
    command_id = commands.send(
        visitor.context.database, visitor.actor, appliance_id, "run", {"workflow": workflow_id}
    )
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/commands/{command_id}", 303)


@router.get("/{workflow_id}")
def workflow_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """A workflow, and the appliances that it is assigned to: these report faster while the page is open."""
    data = details(visitor, workflow_id)
    for appliance in data["assigned"]:
        visitor.context.attention.watch(appliance["appliance_id"])
    return page(
        visitor,
        request,
        "workflow.html",
        masks=explain(data["workflow"]["document"].get("masks", {})),
        **data,
    )
