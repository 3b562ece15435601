"""Management calls about what appliances report of databases: catalogs, plans, uncovered columns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from appliance.contract.calls import Problem
from appliance.contract.catalog import PlanReported, ReportedTable, UncoveredColumn
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.store.appliances import branches, catalogs, drift_checks, fleet, rehearsals
from appliance.dashboard.store.run_history import runs
from appliance.dashboard.web.access import api_role
from appliance.dashboard.web.context import Context, context_of

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 422, 429, 503)},
)
Deck = Annotated[Context, Depends(context_of)]


class CatalogRow(BaseModel):
    """One catalog, without its tables."""

    connection: str
    scanned_at: float
    tables: int
    columns: int
    tables_total: int


class CatalogShown(BaseModel):
    """A connection's columns, as the appliance last reported them."""

    connection: str
    scanned_at: float
    tables_total: int
    tables: tuple[ReportedTable, ...]
    gone: dict[str, float]
    """Columns that are not there any more, and since when."""


class PlanShown(BaseModel):
    """The newest plan of a workflow that an appliance was asked for."""

    planned_at: float
    plan: PlanReported


@router.get("/appliances/{appliance_id}/catalogs")
def list_catalogs(context: Deck, appliance_id: str) -> list[CatalogRow]:
    """Which connections' columns it has reported."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        return [
            CatalogRow.model_validate(row, from_attributes=True)
            for row in catalogs.known(session, appliance_id)
        ]


@router.get("/appliances/{appliance_id}/catalogs/{connection}")
def show_catalog(context: Deck, appliance_id: str, connection: str) -> CatalogShown:
    """The columns of a connection, with what the scan found."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        found = catalogs.catalog(session, appliance_id, connection)
    if found is None:
        raise NotFoundError("Its columns are not known here.", "", "Ask for a scan of the connection.")
    return CatalogShown(
        connection=connection,
        scanned_at=found.scanned_at,
        tables_total=found.tables_total,
        tables=found.tables,
        gone=found.gone,
    )


@router.get("/appliances/{appliance_id}/plans/{workflow_id}")
def show_plan(context: Deck, appliance_id: str, workflow_id: str) -> PlanShown:
    """What a run would do, as it was last asked for."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        found = catalogs.plan(session, appliance_id, workflow_id)
    if found is None:
        raise NotFoundError("It has made no plan of that workflow.", "", "Ask it for one.")
    return PlanShown(plan=found.plan, planned_at=found.at)


@router.get("/appliances/{appliance_id}/drift-checks/{workflow_id}")
def show_drift_check(context: Deck, appliance_id: str, workflow_id: str) -> drift_checks.Checked:
    """Whether the workflow's next run would go, as its last check for drift has found."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        found = drift_checks.checked(session, appliance_id, workflow_id)
    if found is None:
        what = "No check of that workflow stands: there was none, or a run has ended since."
        raise NotFoundError(what, "", 'Write `drift: "0 18 * * *"` into the workflow, or policy.yaml.')
    return found


@router.get("/appliances/{appliance_id}/branches/{workflow_id}")
def show_branches(context: Deck, appliance_id: str, workflow_id: str) -> list[branches.Reported]:
    """The branches of the workflow's twins, as the appliance said when it was last asked."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        return branches.reported(session, appliance_id, workflow_id)


@router.get("/appliances/{appliance_id}/rehearsals/{command_id}")
def show_rehearsal(context: Deck, appliance_id: str, command_id: str) -> rehearsals.Rehearsed:
    """What the rehearsal found that a command asked for."""
    with context.database.read() as session:
        fleet.appliance(session, appliance_id)
        found = rehearsals.rehearsed(session, appliance_id, command_id)
    if found is None:
        raise NotFoundError("It has reported no such rehearsal.", "", "Look at what became of the command.")
    return found


@router.get("/runs/{appliance_id}/{run_id}/uncovered")
def show_uncovered(context: Deck, appliance_id: str, run_id: str) -> tuple[UncoveredColumn, ...]:
    """The columns at which a run was refused, all of them."""
    with context.database.read() as session:
        runs.run(session, appliance_id, run_id)
        return catalogs.uncovered(session, appliance_id, run_id)
