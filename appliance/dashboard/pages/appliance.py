"""One appliance: what it says of itself, what it refused, and what can be asked of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from appliance import __version__
from appliance.dashboard.pages.fleet import enrolment_page
from appliance.dashboard.pages.rendering import fragment, page
from appliance.dashboard.security import Actor
from appliance.dashboard.store import commands, fleet, runs, workflows
from appliance.dashboard.store.database import Row, Session
from appliance.dashboard.web import connection_template, onboarding
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.context import Context

router = APIRouter(prefix="/appliances/{appliance_id}")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


def placements(session: Session, appliance_id: str) -> list[Row]:
    """Its workflows: those assigned to it here and those it reports, with how the last run went."""
    return session.all(
        "SELECT i.workflow_id, w.title, s.at AS assigned_at, r.digest AS wanted_digest, p.origin, p.state,"
        " p.digest, p.rule, p.problem, p.next_run_at, l.run_id AS last_run_id, l.state AS last_state,"
        " l.started_at AS last_started_at FROM ("
        "   SELECT workflow_id FROM assignment WHERE appliance_id = ?"
        "   UNION SELECT workflow_id FROM placement WHERE appliance_id = ?) i"
        " LEFT JOIN assignment s ON s.workflow_id = i.workflow_id AND s.appliance_id = ?"
        " LEFT JOIN workflow w ON w.id = i.workflow_id AND w.archived_at IS NULL"
        " LEFT JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " LEFT JOIN placement p ON p.workflow_id = i.workflow_id AND p.appliance_id = ?"
        " LEFT JOIN run l ON l.workflow_id = i.workflow_id AND l.appliance_id = ? AND l.latest = 1"
        " ORDER BY i.workflow_id",
        *[appliance_id] * 5,
    )


def details(context: Context, appliance_id: str) -> dict[str, Any]:
    """What the page's template reads; raises NotFound."""
    now = time.time()
    with context.database.read() as session:
        row = fleet.appliance(session, appliance_id)
        row["condition"] = fleet.condition(row, now, context.settings.heartbeat_seconds)
        found = placements(session, appliance_id)
        gaps = runs.gaps(session, appliance_id)
        wanted = row["wanted_version"] or __version__
        return {
            "appliance": row,
            "upgrade_command": onboarding.upgrade_command(context.settings, wanted),
            "report": fleet.report(session, appliance_id),
            "placements": found,
            "runs": runs.runs(session, appliance_id=appliance_id, limit=8),
            "commands": commands.recent(session, appliance_id, 6),
            "refusals": runs.refusals(session, appliance_id, 8),
            "events": runs.events(session, appliance_id, limit=10),
            "update": runs.latest_update(session, appliance_id),
            "gaps": gaps,
            "missing": sum(gap["last"] - gap["first"] + 1 for gap in gaps),
        }


@router.get("")
def appliance_page(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    data = details(visitor.context, appliance_id)
    visitor.context.attention.watch(appliance_id)
    return page(visitor, request, "appliance.html", newest=__version__, **data)


@router.get("/live")
def appliance_live(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    """The part of the page that changes by itself."""
    visitor.context.attention.watch(appliance_id)
    data = details(visitor.context, appliance_id)
    return fragment(
        request, "appliance_live.html", may_edit=visitor.actor.may("editor"), csrf=visitor.csrf, **data
    )


@router.get("/connections.yaml")
def connections_file(appliance_id: str, visitor: Visitor) -> Response:
    """The connections template as a file."""
    text = template_text(visitor.context, appliance_id)
    return PlainTextResponse(text, headers={"content-disposition": 'attachment; filename="connections.yaml"'})


@router.get("/connections")
def connections_page(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    """The connections template to copy."""
    with visitor.context.database.read() as session:
        row, report = fleet.appliance(session, appliance_id), fleet.report(session, appliance_id)
    text = template_text(visitor.context, appliance_id)
    states = report.get("connections", [])
    return page(visitor, request, "connections.html", appliance=row, text=text, connections=states)


def template_text(context: Context, appliance_id: str) -> str:
    """The connections template for the workflows that are assigned to the appliance."""
    with context.database.read() as session:
        row = fleet.appliance(session, appliance_id)
        wanted = workflows.wanted_by(session, appliance_id)
    return connection_template.template(row["name"], [entry.document for entry in wanted.workflows])


@router.post("/enrolment", dependencies=[Depends(checked_form)])
def new_token(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    """Another enrolment token, shown on this answer and nowhere else."""
    visitor.needs("editor")
    token = fleet.new_enrolment(visitor.context.database, visitor.actor, appliance_id)
    return enrolment_page(request, visitor, appliance_id, token)


@router.post("/name")
def rename(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Give another name."""
    visitor.needs("editor")
    fleet.rename(visitor.context.database, visitor.actor, appliance_id, text_of(form, "name"))
    return RedirectResponse(f"/appliances/{appliance_id}?note=renamed", 303)


@router.post("/revoke", dependencies=[Depends(checked_form)])
def revoke(appliance_id: str, visitor: Visitor) -> Response:
    """Take the token away."""
    visitor.needs("admin")
    fleet.revoke(visitor.context.database, visitor.actor, appliance_id)
    return RedirectResponse(f"/appliances/{appliance_id}?note=revoked", 303)


@router.post("/sync", dependencies=[Depends(checked_form)])
def sync(appliance_id: str, visitor: Visitor) -> Response:
    """Ask the appliance to fetch its workflows now."""
    visitor.needs("editor")
    commands.send(visitor.context.database, visitor.actor, appliance_id, "sync", {})
    return RedirectResponse(f"/appliances/{appliance_id}?note=sent", 303)


@router.post("/update")
def update(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask the appliance to move to a release."""
    visitor.needs("editor")
    request_update(visitor.context, visitor.actor, appliance_id, text_of(form, "version").strip())
    return RedirectResponse(f"/appliances/{appliance_id}?note=sent", 303)


def request_update(context: Context, actor: Actor, appliance_id: str, version: str) -> str:
    """Say which release is wanted, and ask for it now; returns the command's id."""
    fleet.set_wanted_version(context.database, actor, appliance_id, version)
    return commands.send(context.database, actor, appliance_id, "update", {"version": version})


@router.post("/runs")
def run(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask for a run of one of its workflows; goes to a page that waits for it."""
    visitor.needs("editor")
    argument = {"workflow": text_of(form, "workflow")}
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "run", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/commands/{command_id}", 303)
