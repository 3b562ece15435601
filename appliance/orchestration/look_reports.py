"""What a look has found, as events may say it: of bounded size, scrubbed, without what policy keeps back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from appliance.branches.asking import BranchesFound
from appliance.contract.branches import MAX_BRANCHES, BranchesReported, BranchLine
from appliance.contract.catalog import (
    MAX_LEFT_OUT,
    MAX_PARTS,
    MAX_UNCOVERED,
    MAX_UNCOVERED_OF_PLAN,
    CatalogReported,
    ColumnsUncovered,
    PlanReported,
    Refused,
)
from appliance.contract.connection_test import MAX_CHECKS, ConnectionCheck, ConnectionTested
from appliance.contract.fields import ScrubbedText
from appliance.contract.fitting import fitting, shown_name
from appliance.contract.run_parts import MAX_PLANNED_TABLES
from appliance.contract.step_messages import Failure
from appliance.discovery.reporting import ScannedSource, parts_of
from appliance.errors import ApplianceError
from appliance.masking.suggesting.uncovered import UncoveredColumns
from appliance.postgres.plan import Plan
from appliance.steps.records.column_files import UNCOVERED
from appliance.steps.records.look_files import TRIED
from appliance.steps.records.run_files import PLAN
from appliance.store.events import scrubbed


def catalog_events(scan_id: UUID, connection: str, found: ScannedSource) -> Iterable[CatalogReported]:
    """The parts of a catalog, in order; one that is empty where there is no table."""
    parts = parts_of(found.tables)
    for number, tables in enumerate(parts, 1):
        yield CatalogReported(
            scan_id=scan_id,
            connection=connection,
            part=number,
            parts=len(parts),
            tables=tables,
            tables_total=found.tables_total,
        )


def uncovered_events(run_id: str, workflow: str, folder: Path) -> Iterable[ColumnsUncovered]:
    """The columns at which a run was refused, in parts; none where it was not for those."""
    columns = uncovered_in(folder).columns
    parts = [columns[at : at + MAX_UNCOVERED] for at in range(0, len(columns), MAX_UNCOVERED)][:MAX_PARTS]
    for number, part in enumerate(parts, 1):
        yield ColumnsUncovered(run_id=run_id, workflow=workflow, part=number, parts=len(parts), columns=part)


def plan_event(  # noqa: PLR0917
    command_id: UUID,
    workflow: str,
    digest: str,
    folder: Path,
    failure: Failure | ApplianceError | None,
    share: bool,
) -> PlanReported:
    """What a run would do, or why it would be refused; names of columns only where they may be shared."""
    found = uncovered_in(folder)
    plan = PLAN.read(folder) if failure is None else None
    return PlanReported(
        command_id=command_id,
        workflow=workflow,
        digest=digest,
        refused=(refusal(failure, share=share),) if failure is not None else (),
        uncovered=found.columns[:MAX_UNCOVERED_OF_PLAN] if share else (),
        uncovered_total=found.total,
        **(_planned(plan) if plan is not None else {}),
    )


def tested_event(
    command_id: UUID, connection: str, folder: Path, failure: Failure | ApplianceError | None
) -> ConnectionTested:
    """How a connection's checks went; a login that did not work has no others behind it."""
    tried = TRIED.read(folder) if TRIED.is_in(folder) else None
    checks = tried.checks if tried is not None else (ConnectionCheck(check="login", state="fail"),)
    return ConnectionTested(
        command_id=command_id,
        connection=connection,
        works=failure is None,
        checks=checks[:MAX_CHECKS],
        failure=class_of(failure) if failure is not None else None,
    )


def class_of(failure: Failure | ApplianceError) -> str:
    """What kind of failure it was; no word of its text."""
    if isinstance(failure, Failure):
        return failure.sqlstate or failure.exception or type(failure).__name__
    return failure.explanation.sqlstate or type(failure).__name__


def branches_event(command_id: UUID, workflow: str, found: BranchesFound) -> BranchesReported:
    """Which branches a twin has: those that end first, where there are very many."""
    first = sorted(found.branches, key=lambda each: each.marker.ends_at)[:MAX_BRANCHES]
    return BranchesReported(
        command_id=command_id,
        workflow=workflow,
        connection=found.connection,
        branches=tuple(
            BranchLine(
                name=each.marker.name,
                run_id=each.marker.run,
                copy_of=each.marker.copy_of,
                made_at=each.marker.made_at,
                ends_at=each.marker.ends_at,
                bytes=each.bytes,
            )
            for each in first
        ),
        total=len(found.branches),
    )


def uncovered_in(folder: Path) -> UncoveredColumns:
    """The columns that nothing covers; none where the plan was not refused for those."""
    return UNCOVERED.read(folder) if UNCOVERED.is_in(folder) else UncoveredColumns(columns=())


def _planned(plan: Plan) -> dict[str, object]:
    kinds = Counter(shown_name(item.kind) for item in plan.not_carried)
    fields = fitting(
        PlanReported,
        {
            "command_id": UUID(int=0),
            "workflow": plan.workflow_id,
            "digest": "0" * 64,
            "tables": [
                {
                    "table": shown_name(table.qualified),
                    "rows": table.estimated_rows,
                    "bytes": table.bytes,
                    "masked": len(table.masked_columns),
                    "kept": len(table.columns) - len(table.masked_columns),
                }
                for table in plan.tables[:MAX_PLANNED_TABLES]
            ],
            "tables_total": len(plan.tables),
            "left_out": [{"kind": kind, "count": count} for kind, count in kinds.most_common(MAX_LEFT_OUT)],
        },
    )
    return {
        "tables": fields.tables if fields else (),
        "tables_total": len(plan.tables),
        "left_out": fields.left_out if fields else (),
        "warnings": len(plan.warnings) + len(plan.fallbacks),
    }


def refusal(failure: Failure | ApplianceError, *, share: bool) -> Refused:
    """What stops a run, as an event may say it."""
    said = failure.explanation
    if not share:
        # The reasons name columns, one after the other with each plan that masks the last ones named.
        return Refused(
            what=scrubbed("A run would be refused."),
            why=scrubbed("The reasons name columns, and share_catalog lets no name of a column leave."),
            next_step=scrubbed("On the appliance: appliance plan WORKFLOW.yaml"),
            rule=said.rule,
        )
    return Refused(
        what=scrubbed(said.what) or ScrubbedText(),
        why=scrubbed(said.why),
        next_step=scrubbed(said.next_step),
        rule=said.rule,
    )
