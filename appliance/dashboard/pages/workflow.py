"""Workflows: the list, one workflow, its history, and which appliances it is for."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.editing.versions import difference
from appliance.dashboard.pages.rendering import fragment, page
from appliance.dashboard.pages.run_grid import grid
from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import branches, commands, drift_checks, fleet, rehearsals
from appliance.dashboard.store.run_history import run_lists
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.masks import explain
from appliance.errors import WrongRequestError

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
        for appliance in assigned:
            appliance["branches"] = branches.reported(session, appliance["appliance_id"], workflow_id)
            appliance["rehearsals"] = rehearsals.latest(session, appliance["appliance_id"], workflow_id)
            appliance["drift"] = drift_checks.checked(session, appliance["appliance_id"], workflow_id)
    for appliance in assigned:
        appliance["fresh"] = appliance["placed_digest"] == row["digest"]
    return {
        "workflow": row,
        "assigned": assigned,
        "runs": recent,
        "grid": grid(latest),
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
    workflows.roll_back(visitor.context.database, visitor.actor, workflow_id, number)
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


@router.post("/{workflow_id}/branches")
def branch(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask one of its appliances to make, renew or drop a branch of the twin, or to say which there are."""
    visitor.needs("editor")
    appliance_id = text_of(form, "appliance")
    argument = {"workflow": workflow_id, "act": text_of(form, "act")}
    argument |= {key: text for key in ("name", "ttl", "on") if (text := text_of(form, key).strip())}
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "branch", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/commands/{command_id}", 303)


@router.post("/{workflow_id}/rehearsals")
def rehearse(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask one of its appliances to rehearse a migration: an image by its digest, or SQL."""
    visitor.needs("editor")
    appliance_id = text_of(form, "appliance")
    argument: dict[str, JsonValue] = {"workflow": workflow_id}
    argument |= {key: text for key in ("image", "on") if (text := text_of(form, key).strip())}
    try:
        words = shlex.split(text_of(form, "command"))
    except ValueError as error:
        raise WrongRequestError(
            f"The arguments cannot be read as words: {error}.", "They are quoted as for a shell."
        ) from None
    if words:
        argument["command"] = list(words)
    for key in ("sql", "down"):
        if (text := text_of(form, key)).strip():
            argument[key] = [{"name": f"{key}.sql", "text": text}]
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "rehearse", argument)
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
