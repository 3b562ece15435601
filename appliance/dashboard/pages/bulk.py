"""Tags of one appliance or workflow, and the same change for those that are ticked in a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, cast, get_args
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages import fleet as fleet_pages
from appliance.dashboard.pages import workflow as workflow_pages
from appliance.dashboard.pages.listing import Shown
from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.store import tags
from appliance.dashboard.web import bulk
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.errors import WrongRequestError

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class BulkPage(View):
    """What became of each of several ``what``."""

    template: ClassVar[str] = "bulk.html"
    outcomes: list[bulk.Outcome]
    here: Shown
    what: str


@router.post("/appliances/bulk")
def change_appliances(request: Request, visitor: Visitor, form: Form) -> Response:
    """The same for every appliance that is ticked."""
    visitor.needs("editor")
    action = cast("bulk.ApplianceAction", _action(form, get_args(bulk.ApplianceAction)))
    outcomes = bulk.change_appliances(
        visitor.context,
        visitor.actor,
        _ticked(form),
        action,
        words=text_of(form, "tags").split(","),
        workflow=text_of(form, "workflow"),
        version=text_of(form, "version").strip(),
    )
    return _answer(request, visitor, outcomes, fleet_pages.wanted(*_list_of(form)), "appliances")


@router.post("/workflows/bulk")
def change_workflows(request: Request, visitor: Visitor, form: Form) -> Response:
    """The same for every workflow that is ticked."""
    visitor.needs("editor")
    action = cast("bulk.WorkflowAction", _action(form, get_args(bulk.WorkflowAction)))
    outcomes = bulk.change_workflows(
        visitor.context,
        visitor.actor,
        _ticked(form),
        action,
        words=text_of(form, "tags").split(","),
        appliance_id=text_of(form, "appliance"),
    )
    return _answer(request, visitor, outcomes, workflow_pages.wanted(*_list_of(form)), "workflows")


@router.post("/appliances/{appliance_id}/tags")
def tag_appliance(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Say which tags an appliance has."""
    return _tag("appliance", appliance_id, visitor, form)


@router.post("/workflows/{workflow_id}/tags")
def tag_workflow(workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Say which tags a workflow has."""
    return _tag("workflow", workflow_id, visitor, form)


def _tag(kind: tags.Kind, subject: str, visitor: Visit, form: FormData) -> Response:
    visitor.needs("editor")
    wanted = tags.read_tags(text_of(form, "tags").split(","))
    tags.retag(visitor.context.database, visitor.actor, kind, subject, lambda _: wanted)
    return RedirectResponse(f"/{kind}s/{subject}?note=tagged", 303)


def _ticked(form: FormData) -> list[str]:
    return [value for value in form.getlist("id") if isinstance(value, str)]


def _action(form: FormData, known: tuple[str, ...]) -> str:
    action = text_of(form, "action")
    if action not in known:
        raise WrongRequestError("It is not said what is to be done.", "", "Choose it beside the list.")
    return action


def _list_of(form: FormData) -> tuple[str, str, str, str]:
    """What the list showed, to go back to: filters and order, and nothing that leads elsewhere."""
    known = dict(parse_qsl(text_of(form, "back")[:1000]))
    return known.get("q", ""), known.get("show", ""), known.get("tag", ""), known.get("sort", "")


def _answer(
    request: Request, visitor: Visit, outcomes: list[bulk.Outcome], here: Shown, what: str
) -> Response:
    """Back to the list where all is done; else what became of each."""
    if all(each.problem is None for each in outcomes):
        address = here.link()
        return RedirectResponse(f"{address}{'&' if '?' in address else '?'}note=all-done", 303)
    return page(visitor, request, BulkPage(outcomes, here, what))
