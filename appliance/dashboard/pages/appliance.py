"""One appliance: what it says of itself, what it refused, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from appliance import __version__
from appliance.dashboard.pages.fleet import enrolment_page
from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.store.appliances import commands, fleet
from appliance.dashboard.store.appliances.connection_tests import Tested, connection_tests
from appliance.dashboard.store.appliances.rows import ApplianceRow
from appliance.dashboard.store.rows import Lenient
from appliance.dashboard.web import overview
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit

router = APIRouter(prefix="/appliances/{appliance_id}")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class AppliancePage(overview.ApplianceDetails, View):
    """One appliance; ``newest`` is the release that this dashboard is of."""

    template: ClassVar[str] = "appliance.html"
    newest: str


@dataclass(frozen=True)
class ApplianceLive(AppliancePage):
    """The part of it that changes by itself."""

    template: ClassVar[str] = "appliance_live.html"


@dataclass(frozen=True)
class ConnectionsPage(View):
    """The connections template to copy; ``connections`` is what the heartbeat says of each."""

    template: ClassVar[str] = "connections.html"
    appliance: ApplianceRow
    text: str
    connections: list[Lenient]
    tests: dict[str, Tested]


def _shown(visitor: Visit, appliance_id: str) -> AppliancePage:
    details = overview.appliance_details(visitor.context, appliance_id)
    return AppliancePage(**vars(details), newest=__version__)


@router.get("")
def appliance_page(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    visitor.context.attention.watch(appliance_id)
    return page(visitor, request, _shown(visitor, appliance_id))


@router.get("/live")
def appliance_live(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    """The part of the page that changes by itself."""
    visitor.context.attention.watch(appliance_id)
    return fragment(visitor, request, ApplianceLive(**vars(_shown(visitor, appliance_id))))


@router.get("/connections.yaml")
def connections_file(appliance_id: str, visitor: Visitor) -> Response:
    """The connections template as a file."""
    text = overview.connections_text(visitor.context, appliance_id)
    return PlainTextResponse(text, headers={"content-disposition": 'attachment; filename="connections.yaml"'})


@router.get("/connections")
def connections_page(request: Request, appliance_id: str, visitor: Visitor) -> Response:
    """The connections template to copy."""
    with visitor.context.database.read() as session:
        row, report = fleet.appliance(session, appliance_id), fleet.report(session, appliance_id)
        tests = connection_tests(session, appliance_id)
    text = overview.connections_text(visitor.context, appliance_id)
    states = report.get("connections", [])
    return page(visitor, request, ConnectionsPage(row, text, states, tests))


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
    overview.request_update(visitor.context, visitor.actor, appliance_id, text_of(form, "version").strip())
    return RedirectResponse(f"/appliances/{appliance_id}?note=sent", 303)


@router.post("/test")
def test_connection(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask the appliance to try a connection; goes to a page that waits for the answer."""
    visitor.needs("editor")
    argument = {"connection": text_of(form, "connection")}
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "test", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/commands/{command_id}", 303)


@router.post("/erasures")
def erase(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask for an erasure by its reference; whom it is about is typed on the appliance."""
    visitor.needs("editor")
    argument = {"reference": text_of(form, "reference").strip()}
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "erase", argument)
    return RedirectResponse(f"/commands/{command_id}", 303)


@router.post("/runs")
def run(appliance_id: str, visitor: Visitor, form: Form) -> Response:
    """Ask for a run of one of its workflows; goes to a page that waits for it."""
    visitor.needs("editor")
    argument = {"workflow": text_of(form, "workflow")}
    command_id = commands.send(visitor.context.database, visitor.actor, appliance_id, "run", argument)
    visitor.context.attention.watch(appliance_id)
    return RedirectResponse(f"/commands/{command_id}", 303)
