"""A rehearsal's report, completed, and as an event may say it: bounded and scrubbed. Imports no Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import BaseModel

from appliance.contract.fields import ScrubbedText
from appliance.contract.fitting import shown_name
from appliance.contract.rehearsals import (
    MAX_NAMES,
    MAX_REASONS,
    MAX_REPORTED_TABLES,
    MAX_STATEMENTS,
    RehearsalReport,
    RehearsalReported,
    RehearsedTable,
    ReportedBlocked,
    ReportedChanges,
    ReportedDirection,
    ReportedFailure,
    ReportedFinding,
    ReportedLock,
    ReportedStatement,
)
from appliance.errors import ApplianceError
from appliance.rehearsals.results.report import (
    CatalogChanges,
    Direction,
    Failure,
    Rehearsal,
    StatementReport,
    TableReport,
)
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import PLAN
from appliance.store.events import scrubbed

_CUT = "What follows is on the appliance alone: the report is cut to what an event holds."


def rows_left_out(settings: Settings, run: str) -> Mapping[str, int]:
    """Of the tables that the run has left rows out of: about how many the source has."""
    try:
        plan = PLAN.read(settings.runs_dir / run)
    except (ApplianceError, OSError, ValueError):
        # The run's folder was cleaned up, or it ran elsewhere.
        return {}
    return {table.qualified: table.estimated_rows for table in plan.tables if table.filtered}


def rehearsal_event(command_id: UUID, rehearsal: Rehearsal, share: bool) -> RehearsalReported:
    """How it ended; and all of it, where the dashboard asked and may be shown names."""
    waits = [max(each.reader_blocked_ms, each.writer_blocked_ms) for each in rehearsal.up.tables]
    return RehearsalReported(
        command_id=command_id,
        workflow=rehearsal.workflow,
        run_id=rehearsal.run,
        verdict=rehearsal.verdict,
        seconds=rehearsal.up.seconds,
        statements=len(rehearsal.up.statements),
        longest_blocked_ms=max(waits, default=0.0),
        report=_report(rehearsal) if share else None,
    )


def _report(rehearsal: Rehearsal) -> RehearsalReport:
    cut = len(rehearsal.up.statements) > MAX_STATEMENTS or len(rehearsal.up.tables) > MAX_REPORTED_TABLES
    notes = (*rehearsal.notes[: MAX_REASONS - 2], *((_CUT,) if cut else ()))
    reasons = list(rehearsal.reasons[:MAX_REASONS])
    if rehearsal.schema_after_down is not None and not rehearsal.schema_after_down.same:
        notes = (*notes, "How the schema differs after the way back is on the appliance alone.")
    return RehearsalReport(
        workflow=rehearsal.workflow,
        twin=shown_name(rehearsal.twin),
        branch=shown_name(rehearsal.branch),
        kept=rehearsal.kept,
        run=rehearsal.run,
        copy_of=rehearsal.copy_of,
        began_at=rehearsal.began_at,
        up=_direction(rehearsal.up),
        down=_direction(rehearsal.down) if rehearsal.down is not None else None,
        verdict=rehearsal.verdict,
        reasons=tuple(_text(each) for each in reasons),
        notes=tuple(_text(each) for each in notes),
    )


def _direction(direction: Direction) -> ReportedDirection:
    return ReportedDirection(
        seconds=direction.seconds,
        # The last ones say most: where it failed, it ended.
        statements=tuple(_statement(each) for each in direction.statements[-MAX_STATEMENTS:]),
        tables=tuple(_table(each) for each in direction.tables[:MAX_REPORTED_TABLES]),
        changes=ReportedChanges(**_done(direction.changes)) if direction.changes is not None else None,
        left_invalid=_names(direction.left_invalid),
        stopped=direction.stopped,
        cancelled=direction.cancelled,
        failure=_failure(direction.failure),
    )


def _statement(statement: StatementReport) -> ReportedStatement:
    return ReportedStatement(
        file=shown_name(statement.file),
        line=statement.line,
        statement=_text(statement.statement),
        ms=max(statement.ms, 0.0),
        in_transaction=statement.in_transaction,
        rows=statement.rows,
        locks=tuple(
            ReportedLock(table=shown_name(each.table), mode=each.mode, held_ms=max(each.held_ms, 0.0))
            for each in statement.locks[:MAX_NAMES]
        ),
        findings=tuple(
            ReportedFinding(
                rule=shown_name(each.rule),
                line=each.line,
                column=each.column,
                message=_text(each.message),
                help=_text(each.help),
            )
            for each in statement.findings[:MAX_NAMES]
        ),
        failure=_failure(statement.failure),
        **_done(statement),
    )


def _table(table: TableReport) -> RehearsedTable:
    return RehearsedTable(
        **table.model_dump(exclude={"table", "blocked"}),
        table=shown_name(table.table),
        blocked=tuple(ReportedBlocked(**_plain(each)) for each in table.blocked[:MAX_NAMES]),
    )


def _done(what: StatementReport | CatalogChanges) -> dict[str, tuple[str, ...]]:
    return {key: _names(getattr(what, key)) for key in ReportedChanges.model_fields}


def _failure(failure: Failure | None) -> ReportedFailure | None:
    return ReportedFailure(sqlstate=failure.sqlstate, why=_text(failure.why)) if failure is not None else None


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(shown_name(each) for each in names[:MAX_NAMES])


def _text(text: str) -> ScrubbedText:
    return scrubbed(text) or ScrubbedText.mark("")


def _plain(part: BaseModel) -> dict[str, object]:
    return part.model_dump()
