"""The fleet: every appliance at a glance, and adding one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from appliance.dashboard.pages.listing import Keys, Shown, ordered
from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.store import tags, workflows
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.appliances.rows import ApplianceRow, FleetRow
from appliance.dashboard.store.workflow_rows import CountedWorkflow
from appliance.dashboard.web import onboarding, overview
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit

router = APIRouter()
PAGE_ROWS = 50
FILTERS = ("all", "attention", "running", "offline", "new")


CONDITIONS = ("unhealthy", "offline", "healthy", "new", "revoked")
SORTED_BY: Keys[FleetRow] = {
    "name": lambda row: row.name.casefold(),
    "health": lambda row: (CONDITIONS.index(row.condition), -row.failing - row.refused),
    "seen": lambda row: row.last_seen,
    "version": lambda row: _numbers(row.version),
    "runs": lambda row: (row.failing + row.refused, row.running),
    "success": lambda row: row.last_success,
    "next": lambda row: row.next_run,
    "workflows": lambda row: row.workflows,
}


def wanted(q: str = "", show: str = "all", tag: str = "", sort: str = "", p: int = 1) -> Shown:
    """What is shown: ``q`` is part of a name, ``show`` one of FILTERS, ``p`` the page from 1."""
    known = sort.removeprefix("-") in SORTED_BY
    return Shown("/", q[:80], show if show in FILTERS else "all", tag[:80], sort if known else "", max(1, p))


Wanted = Annotated[Shown, Depends(wanted)]


@dataclass(frozen=True)
class FleetPage(View):
    """A page of the fleet; ``totals`` says of how many the whole list consists, by what is shown."""

    template: ClassVar[str] = "fleet.html"
    rows: list[FleetRow]
    found: int
    totals: dict[str, int]
    here: Shown
    number: int
    pages: int
    known_tags: list[str]
    offered: list[CountedWorkflow]


@dataclass(frozen=True)
class FleetLive(FleetPage):
    """The part of it that changes by itself."""

    template: ClassVar[str] = "fleet_live.html"


@dataclass(frozen=True)
class NewAppliancePage(View):
    """The form to add one."""

    template: ClassVar[str] = "appliance_new.html"


@dataclass(frozen=True)
class EnrolmentPage(View):
    """An enrolment token, with the commands to copy."""

    template: ClassVar[str] = "appliance_enrol.html"
    appliance: ApplianceRow
    token: str
    commands: onboarding.Commands


def listing(visitor: Visit, here: Shown) -> FleetPage:
    """One page of the fleet, those that need attention first unless it is sorted, and the totals."""
    rows = overview.fleet_rows(visitor.context, here.q)
    with visitor.context.database.read() as session:
        known_tags = sorted(
            {tag for each in tags.tags_by_subject(session, "appliance").values() for tag in each}
        )
        offered = workflows.workflows(session) if visitor.actor.may("editor") else []
    if here.tag:
        rows = [row for row in rows if here.tag in row.tags]
    totals = {
        "all": len(rows),
        "healthy": sum(row.condition == "healthy" for row in rows),
        "running": sum(row.running > 0 for row in rows),
        "attention": sum(bool(row.attention) for row in rows),
        "offline": sum(row.condition == "offline" for row in rows),
        "new": sum(row.condition == "new" for row in rows),
    }
    shown = [row for row in rows if _matches(row, here.show)]
    shown.sort(key=lambda row: (not row.attention, row.name.casefold()))
    shown = ordered(shown, here.sort, SORTED_BY)
    pages = max(1, -(-len(shown) // PAGE_ROWS))
    number = min(here.p, pages)
    first = (number - 1) * PAGE_ROWS
    return FleetPage(
        rows=shown[first : first + PAGE_ROWS],
        found=len(shown),
        totals=totals,
        here=here,
        number=number,
        pages=pages,
        known_tags=known_tags,
        offered=offered,
    )


def _numbers(version: str | None) -> list[tuple[int, str]] | None:
    """A release to compare: 1.10 comes after 1.9."""
    if version is None:
        return None
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in version.replace("-", ".").split(".")
    ]


def _matches(row: FleetRow, chosen: str) -> bool:
    match chosen:
        case "attention":
            return bool(row.attention)
        case "running":
            return bool(row.running)
        case "offline" | "new":
            return bool(row.condition == chosen)
        case _:
            return True


@router.get("/")
def fleet_page(request: Request, visitor: Annotated[Visit, Depends(visit)], here: Wanted) -> Response:
    """The fleet."""
    return page(visitor, request, listing(visitor, here))


@router.get("/fleet/live")
def fleet_live(request: Request, visitor: Annotated[Visit, Depends(visit)], here: Wanted) -> Response:
    """The part of the fleet's page that changes by itself."""
    return fragment(visitor, request, FleetLive(**vars(listing(visitor, here))))


@router.get("/appliances/new")
def new_page(request: Request, visitor: Annotated[Visit, Depends(visit)]) -> Response:
    """The form to add an appliance."""
    visitor.needs("editor")
    return page(visitor, request, NewAppliancePage())


@router.post("/appliances")
def create(
    request: Request,
    visitor: Annotated[Visit, Depends(visit)],
    form: Annotated[FormData, Depends(checked_form)],
) -> Response:
    """Add an appliance; its enrolment token is on this answer and nowhere else."""
    visitor.needs("editor")
    context = visitor.context
    appliance_id, token = fleet.create(context.database, visitor.actor, text_of(form, "name"))
    return enrolment_page(request, visitor, appliance_id, token)


def enrolment_page(request: Request, visitor: Visit, appliance_id: str, token: str) -> Response:
    """The one page that shows an enrolment token, with the commands to copy."""
    with visitor.context.database.read() as session:
        row = fleet.appliance(session, appliance_id)
    commands = onboarding.commands(visitor.context.settings, token)
    return page(visitor, request, EnrolmentPage(row, token, commands))
