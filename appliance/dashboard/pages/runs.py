"""Runs: the list, one run as it goes, and the moment between asking for one and its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from appliance.contract.catalog import UncoveredColumn
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.pages.days import DAY_S, day_of
from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.pages.run_grid import GridRow, grid
from appliance.dashboard.store.appliances import catalogs, commands, fleet, rehearsals
from appliance.dashboard.store.appliances.rehearsals import Rehearsed
from appliance.dashboard.store.appliances.rows import ApplianceRow, CommandShown, NamedAppliance
from appliance.dashboard.store.run_history import receipts, run_lists, runs
from appliance.dashboard.store.run_history.receipts import ReceiptRow
from appliance.dashboard.store.run_history.rows import RunRow, RunShown
from appliance.dashboard.store.run_history.run_lists import RUN_STATES, Wanted
from appliance.dashboard.store.workflow_rows import TitledWorkflow
from appliance.dashboard.web.access import Visit, checked_form, visit
from appliance.errors import WrongRequestError

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
PAGE_ROWS = 50
MOST_IN_GRID = 40


class RunFilter(BaseModel):
    """Which runs to list; ``before`` is the start of the last one seen, days are whole ones in UTC."""

    workflow: str = Field(default="", max_length=63)
    appliance: str = Field(default="", max_length=36)
    state: str = Field(default="", max_length=20)
    person: str = Field(default="", max_length=120)
    q: str = Field(default="", max_length=100)
    since: str = Field(default="", max_length=10)
    until: str = Field(default="", max_length=10)
    before: float | None = Field(default=None, ge=0, le=1e11)

    @property
    def wanted(self) -> Wanted:
        """The same for the store; what is no state and no day is left out."""
        until = day_of(self.until)
        return Wanted(
            workflow_id=self.workflow,
            appliance_id=self.appliance,
            state=self.state if self.state in RUN_STATES else "",
            person=self.person,
            text=self.q.strip(),
            since=day_of(self.since),
            until=until + DAY_S if until is not None else None,
            before=self.before,
        )

    @property
    def query(self) -> str:
        """As an address has it, without the place in the list."""
        given = self.model_dump(exclude={"before"}, exclude_defaults=True)
        return urlencode(given)


@dataclass(frozen=True)
class RunsLive(View):
    """One page of runs; ``more`` is the start of the last one, where there are more."""

    template: ClassVar[str] = "runs_live.html"
    rows: list[RunRow]
    more: float | None
    before: float | None
    query: str


@dataclass(frozen=True)
class Choices:
    """What the filters offer, and the latest runs of each workflow that they let through."""

    wanted: RunFilter
    states: tuple[str, ...]
    workflows: list[TitledWorkflow]
    appliances: list[NamedAppliance]
    people: list[str]
    others: dict[str, str]
    grid: list[GridRow]


@dataclass(frozen=True)
class RunsPage(RunsLive, Choices):
    """All runs, with the filters."""

    template: ClassVar[str] = "runs.html"


@dataclass(frozen=True)
class RunLive(View):
    """One run, and what was reported of it."""

    template: ClassVar[str] = "run_live.html"
    run: RunShown
    uncovered: tuple[UncoveredColumn, ...]
    receipts: list[ReceiptRow]


@dataclass(frozen=True)
class RunPage(RunLive):
    """The same as a page, which asks for news ``every`` so many seconds."""

    template: ClassVar[str] = "run.html"
    every: int


@dataclass(frozen=True)
class CommandLive(View):
    """A command, and what became of it."""

    template: ClassVar[str] = "command_live.html"
    command: CommandShown
    appliance: ApplianceRow
    rehearsed: Rehearsed | None


@dataclass(frozen=True)
class CommandPage(CommandLive):
    """The same as a page."""

    template: ClassVar[str] = "command.html"


def listing(visitor: Visit, wanted: RunFilter) -> RunsLive:
    """One page of runs, newest first."""
    with visitor.context.database.read() as session:
        rows = run_lists.runs(session, wanted.wanted, PAGE_ROWS + 1)
    more = rows[PAGE_ROWS - 1].started_at if len(rows) > PAGE_ROWS else None
    return RunsLive(rows[:PAGE_ROWS], more, wanted.before, wanted.query)


def choices(visitor: Visit, wanted: RunFilter) -> Choices:
    """What the filters offer, and the latest runs of each workflow that they let through."""
    with visitor.context.database.read() as session:
        latest = run_lists.latest(session, workflow_id=wanted.workflow, appliance_id=wanted.appliance)
        return Choices(
            wanted=wanted,
            states=RUN_STATES,
            workflows=session.all(TitledWorkflow, "SELECT id, title FROM workflow ORDER BY title LIMIT 500"),
            appliances=session.all(NamedAppliance, "SELECT id, name FROM appliance ORDER BY name LIMIT 2000"),
            people=run_lists.people_who_asked(session),
            others=run_lists.OTHERS,
            grid=grid(latest)[:MOST_IN_GRID],
        )


@router.get("/runs")
def runs_page(request: Request, visitor: Visitor, wanted: Annotated[RunFilter, Query()]) -> Response:
    """All runs, newest first."""
    shown = RunsPage(**vars(choices(visitor, wanted)), **vars(listing(visitor, wanted)))
    return page(visitor, request, shown)


@router.get("/runs/live")
def runs_live(request: Request, visitor: Visitor, wanted: Annotated[RunFilter, Query()]) -> Response:
    """The part of the list that changes by itself."""
    return fragment(visitor, request, listing(visitor, wanted))


def _details(visitor: Visit, appliance_id: str, run_id: str) -> RunLive:
    visitor.context.attention.watch(appliance_id)
    with visitor.context.database.read() as session:
        return RunLive(
            run=runs.run(session, appliance_id, run_id),
            uncovered=catalogs.uncovered(session, appliance_id, run_id),
            receipts=receipts.of_run(session, appliance_id, run_id),
        )


@router.get("/runs/{appliance_id}/{run_id}")
def run_page(request: Request, appliance_id: str, run_id: str, visitor: Visitor) -> Response:
    """One run. Where it has been accepted and has not begun, the page that waits for it."""
    try:
        data = _details(visitor, appliance_id, run_id)
    except NotFoundError:
        with visitor.context.database.read() as session:
            command_id = commands.that_starts(session, appliance_id, run_id)
        if command_id is None:
            raise
        return RedirectResponse(f"/commands/{command_id}", 303)
    return page(visitor, request, RunPage(**vars(data), every=every(data.run.state)))


def every(state: str) -> int:
    """How often, in seconds, a run's page asks for news."""
    return 2 if state in {"running", "lost"} else 15


@router.get("/runs/{appliance_id}/{run_id}/live")
def run_live(request: Request, appliance_id: str, run_id: str, visitor: Visitor) -> Response:
    """The part of the run's page that changes by itself."""
    data = _details(visitor, appliance_id, run_id)
    response = fragment(visitor, request, data)
    response.headers["x-every"] = str(every(data.run.state))
    return response


@router.get("/runs/{appliance_id}/{run_id}/receipts/{digest}.json")
def receipt_file(appliance_id: str, run_id: str, digest: str, visitor: Visitor) -> Response:
    """A receipt that the appliance has shared, as the file that it is."""
    with visitor.context.database.read() as session:
        text = receipts.text_of(session, appliance_id, digest)
    name = f"{run_id}.{digest[:12]}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="application/json", headers=headers)


@router.post("/runs/{appliance_id}/{run_id}/cancel", dependencies=[Depends(checked_form)])
def cancel(appliance_id: str, run_id: str, visitor: Visitor) -> Response:
    """Ask the appliance to end a run."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        runs.run(session, appliance_id, run_id)
    commands.send(visitor.context.database, visitor.actor, appliance_id, "cancel", {"run_id": run_id})
    return RedirectResponse(f"/runs/{appliance_id}/{run_id}?note=sent", 303)


def _command(visitor: Visit, command_id: str) -> tuple[CommandLive, str | None]:
    """The command, and the address of the run that it asked for, once that has begun."""
    with visitor.context.database.read() as session:
        row = commands.command(session, command_id)
        appliance = fleet.appliance(session, row.appliance_id)
        rehearsed = rehearsals.rehearsed(session, row.appliance_id, command_id)
        # A command that is done names its run, which may still wait its turn and be unknown here.
        started = session.value(
            str,
            "SELECT run_id FROM run WHERE command_id = ? OR appliance_id = ? AND run_id = ?",
            command_id,
            row.appliance_id,
            row.run_id,
        )
    visitor.context.attention.watch(row.appliance_id)
    address = f"/runs/{appliance.id}/{started}" if started and row.kind == "run" else None
    return CommandLive(row, appliance, rehearsed), address


@router.get("/commands/{command_id}")
def command_page(request: Request, command_id: str, visitor: Visitor) -> Response:
    """What became of a command; a run that has begun is shown itself."""
    data, begun = _command(visitor, command_id)
    if begun:
        return RedirectResponse(begun, 303)
    return page(visitor, request, CommandPage(**vars(data)))


@router.post("/commands/{command_id}/cancel", dependencies=[Depends(checked_form)])
def cancel_rehearsal(command_id: str, visitor: Visitor) -> Response:
    """Ask the appliance to end the rehearsal that a command has asked for."""
    visitor.needs("editor")
    database = visitor.context.database
    with database.read() as session:
        row = commands.command(session, command_id)
    if row.kind != "rehearse" or row.state not in ("waiting", "accepted"):
        raise WrongRequestError(
            "Only a rehearsal that is not over can be cancelled.", "", "Look at what became of it."
        )
    commands.send(database, visitor.actor, row.appliance_id, "cancel", {"command_id": command_id})
    visitor.context.attention.watch(row.appliance_id)
    return RedirectResponse(f"/commands/{command_id}?note=cancelling", 303)


@router.get("/commands/{command_id}/live")
def command_live(request: Request, command_id: str, visitor: Visitor) -> Response:
    """The part that changes by itself; says where to go once the run has begun."""
    data, begun = _command(visitor, command_id)
    response = fragment(visitor, request, data)
    if begun:
        response.headers["x-go"] = begun
    return response
