"""Workflows: the list, one workflow, its history, and which appliances it is for."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.editing.versions import difference
from appliance.dashboard.pages.listing import Keys, Shown, ordered
from appliance.dashboard.pages.rendering import fragment, page
from appliance.dashboard.pages.run_grid import grid
from appliance.dashboard.store import proposals, saving, tags, workflows
from appliance.dashboard.store.appliances import branches, commands, drift_checks, fleet, rehearsals
from appliance.dashboard.store.database import Row
from appliance.dashboard.store.run_history import run_lists
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.web import overview
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.masks import ExplainedMask, explain
from appliance.errors import WrongRequestError

router = APIRouter(prefix="/workflows")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]
Number = Annotated[int, Path(ge=1, le=2**31)]


SORTED_BY: Keys = {
    "name": lambda row: row["title"].casefold(),
    "schedule": lambda row: row["next_run"],
    "appliances": lambda row: row["appliances"],
    "last": lambda row: (row["failing"] + row["refused"], row["running"], row["last_state"] or ""),
    "success": lambda row: row["last_success"],
    "changed": lambda row: row["changed_at"],
}
SHOWN = ("all", "failing", "running", "never")


def wanted(q: str = "", show: str = "all", tag: str = "", sort: str = "") -> Shown:
    """What of the list is shown: ``q`` is part of a name, ``show`` one of SHOWN."""
    known = sort.removeprefix("-") in SORTED_BY
    return Shown("/workflows", q[:80], show if show in SHOWN else "all", tag[:80], sort if known else "")


@router.get("")
def workflows_page(request: Request, visitor: Visitor, here: Annotated[Shown, Depends(wanted)]) -> Response:
    """The list."""
    rows = overview.workflow_rows(visitor.context, here.q)
    known_tags = sorted({tag for row in rows for tag in row["tags"]} | ({here.tag} if here.tag else set()))
    shown = [row for row in rows if (not here.tag or here.tag in row["tags"]) and _matches(row, here.show)]
    offered: list[Row] = []
    if visitor.actor.may("editor"):
        with visitor.context.database.read() as session:
            offered = fleet.appliances(session)
    return page(
        visitor,
        request,
        "workflows.html",
        rows=ordered(shown, here.sort, SORTED_BY),
        here=here,
        known_tags=known_tags,
        offered=offered,
    )


def _matches(row: Row, show: str) -> bool:
    match show:
        case "failing":
            return bool(row["failing"] or row["refused"])
        case "running":
            return bool(row["running"])
        case "never":
            return row["last_success"] is None
        case _:
            return True


def details(visitor: Visit, workflow_id: str) -> dict[str, Any]:
    """What a workflow's page shows of its appliances and runs."""
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        tagged = tags.tags_of(session, "workflow", workflow_id)
        assigned = workflows.assignments(session, workflow_id)
        recent = run_lists.runs(session, Wanted(workflow_id=workflow_id), 8)
        latest = run_lists.latest(session, workflow_id=workflow_id)
        waiting = proposals.proposals(session, workflow_id, waiting=True)
        for appliance in assigned:
            appliance["branches"] = branches.reported(session, appliance["appliance_id"], workflow_id)
            appliance["rehearsals"] = rehearsals.latest(session, appliance["appliance_id"], workflow_id)
            appliance["drift"] = drift_checks.checked(session, appliance["appliance_id"], workflow_id)
    for appliance in assigned:
        appliance["fresh"] = appliance["placed_digest"] == row["digest"]
    return {
        "workflow": row,
        "tags": tagged,
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
    workflows.reassign(visitor.context.database, visitor.actor, workflow_id, lambda _: chosen)
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


def _presets(document: Row) -> list[tuple[Row, list[ExplainedMask]]]:
    """The presets of a version with what their masks do; of a file of each appliance the name alone."""
    used: list[Row] = [
        {"name": each, "version": None} if isinstance(each, str) else each for each in document.get("use", ())
    ]
    return [(each, explain(each.get("masks", {}))) for each in used]


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
        presets=_presets(data["workflow"]["document"]),
        **data,
    )
