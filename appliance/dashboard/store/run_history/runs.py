"""One run as people look at it, with its progress by table and step."""

from __future__ import annotations

import time

from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history.rows import (
    EventRow,
    GapRow,
    RefusalRow,
    ReplacedBy,
    ReportedRun,
    RunShown,
    RunThatPut,
    StepRow,
    StoredProgress,
    StoredStep,
    TableRow,
    Totals,
    TwinRow,
    UpdateRow,
)
from appliance.dashboard.store.run_history.run_lists import COLUMNS, OVER, TABLES
from appliance.dashboard.store.run_history.run_state import WHOLE_STEP

STEPS = ("open_snapshot", "plan", "schema", "copy", "close_snapshot", "finish", "verify", "attest", "publish")
ONLY_IF_THERE = ("upload", "container")
"""Steps that few runs have: shown when they have begun."""
LATER_RUNS = 1000
"""Of an appliance, among which the one that replaced a twin is looked for."""
GAP_SETTLES_SECONDS = 60
"""Batches may overtake one another for a moment; a gap younger than this is not shown."""


def run(session: Session, appliance_id: str, run_id: str) -> RunShown:
    """One run with all that is known of it; raises NotFoundError."""
    row = session.one(
        ReportedRun,
        f"SELECT {COLUMNS}, r.plan, r.outcome FROM {TABLES}"  # noqa: S608
        " WHERE r.appliance_id = ? AND r.run_id = ?",
        appliance_id,
        run_id,
    )
    if row is None:
        raise NotFoundError("There is no such run.", "It may have been so long ago that it was removed.", "")
    tables = _tables(session, row)
    return RunShown(
        **vars(row),
        **vars(_totals(row, tables)),
        steps=_steps(session, row),
        tables=tables,
        twins=_twins(session, row),
        version=_version(session, row),
    )


def _version(session: Session, row: ReportedRun) -> int | None:
    """Which version of the workflow ran; None for one that is not of this dashboard or no longer kept."""
    return session.value(
        int,
        "SELECT max(number) FROM revision WHERE workflow_id = ? AND digest = ?",
        row.workflow_id,
        row.digest,
    )


def _twins(session: Session, row: ReportedRun) -> list[TwinRow]:
    """The twins that a run put in place: since when each stands, and which run replaced it (or None)."""
    names = row.outcome.get("twins") or []
    if not names or row.ended_at is None:
        return []
    later = session.all(
        RunThatPut,
        "SELECT run_id, workflow_id, ended_at, outcome FROM run WHERE appliance_id = ? AND ended_at > ?"
        " AND outcome IS NOT NULL ORDER BY ended_at LIMIT ?",
        row.appliance_id,
        row.ended_at,
        LATER_RUNS,
    )
    put = [
        (
            ReplacedBy(run_id=run.run_id, workflow_id=run.workflow_id, at=run.ended_at),
            set(run.outcome.get("twins") or ()),
        )
        for run in later
    ]
    return [
        TwinRow(
            connection=name,
            since=row.ended_at,
            replaced_by=next((run for run, twins in put if name in twins), None),
        )
        for name in names
    ]


def _steps(session: Session, run: ReportedRun) -> list[StepRow]:
    found = session.all(
        StoredStep,
        "SELECT step, shard, state, attempt, seconds, at FROM run_step WHERE appliance_id = ? AND run_id = ?"
        " ORDER BY shard",
        run.appliance_id,
        run.run_id,
    )
    timed = {entry["step"]: entry["seconds"] for entry in run.outcome.get("steps", [])}
    steps: list[StepRow] = []
    begun = {row.step for row in found}
    for name in (*STEPS, *(each for each in ONLY_IF_THERE if each in begun)):
        own = [row for row in found if row.step == name]
        whole = next((row for row in own if row.shard == WHOLE_STEP), None)
        shards = [row for row in own if row.shard != WHOLE_STEP]
        state = whole.state if whole else _of_shards(shards)
        if state == "waiting" and run.state in OVER:
            state = "succeeded" if run.state == "succeeded" else "skipped"
        slowest = None
        if state in OVER:
            slowest = max((row.seconds for row in shards if row.seconds), default=None)
        seconds = timed.get(name, whole.seconds if whole else slowest)
        began = min((row.at for row in own), default=None)
        if state == "running" and seconds is None and began is not None:
            seconds = max(0.0, time.time() - began)
        steps.append(
            StepRow(
                step=name,
                state=state,
                seconds=seconds,
                attempt=max((row.attempt for row in own), default=1),
                shards=len(shards),
                shards_done=sum(row.state == "succeeded" for row in shards),
            )
        )
    return steps


def _of_shards(shards: list[StoredStep]) -> str:
    states = {row.state for row in shards}
    for state in ("failed", "retrying", "running", "cancelled"):
        if state in states:
            return state
    return "succeeded" if states == {"succeeded"} else "running" if states else "waiting"


def _tables(session: Session, run: ReportedRun) -> list[TableRow]:
    found = session.all(
        StoredProgress,
        "SELECT table_name, CAST(sum(rows) AS BIGINT) AS rows,"
        " CAST(sum(rows_expected) AS BIGINT) AS expected,"
        " CAST(sum(bytes) AS BIGINT) AS bytes, min(done) AS done FROM run_progress"
        " WHERE appliance_id = ? AND run_id = ? AND step = 'copy' AND table_name <> '' GROUP BY table_name",
        run.appliance_id,
        run.run_id,
    )
    by_name = {row.table_name: row for row in found}
    planned = {entry["table"]: entry for entry in run.plan.get("tables", [])}
    tables: list[TableRow] = []
    for name in sorted({*by_name, *planned}):
        row, brief = by_name.get(name), planned.get(name, {})
        rows = row.rows if row else 0
        expected = max(brief.get("rows", 0), (row.expected or 0) if row else 0, rows)
        over = run.state == "succeeded"
        done = over or bool(row and row.done and rows >= brief.get("rows", 0))
        tables.append(
            TableRow(
                table=name,
                rows=rows,
                expected=rows if done and row else expected,
                bytes=row.bytes if row else 0,
                done=done,
                begun=row is not None,
                masked=brief.get("masked", 0),
                kept=brief.get("kept", 0),
            )
        )
    return sorted(tables, key=lambda table: -table.expected)


def _totals(row: ReportedRun, tables: list[TableRow]) -> Totals:
    rows = sum(table.rows for table in tables)
    expected = sum(table.expected for table in tables)
    elapsed = (row.ended_at or time.time()) - row.started_at
    return Totals(
        rows_done=rows,
        rows_expected=expected,
        elapsed=row.seconds if row.seconds is not None else max(0.0, elapsed),
        share=min(1.0, rows / expected) if expected else 0.0,
        tables_done=sum(table.done for table in tables),
    )


def gaps(session: Session, appliance_id: str) -> list[GapRow]:
    """Numbers that have not arrived, newest first."""
    return session.all(
        GapRow,
        "SELECT first, last, noticed_at FROM gap WHERE appliance_id = ? AND noticed_at < ?"
        " ORDER BY noticed_at DESC, first DESC LIMIT 20",
        appliance_id,
        time.time() - GAP_SETTLES_SECONDS,
    )


def events(
    session: Session, appliance_id: str, *, run_id: str = "", before: int | None = None, limit: int = 50
) -> list[EventRow]:
    """What an appliance reported, newest first, progress left out."""
    return session.all(
        EventRow,
        "SELECT ordinal, at, received_at, type, run_id, workflow_id, rule, data FROM event"
        " WHERE appliance_id = ? AND ordinal < ? AND (? = '' OR run_id = ?) ORDER BY ordinal DESC LIMIT ?",
        appliance_id,
        before if before is not None else 2**62,
        run_id,
        run_id,
        limit,
    )


def latest_update(session: Session, appliance_id: str) -> UpdateRow | None:
    """How the newest update goes, as the appliance reported it last; None before the first."""
    return session.one(
        UpdateRow,
        "SELECT at, rule, data FROM event WHERE appliance_id = ? AND type = 'update_changed'"
        " ORDER BY ordinal DESC LIMIT 1",
        appliance_id,
    )


def refusals(session: Session, appliance_id: str, limit: int = 20) -> list[RefusalRow]:
    """What the appliance refused, newest first, with the rule's name."""
    return session.all(
        RefusalRow,
        "SELECT at, type, run_id, workflow_id, rule, data FROM event"
        " WHERE appliance_id = ? AND rule IS NOT NULL ORDER BY ordinal DESC LIMIT ?",
        appliance_id,
        limit,
    )
