"""Workflows: the list, one workflow, its history, and which appliances it is for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends, Request
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.listing import Keys, Shown, ordered
from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.pages.run_grid import GridRow, grid
from appliance.dashboard.store import proposals, tags, workflows
from appliance.dashboard.store.appliances import branches, commands, drift_checks, fleet, rehearsals
from appliance.dashboard.store.appliances.branches import Reported
from appliance.dashboard.store.appliances.drift_checks import Checked
from appliance.dashboard.store.appliances.rehearsals import Rehearsed
from appliance.dashboard.store.appliances.rows import CountedAppliance
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history import run_lists
from appliance.dashboard.store.run_history.rows import RunRow
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.store.workflow_rows import (
    AssignmentRow,
    StoredProposal,
    WorkflowNewest,
    WorkflowRow,
)
from appliance.dashboard.web import overview
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.masks import ExplainedMask, explain
from appliance.errors import WrongRequestError

router = APIRouter(prefix="/workflows")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


SORTED_BY: Keys[WorkflowRow] = {
    "name": lambda row: row.title.casefold(),
    "schedule": lambda row: row.next_run,
    "appliances": lambda row: row.appliances,
    "last": lambda row: (row.failing + row.refused, row.running, row.last_state or ""),
    "success": lambda row: row.last_success,
    "changed": lambda row: row.changed_at,
}
SHOWN = ("all", "failing", "running", "never")


def wanted(q: str = "", show: str = "all", tag: str = "", sort: str = "") -> Shown:
    """What of the list is shown: ``q`` is part of a name, ``show`` one of SHOWN."""
    known = sort.removeprefix("-") in SORTED_BY
    return Shown("/workflows", q[:80], show if show in SHOWN else "all", tag[:80], sort if known else "")


@dataclass(frozen=True)
class WorkflowsPage(View):
    """The list; ``offered`` are the appliances that those that are ticked can be assigned to."""

    template: ClassVar[str] = "workflows.html"
    rows: list[WorkflowRow]
    here: Shown
    known_tags: list[str]
    offered: list[CountedAppliance]


@router.get("")
def workflows_page(request: Request, visitor: Visitor, here: Annotated[Shown, Depends(wanted)]) -> Response:
    """The list."""
    rows = overview.workflow_rows(visitor.context, here.q)
    known_tags = sorted({tag for row in rows for tag in row.tags} | ({here.tag} if here.tag else set()))
    shown = [row for row in rows if (not here.tag or here.tag in row.tags) and _matches(row, here.show)]
    offered: list[CountedAppliance] = []
    if visitor.actor.may("editor"):
        with visitor.context.database.read() as session:
            offered = fleet.appliances(session)
    return page(
        visitor,
        request,
        WorkflowsPage(
            rows=ordered(shown, here.sort, SORTED_BY), here=here, known_tags=known_tags, offered=offered
        ),
    )


def _matches(row: WorkflowRow, show: str) -> bool:
    match show:
        case "failing":
            return bool(row.failing or row.refused)
        case "running":
            return bool(row.running)
        case "never":
            return row.last_success is None
        case _:
            return True


@dataclass(frozen=True, kw_only=True)
class AssignmentShown(AssignmentRow):
    """An appliance that the workflow is for, with what it last reported of it."""

    branches: list[Reported]
    rehearsals: list[Rehearsed]
    drift: Checked | None
    fresh: bool
    """It has the newest version."""


@dataclass(frozen=True)
class WorkflowLive(View):
    """What a workflow's page shows of its appliances and runs."""

    template: ClassVar[str] = "workflow_live.html"
    workflow: WorkflowNewest
    tags: list[str]
    assigned: list[AssignmentShown]
    runs: list[RunRow]
    grid: list[GridRow]
    proposals: list[StoredProposal]


@dataclass(frozen=True)
class ExplainedPreset:
    """A preset as a version of a workflow has it; ``version`` is None for a file of each appliance."""

    name: str
    version: str | None
    masks: list[ExplainedMask]
    keep: list[str | dict[str, str]]


@dataclass(frozen=True)
class WorkflowPage(WorkflowLive):
    """The same as a page, with the masks explained."""

    template: ClassVar[str] = "workflow.html"
    masks: list[ExplainedMask]
    presets: list[ExplainedPreset]


@dataclass(frozen=True)
class AssignPage(View):
    """The appliances, and the ids of those that are chosen."""

    template: ClassVar[str] = "workflow_assign.html"
    workflow: WorkflowNewest
    rows: list[CountedAppliance]
    chosen: set[str]


def _assignment(session: Session, workflow: WorkflowNewest, row: AssignmentRow) -> AssignmentShown:
    return AssignmentShown(
        **vars(row),
        branches=branches.reported(session, row.appliance_id, workflow.id),
        rehearsals=rehearsals.latest(session, row.appliance_id, workflow.id),
        drift=drift_checks.checked(session, row.appliance_id, workflow.id),
        fresh=row.placed_digest == workflow.digest,
    )


def details(visitor: Visit, workflow_id: str) -> WorkflowLive:
    """What a workflow's page shows of its appliances and runs."""
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        tagged = tags.tags_of(session, "workflow", workflow_id)
        assigned = [_assignment(session, row, each) for each in workflows.assignments(session, workflow_id)]
        recent = run_lists.runs(session, Wanted(workflow_id=workflow_id), 8)
        latest = run_lists.latest(session, workflow_id=workflow_id)
        waiting = proposals.proposals(session, workflow_id, waiting=True)
    return WorkflowLive(
        workflow=row,
        tags=tagged,
        assigned=assigned,
        runs=recent,
        grid=grid(latest),
        proposals=[each for each in waiting if each.state == "waiting"],
    )


@router.get("/{workflow_id}/live")
def workflow_live(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """The part of a workflow's page that changes by itself."""
    data = details(visitor, workflow_id)
    for appliance in data.assigned:
        visitor.context.attention.watch(appliance.appliance_id)
    return fragment(visitor, request, data)


@router.get("/{workflow_id}/appliances")
def assign_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """Choose the appliances that the workflow is for."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        chosen = {entry.appliance_id for entry in workflows.assignments(session, workflow_id)}
        rows = fleet.appliances(session)
    return page(visitor, request, AssignPage(row, rows, chosen))


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


def _presets(document: Mapping[str, Any]) -> list[ExplainedPreset]:
    """The presets of a version; of a file of each appliance the name alone is known."""
    return [
        ExplainedPreset(each, None, [], [])
        if isinstance(each, str)
        else ExplainedPreset(
            each["name"], each.get("version"), explain(each.get("masks", {})), each.get("keep", [])
        )
        for each in document.get("use", ())
    ]


@router.get("/{workflow_id}")
def workflow_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    """A workflow, and the appliances that it is assigned to: these report faster while the page is open."""
    data = details(visitor, workflow_id)
    for appliance in data.assigned:
        visitor.context.attention.watch(appliance.appliance_id)
    masks = explain(data.workflow.document.get("masks", {}))
    return page(
        visitor, request, WorkflowPage(**vars(data), masks=masks, presets=_presets(data.workflow.document))
    )
