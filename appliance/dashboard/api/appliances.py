"""Management calls about appliances, commands and runs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from appliance.contract.branches import BranchCommand
from appliance.contract.calls import (
    CancelCommand,
    PlanCommand,
    Problem,
    RunCommand,
    ScanCommand,
    SyncCommand,
    UpdateCommand,
)
from appliance.contract.connection_test import ConnectionTestCommand
from appliance.contract.erasures import EraseCommand
from appliance.contract.rehearsals import RehearseCommand
from appliance.dashboard.api.answers import ConnectionsTemplate, Enrolment
from appliance.dashboard.security import Actor
from appliance.dashboard.store.appliances import commands, fleet
from appliance.dashboard.store.appliances.rows import ApplianceRow, CommandShown, FleetRow
from appliance.dashboard.store.run_history import run_lists, runs
from appliance.dashboard.store.run_history.rows import EventRow, RunRow, RunShown
from appliance.dashboard.store.run_history.run_lists import Wanted
from appliance.dashboard.web import onboarding, overview
from appliance.dashboard.web.access import api_role
from appliance.dashboard.web.context import Context, context_of
from appliance.dashboard.web.overview import ApplianceDetails

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)
Viewer = Annotated[Actor, Depends(api_role("viewer"))]
Editor = Annotated[Actor, Depends(api_role("editor"))]
Admin = Annotated[Actor, Depends(api_role("admin"))]
Deck = Annotated[Context, Depends(context_of)]
Limit = Annotated[int, Query(ge=1, le=500)]
Ordinal = Annotated[int | None, Query(ge=0, le=2**62)]


class Given(BaseModel):
    """The body of a management call; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class NewAppliance(Given):
    """An appliance to add."""

    name: str = Field(min_length=1, max_length=80, examples=["Hospital West"])


class AppliancePatch(Given):
    """What to change of an appliance."""

    name: str | None = Field(default=None, min_length=1, max_length=80)
    wanted_version: str | None = Field(default=None, max_length=60, examples=["1.4.0"])


def _enrolment(context: Context, appliance_id: str, token: str) -> Enrolment:
    commands_shown = onboarding.commands(context.settings, token)
    return Enrolment(
        appliance_id=appliance_id,
        enrolment_token=token,
        install_command=commands_shown["install"],
        enrol_command=commands_shown["enrol"],
    )


@router.get("/appliances")
def list_appliances(context: Deck, search: str = "", tag: str = "") -> list[FleetRow]:
    """Every appliance, with its condition and how many runs go on or have failed; ``tag`` filters."""
    found = overview.fleet_rows(context, search)
    return [row for row in found if not tag or tag in row.tags]


@router.post("/appliances", status_code=201)
def add_appliance(actor: Editor, context: Deck, given: NewAppliance) -> Enrolment:
    """Add an appliance and get its enrolment token."""
    return _enrolment(context, *fleet.create(context.database, actor, given.name))


@router.get("/appliances/{appliance_id}")
def show_appliance(context: Deck, appliance_id: str) -> ApplianceDetails:
    """All that the appliance's page shows."""
    return overview.appliance_details(context, appliance_id)


@router.patch("/appliances/{appliance_id}")
def change_appliance(actor: Editor, context: Deck, appliance_id: str, given: AppliancePatch) -> ApplianceRow:
    """Rename it, or say which release it should be on."""
    overview.check_wish(context, given.wanted_version)
    if given.name is not None:
        fleet.rename(context.database, actor, appliance_id, given.name)
    if "wanted_version" in given.model_fields_set:
        fleet.set_wanted_version(context.database, actor, appliance_id, given.wanted_version)
    with context.database.read() as session:
        return fleet.appliance(session, appliance_id)


@router.delete("/appliances/{appliance_id}", status_code=204)
def revoke_appliance(actor: Admin, context: Deck, appliance_id: str) -> None:
    """Take its token away; its history stays."""
    fleet.revoke(context.database, actor, appliance_id)


@router.post("/appliances/{appliance_id}/enrolment", status_code=201)
def new_enrolment(actor: Editor, context: Deck, appliance_id: str) -> Enrolment:
    """Another enrolment token for it."""
    return _enrolment(context, appliance_id, fleet.new_enrolment(context.database, actor, appliance_id))


@router.get("/appliances/{appliance_id}/connections-template")
def connections_template(context: Deck, appliance_id: str) -> ConnectionsTemplate:
    """The connections.yaml that its workflows need, with changeme to fill in."""
    return ConnectionsTemplate(yaml=overview.connections_text(context, appliance_id))


@router.get("/appliances/{appliance_id}/events")
def list_events(
    context: Deck, appliance_id: str, before: Ordinal = None, limit: Limit = 50
) -> list[EventRow]:
    """What it reported, newest first, progress left out; ``before`` is the last ordinal seen."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        found = runs.events(session, appliance_id, before=before, limit=limit)
    return found


CommandRequest = Annotated[
    RunCommand
    | CancelCommand
    | SyncCommand
    | UpdateCommand
    | ScanCommand
    | PlanCommand
    | ConnectionTestCommand
    | EraseCommand
    | BranchCommand
    | RehearseCommand,
    Body(discriminator="kind"),
]


@router.post("/appliances/{appliance_id}/commands", status_code=202)
def send_command(actor: Editor, context: Deck, appliance_id: str, given: CommandRequest) -> CommandShown:
    """Ask for a run, a scan, a branch, a rehearsal and so on: the appliance decides."""
    if isinstance(given, UpdateCommand):
        command_id = overview.request_update(context, actor, appliance_id, given.version)
    else:
        argument = given.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
        command_id = commands.send(context.database, actor, appliance_id, given.kind, argument)
    with context.database.read() as session:
        return commands.command(session, command_id)


@router.get("/commands/{command_id}")
def show_command(context: Deck, command_id: str) -> CommandShown:
    """What became of a command."""
    with context.database.read() as session:
        return commands.command(session, command_id)


class RunFilter(Given):
    """Which runs to list; ``before`` is the last ``started_at`` seen. Moments are seconds since 1970.

    ``person`` is who asked for the run, or `schedule` or `operator`; ``text`` part of an id, a title or of
    why it failed.
    """

    workflow: str = Field(default="", max_length=63)
    appliance: str = Field(default="", max_length=36)
    state: Literal["", "running", "succeeded", "failed", "refused", "cancelled", "lost"] = ""
    person: str = Field(default="", max_length=120)
    text: str = Field(default="", max_length=100)
    since: float | None = Field(default=None, ge=0, le=1e11)
    until: float | None = Field(default=None, ge=0, le=1e11)
    before: float | None = Field(default=None, ge=0, le=1e11)
    limit: int = Field(default=50, ge=1, le=500)


@router.get("/runs")
def list_runs(context: Deck, wanted: Annotated[RunFilter, Query()]) -> list[RunRow]:
    """Runs, newest first."""
    with context.database.read() as session:
        asked = Wanted(
            workflow_id=wanted.workflow,
            appliance_id=wanted.appliance,
            state=wanted.state,
            person=wanted.person,
            text=wanted.text,
            since=wanted.since,
            until=wanted.until,
            before=wanted.before,
        )
        found = run_lists.runs(session, asked, wanted.limit)
    return found


@router.get("/runs/{appliance_id}/{run_id}")
def show_run(context: Deck, appliance_id: str, run_id: str) -> RunShown:
    """One run: steps, progress by table, verification, and why it failed."""
    with context.database.read() as session:
        return runs.run(session, appliance_id, run_id)


@router.post("/runs/{appliance_id}/{run_id}/cancel", status_code=202)
def cancel_run(actor: Editor, context: Deck, appliance_id: str, run_id: str) -> CommandShown:
    """Ask the appliance to end it."""
    with context.database.read() as session:
        runs.run(session, appliance_id, run_id)
    command_id = commands.send(context.database, actor, appliance_id, "cancel", {"run_id": run_id})
    with context.database.read() as session:
        return commands.command(session, command_id)
