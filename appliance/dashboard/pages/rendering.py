"""Turns templates into pages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from appliance.dashboard.pages import display
from appliance.dashboard.pages.editing.workflow_form import parameter_text
from appliance.dashboard.store.rows import Lenient
from appliance.dashboard.web.access import Visit
from appliance.documents.in_words import in_words
from appliance.masking.examples.shown import examples_of

STATIC = Path(__file__).with_name("static")

NAVIGATION = (
    ("fleet", "/", "Fleet"),
    ("workflows", "/workflows", "Workflows"),
    ("presets", "/presets", "Presets"),
    ("runs", "/runs", "Runs"),
    ("releases", "/releases", "Releases"),
    ("people", "/people", "People"),
    ("tokens", "/tokens", "Tokens"),
    ("audit", "/audit", "Audit log"),
)

PROPOSALS = ("proposals", "/proposals", "Proposals")
"""Behind the workflows, where the dashboard asks for a second person."""
PROPOSAL_COLOURS = {
    "waiting": "busy",
    "overtaken": "warn",
    "accepted": "good",
    "rejected": "bad",
    "withdrawn": "idle",
}

NOTES = {
    "proposed": "Proposed. It waits for a second person; appliances keep the present version until then.",
    "accepted": "Accepted. Appliances fetch it with their next heartbeat.",
    "rejected": "Rejected. Its author sees why on this page.",
    "withdrawn": "Withdrawn.",
    "saved": "Saved. Appliances fetch it with their next heartbeat.",
    "unchanged": "Nothing had changed.",
    "assigned": "Assigned. Appliances fetch it with their next heartbeat.",
    "rolled-back": "Rolled back. Appliances fetch it with their next heartbeat.",
    "archived": "Archived. It is gone from every appliance's schedule after the run in progress.",
    "cancelling": "Asked. The rehearsal ends within seconds of the appliance's next heartbeat.",
    "preset-saved": "Saved. Workflows that use it have a new version, which appliances fetch.",
    "preset-proposed": "Saved. Workflows that would keep more wait for a second person.",
    "preset-archived": "Archived. Its history stays.",
    "sent": "Asked. The appliance answers with its next heartbeat.",
    "renamed": "Renamed.",
    "tagged": "The tags are changed.",
    "all-done": "Done for all that were ticked.",
    "revoked": "Revoked. The appliance can no longer report here.",
    "role": "Changed.",
    "disabled": "Disabled; every session of theirs has ended.",
    "enabled": "Enabled.",
    "password": "Your password is changed; your other sessions have ended.",
    "token-revoked": "Revoked.",
    "rollout-begun": "Begun. The first wave is asked with its next heartbeats.",
    "rollout-stopped": "Stopped. The wish is withdrawn from all that have not moved.",
    "next-wave": "Begun. The next wave is asked with its next heartbeats.",
    "second-factor-off": "Turned off. The password alone signs you in.",
    "second-factor-reset": "Reset. They set up a new one on their account page.",
    "wish-withdrawn": "Withdrawn. A move that has begun is carried to its end.",
}
"""What a page says after a change; ``?note=`` picks one, so that an address cannot put words on a page."""


@dataclass(frozen=True)
class View:
    """What a template is given, a field each; a subclass names the template."""

    template: ClassVar[str]


@cache
def environment() -> Environment:
    """The template environment, made once."""
    made = Environment(
        loader=PackageLoader("appliance.dashboard.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "state",
        "when",
        "ago",
        "duration",
        "count",
        "size",
        "percent",
        "schedule",
        "action",
        "by_table",
        "paragraphs",
    ):
        made.filters[name] = getattr(display, name)
    made.filters["in_words"] = in_words
    made.filters["parameter_text"] = parameter_text
    made.filters["mask_examples"] = examples_of
    made.globals.update(
        nothing=Lenient(),
        asset=asset,
        navigation=NAVIGATION,
        proposal_colours=PROPOSAL_COLOURS,
        STEPS=display.STEPS,
        COMPONENTS=display.COMPONENTS,
        CHECKS=display.CHECKS,
        blocked_bar=display.blocked_bar,
        blocked_text=display.blocked_text,
    )
    return made


@cache
def asset(name: str) -> str:
    """The address of a static file, which changes whenever the file does."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"


def rendered(view: View, **around: object) -> str:
    """A template's text; ``around`` is what every template of its kind is given besides."""
    return environment().get_template(view.template).render({**around, **vars(view)})


def page(visit: Visit, request: Request, view: View, *, status: int = 200) -> HTMLResponse:
    """A whole page for a signed-in user."""
    asked = visit.context.settings.second_person != "no"
    return _html(
        request,
        view,
        status,
        navigation=(*NAVIGATION[:2], PROPOSALS, *NAVIGATION[2:]) if asked else NAVIGATION,
        actor=visit.actor,
        note=NOTES.get(request.query_params.get("note", "")),
        may_admin=visit.actor.may("admin"),
        **_of_visitor(visit),
    )


def page_for_anybody(request: Request, view: View, *, status: int = 200) -> HTMLResponse:
    """A page for a visitor who is not signed in."""
    return _html(request, view, status, actor=None)


def _of_visitor(visit: Visit) -> dict[str, str | bool]:
    return {"csrf": visit.csrf, "may_edit": visit.actor.may("editor")}


def _html(request: Request, view: View, status: int, **around: object) -> HTMLResponse:
    theme = request.cookies.get("theme", "")
    chosen = theme if theme in {"light", "dark"} else ""
    return HTMLResponse(rendered(view, theme=chosen, path=request.url.path, **around), status)


def fragment(visit: Visit, request: Request, view: View) -> Response:
    """A part of a page, for a page that keeps itself current; 204 where it is what the page already has."""
    text = rendered(view, **_of_visitor(visit))
    mark = hashlib.sha256(text.encode()).hexdigest()[:24]
    if request.headers.get("x-have") == mark:
        return Response(status_code=204)
    return HTMLResponse(text, headers={"x-mark": mark})
