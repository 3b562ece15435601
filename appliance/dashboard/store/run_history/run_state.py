"""Applies events to what the dashboard knows of runs, workflows and commands."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from appliance.contract.branches import BranchesReported
from appliance.contract.calls import Event
from appliance.contract.catalog import CatalogReported, ColumnsUncovered, PlanReported
from appliance.contract.connection_test import ConnectionTested
from appliance.contract.drift_check import DriftChecked
from appliance.contract.erasures import ErasureReported
from appliance.contract.events import (
    CommandChanged,
    RunFinished,
    RunPlanned,
    RunStarted,
    StepChanged,
    TableProgress,
    WorkflowChanged,
)
from appliance.contract.receipts import ReceiptSigned
from appliance.contract.rehearsals import RehearsalReported
from appliance.dashboard.store.appliances import (
    branches,
    catalogs,
    commands,
    connection_tests,
    drift_checks,
    rehearsals,
)
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history import receipts
from appliance.dashboard.store.run_history.rows import RunPosition

MAX_STEP_ROWS = 3000
MAX_PROGRESS_ROWS = 5000
"""Of one run. A run that has more is still shown, less finely."""
WHOLE_STEP = -1
"""The shard of a step that has none."""

_RunEvent = RunStarted | RunPlanned | StepChanged | TableProgress | RunFinished


class Stamped(NamedTuple):
    """An event with its place in the order of all of its appliance's, and its time by our clock."""

    event: Event
    ordinal: int
    at: float


class _RunKey(NamedTuple):
    appliance_id: str
    run_id: str


def apply(session: Session, appliance_id: str, events: list[Stamped], now: float) -> None:
    """Apply new events, in their order."""
    by_run: dict[str, list[Stamped]] = {}
    for stamped in events:
        data = stamped.event.data
        if isinstance(data, _RunEvent):
            by_run.setdefault(data.run_id, []).append(stamped)
        elif isinstance(data, CommandChanged):
            commands.apply(session, appliance_id, data, stamped.at, stamped.ordinal)
        elif isinstance(data, CatalogReported | PlanReported | ColumnsUncovered):
            catalogs.apply(session, appliance_id, data, stamped.at, stamped.ordinal)
        elif isinstance(data, ErasureReported):
            commands.apply_erasure(session, appliance_id, data, stamped.ordinal)
        elif isinstance(data, DriftChecked):
            drift_checks.take(session, appliance_id, data, stamped.at, stamped.ordinal)
        elif isinstance(data, ConnectionTested):
            connection_tests.take(session, appliance_id, data, stamped.at, stamped.ordinal)
        elif isinstance(data, BranchesReported):
            branches.take(session, appliance_id, data, stamped.at, stamped.ordinal)
        elif isinstance(data, RehearsalReported):
            rehearsals.take(session, appliance_id, data, stamped.at)
        elif isinstance(data, ReceiptSigned):
            receipts.take(session, appliance_id, data, stamped.at)
        elif isinstance(data, WorkflowChanged):
            _workflow_changed(session, appliance_id, data, now)
    for run_id, changes in by_run.items():
        _apply_to_run(session, _RunKey(appliance_id, run_id), changes, now)


def _workflow_changed(session: Session, appliance_id: str, data: WorkflowChanged, now: float) -> None:
    if data.state == "removed":
        session.run(
            "DELETE FROM placement WHERE appliance_id = ? AND workflow_id = ?", appliance_id, data.workflow
        )
        return
    # The next heartbeat has the whole truth; this only shows it sooner, for a workflow that is known.
    session.run(
        "UPDATE placement SET state = ?, digest = coalesce(?, digest), rule = ?, problem = ?, reported_at = ?"
        " WHERE appliance_id = ? AND workflow_id = ?",
        data.state,
        data.digest,
        data.rule,
        data.problem,
        now,
        appliance_id,
        data.workflow,
    )


def _apply_to_run(session: Session, key: _RunKey, changes: list[Stamped], now: float) -> None:
    run = session.one(
        RunPosition, "SELECT ordinal, begun, folded FROM run WHERE appliance_id = ? AND run_id = ?", *key
    )
    if run is None:
        session.run(
            "INSERT INTO run (appliance_id, run_id, workflow_id, state, started_at, ordinal, changed_at)"
            " VALUES (?, ?, '', 'running', ?, 0, ?)",
            *key,
            changes[0].at,
            now,
        )
        run = RunPosition()
    steps: dict[tuple[str, int], tuple[StepChanged, Stamped]] = {}
    progress: dict[tuple[str, str, str], tuple[TableProgress, Stamped]] = {}
    for change in changes:
        data = change.event.data
        is_stale = _is_stale(run, change.ordinal)
        if isinstance(data, StepChanged):
            if not is_stale:
                steps[data.step, WHOLE_STEP if data.shard is None else data.shard] = (data, change)
        elif isinstance(data, TableProgress):
            if not is_stale:
                piece = f"{'' if data.shard is None else data.shard}/{data.part or ''}"
                progress[data.step, data.table or "", piece] = (data, change)
        elif isinstance(data, RunPlanned):
            plan = data.model_dump_json(exclude={"type", "run_id"}, exclude_none=True)
            session.run("UPDATE run SET plan = ? WHERE appliance_id = ? AND run_id = ?", plan, *key)
        elif isinstance(data, RunStarted | RunFinished) and change.ordinal > run.ordinal:
            run = _moved(session, key, run, data, change)
        elif isinstance(data, RunStarted):
            _fill_start(session, key, data, change)
    _store_steps(session, key, steps)
    _store_progress(session, key, progress)
    session.run(
        "UPDATE run SET changed_at = ?, state = CASE WHEN state = 'lost' THEN 'running' ELSE state END"
        " WHERE appliance_id = ? AND run_id = ?",
        now,
        *key,
    )


def _is_stale(run: RunPosition, ordinal: int) -> bool:
    """Of an earlier try of the run, or too late: it has ended and its details are folded up."""
    return bool(ordinal < run.begun or (run.folded and ordinal < run.ordinal))


def _moved(
    session: Session, key: _RunKey, run: RunPosition, data: RunStarted | RunFinished, change: Stamped
) -> RunPosition:
    at, ordinal, starts = change.at, change.ordinal, isinstance(data, RunStarted)
    if isinstance(data, RunStarted):
        session.run(
            "UPDATE run SET workflow_id = ?, state = 'running', started_by = ?, origin = ?, digest = ?,"
            " command_id = ?, started_at = ?, ended_at = NULL, seconds = NULL, outcome = NULL, ordinal = ?,"
            " begun = ?, folded = 0"
            " WHERE appliance_id = ? AND run_id = ?",
            data.workflow,
            data.trigger,
            data.origin,
            data.digest,
            str(data.command_id) if data.command_id else None,
            at,
            ordinal,
            ordinal,
            *key,
        )
        for table in ("run_step", "run_progress"):
            session.run(
                f"DELETE FROM {table} WHERE appliance_id = ? AND run_id = ? AND ordinal < ?",  # noqa: S608
                *key,
                ordinal,
            )
    else:
        shown = {"steps", "checks", "twins", "kept", "failure"}
        outcome = data.model_dump_json(include=shown, exclude_none=True)
        session.run(
            "UPDATE run SET workflow_id = ?, state = ?, ended_at = ?, seconds = ?, rows = ?, bytes = ?,"
            " outcome = ?, started_at = CASE WHEN workflow_id = '' THEN ? ELSE started_at END, ordinal = ?"
            " WHERE appliance_id = ? AND run_id = ?",
            data.workflow,
            data.outcome,
            at,
            data.seconds,
            data.rows,
            data.bytes,
            outcome,
            at - data.seconds,
            ordinal,
            *key,
        )
    _mark_latest(session, key.appliance_id, data.workflow)
    return RunPosition(ordinal=ordinal, begun=ordinal) if starts else replace(run, ordinal=ordinal)


def _fill_start(session: Session, key: _RunKey, data: RunStarted, change: Stamped) -> None:
    """The start arrived after the end: say what only it knows."""
    session.run(
        "UPDATE run SET started_by = coalesce(started_by, ?), origin = coalesce(origin, ?),"
        " digest = coalesce(digest, ?), command_id = coalesce(command_id, ?),"
        " started_at = CASE WHEN started_by IS NULL THEN ? ELSE started_at END,"
        " begun = CASE WHEN begun < ? THEN ? ELSE begun END"
        " WHERE appliance_id = ? AND run_id = ?",
        data.trigger,
        data.origin,
        data.digest,
        str(data.command_id) if data.command_id else None,
        change.at,
        change.ordinal,
        change.ordinal,
        *key,
    )


def _mark_latest(session: Session, appliance_id: str, workflow_id: str) -> None:
    session.run(
        "UPDATE run SET latest = CASE WHEN run_id = (SELECT r.run_id FROM run r WHERE r.appliance_id = ?"
        " AND r.workflow_id = ? ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1) THEN 1 ELSE 0 END"
        " WHERE appliance_id = ? AND workflow_id = ?"
        " AND (latest = 1 OR started_at >= (SELECT max(r.started_at) FROM run r WHERE r.appliance_id = ?"
        " AND r.workflow_id = ?))",
        *(appliance_id, workflow_id) * 3,
    )


def _has_room(session: Session, table: str, key: _RunKey, more: int, most: int) -> bool:
    have = session.count(f"SELECT count(*) FROM {table} WHERE appliance_id = ? AND run_id = ?", *key)  # noqa: S608
    return bool(have + more <= most)


def _store_steps(
    session: Session, key: _RunKey, steps: dict[tuple[str, int], tuple[StepChanged, Stamped]]
) -> None:
    if steps and not _has_room(session, "run_step", key, len(steps), MAX_STEP_ROWS):
        steps = {place: seen for place, seen in steps.items() if place[1] == WHOLE_STEP}
    rows = []
    for (step, shard), (data, change) in steps.items():
        rows.append((*key, step, shard, data.state, data.attempt, data.seconds, change.at, change.ordinal))
    session.many(
        "INSERT INTO run_step (appliance_id, run_id, step, shard, state, attempt, seconds, at, ordinal)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (appliance_id, run_id, step, shard) DO UPDATE SET"
        " state = excluded.state, attempt = excluded.attempt, seconds = excluded.seconds, at = excluded.at,"
        " ordinal = excluded.ordinal WHERE excluded.ordinal > run_step.ordinal",
        rows,
    )


def _store_progress(
    session: Session, key: _RunKey, progress: dict[tuple[str, str, str], tuple[TableProgress, Stamped]]
) -> None:
    if not progress or not _has_room(session, "run_progress", key, len(progress), MAX_PROGRESS_ROWS):
        return
    rows = []
    for place, (data, change) in progress.items():
        rows.append((*key, *place, data.rows, data.rows_expected, data.bytes, int(data.done), change.ordinal))
    session.many(
        "INSERT INTO run_progress (appliance_id, run_id, step, table_name, piece, rows, rows_expected, bytes,"
        " done, ordinal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, run_id, step, table_name, piece) DO UPDATE SET rows = excluded.rows,"
        " rows_expected = coalesce(excluded.rows_expected, run_progress.rows_expected),"
        " bytes = excluded.bytes, done = excluded.done, ordinal = excluded.ordinal"
        " WHERE excluded.ordinal > run_progress.ordinal",
        rows,
    )
