"""Reading run state: what the status service, the command line and the outbox's sender show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, TypeAlias, TypeVar

from psycopg.rows import BaseRowFactory, class_row, kwargs_row

from appliance.store.database import Connection
from appliance.store.rows import (
    AskedErasure,
    ConnectionTestLine,
    KeptLook,
    NoticeLine,
    OutboxDepth,
    ProgressLine,
    RefusedCommand,
    ReleaseWish,
    RunDetails,
    RunLine,
    RunningStep,
    RunState,
    StandingTwin,
    StepLine,
    TableLine,
    TwinLine,
    stored_failure,
    stored_look,
    stored_plan,
    stored_stop,
)

Line = TypeVar("Line")
Given: TypeAlias = Sequence[object] | Mapping[str, object] | None

_RUN: LiteralString = (
    "SELECT run_id, workflow, airflow_run_id, origin, trigger, state, queued_at, started_at, ended_at,"
    " stop_requested, failure,"
    " extract(epoch FROM coalesce(ended_at, now()) - coalesce(started_at, queued_at))::float8 AS seconds"
    " FROM appliance.run "
)

_TWINS: LiteralString = """
SELECT own.result ->> 'connection' AS connection, own.ended_at AS since, later.run_id AS replaced_by,
       later.workflow AS replaced_workflow, later.ended_at AS replaced_at
FROM appliance.step AS own LEFT JOIN LATERAL (
    SELECT s.run_id, r.workflow, s.ended_at FROM appliance.step AS s JOIN appliance.run AS r USING (run_id)
    WHERE s.step = 'publish' AND s.state = 'succeeded' AND s.ended_at > own.ended_at
        AND s.result ->> 'connection' = own.result ->> 'connection' AND s.result ->> 'twin' IS NOT NULL
    ORDER BY s.ended_at LIMIT 1) AS later ON true
WHERE own.run_id = %s AND own.step = 'publish' AND own.state = 'succeeded'
    AND own.result ->> 'connection' IS NOT NULL AND own.result ->> 'twin' IS NOT NULL ORDER BY own.shard
"""


_STANDING: LiteralString = """
SELECT DISTINCT ON (s.result ->> 'connection') s.result ->> 'connection' AS connection, r.workflow, s.run_id,
       s.ended_at AS since
FROM appliance.step AS s JOIN appliance.run AS r USING (run_id)
WHERE s.step = 'publish' AND s.state = 'succeeded' AND s.ended_at IS NOT NULL
    AND s.result ->> 'connection' IS NOT NULL
ORDER BY s.result ->> 'connection', s.ended_at DESC
"""

_RUNNING_STEPS: LiteralString = """
SELECT s.run_id, r.workflow, r.airflow_run_id, s.step, nullif(s.shard, -1) AS shard
FROM appliance.step AS s JOIN appliance.run AS r USING (run_id)
WHERE r.state = 'running' AND s.state = 'running' AND r.airflow_run_id IS NOT NULL
    AND (%(run_id)s::text IS NULL OR s.run_id = %(run_id)s)
ORDER BY s.started_at DESC NULLS LAST, s.shard LIMIT 100
"""

_TESTS: LiteralString = """
SELECT DISTINCT ON (payload ->> 'connection') payload ->> 'connection' AS connection, state,
       coalesce(settled_at, received_at) AS at, outcome ->> 'failure' AS failure,
       outcome ->> 'problem' AS problem,
       (SELECT max(w.settled_at) FROM appliance.command AS w WHERE w.kind = 'test' AND w.state = 'done'
            AND w.payload ->> 'connection' = c.payload ->> 'connection') AS worked_at
FROM appliance.command AS c WHERE kind = 'test' AND payload ->> 'connection' IS NOT NULL
ORDER BY payload ->> 'connection', received_at DESC
"""


def standing_twins(connection: Connection) -> list[StandingTwin]:
    """The twins that runs have put in place and that no later run has replaced."""
    return _all(connection, class_row(StandingTwin), _STANDING)


def running_steps(connection: Connection, run_id: str | None = None) -> list[RunningStep]:
    """The steps under way, of one run or of all; what began last comes first."""
    return _all(connection, class_row(RunningStep), _RUNNING_STEPS, {"run_id": run_id})


def connection_tests(connection: Connection) -> list[ConnectionTestLine]:
    """The newest test of each connection that was asked for, here or by the dashboard."""
    return _all(connection, class_row(ConnectionTestLine), _TESTS)


def current_runs(connection: Connection) -> list[RunLine]:
    """Runs that wait or are under way, oldest first."""
    return _runs(connection, "WHERE state IN ('queued', 'running') ORDER BY queued_at LIMIT 200")


def runs_to_begin_anew(connection: Connection, exception: str, anew: str, within: timedelta) -> list[RunLine]:
    """Runs of Airflow's that ended with that exception so lately, of workflows that had none since.

    Not those that were begun anew themselves, whose id begins with ``anew``.
    """
    return _runs(
        connection,
        "WHERE state = 'failed' AND failure ->> 'exception' = %(exception)s"
        " AND ended_at > now() - %(within)s AND queued_at > now() - interval '8 days' - %(within)s"
        " AND NOT starts_with(airflow_run_id, %(anew)s)"
        " AND NOT EXISTS (SELECT FROM appliance.run AS later WHERE later.workflow = run.workflow"
        " AND later.queued_at > run.queued_at) ORDER BY queued_at LIMIT 200",
        {"exception": exception, "anew": anew, "within": within},
    )


def recent_runs(connection: Connection, *, workflow: str | None = None, limit: int = 20) -> list[RunLine]:
    """The newest runs, whatever their state."""
    return _runs(
        connection,
        "WHERE %(workflow)s::text IS NULL OR workflow = %(workflow)s ORDER BY queued_at DESC LIMIT %(limit)s",
        {"workflow": workflow, "limit": limit},
    )


def last_runs(connection: Connection) -> dict[str, RunLine]:
    """The newest run of each workflow."""
    newest: LiteralString = (
        "WHERE (workflow, queued_at) IN"
        " (SELECT workflow, max(queued_at) FROM appliance.run GROUP BY workflow)"
    )
    return {run.workflow: run for run in _runs(connection, newest)}


def last_successes(connection: Connection) -> dict[str, datetime]:
    """When the newest run of each workflow that succeeded ended."""
    rows = connection.execute(
        "SELECT workflow, max(ended_at) AS at FROM appliance.run WHERE state = 'succeeded' GROUP BY workflow"
    ).fetchall()
    return {row["workflow"]: row["at"] for row in rows if row["at"] is not None}


def kept_looks(connection: Connection) -> dict[str, KeptLook]:
    """What the newest run of each workflow that was verified saw in the columns that it kept."""
    rows = connection.execute(
        "SELECT workflow, s.result FROM (SELECT DISTINCT workflow FROM appliance.run) AS w"
        " CROSS JOIN LATERAL (SELECT step.result FROM appliance.run JOIN appliance.step USING (run_id)"
        "   WHERE run.workflow = w.workflow AND step.step = 'verify' AND step.state = 'succeeded'"
        "   ORDER BY run.queued_at DESC LIMIT 1) AS s"
    ).fetchall()
    found = {row["workflow"]: stored_look(row["result"] or {}) for row in rows}
    return {workflow: look for workflow, look in found.items() if look is not None}


def run_details(connection: Connection, run_id: str) -> RunDetails | None:
    """One run with its plan, steps, notices and progress (as messages have it); None if it is not known."""
    found = _runs(connection, "WHERE run_id = %(run_id)s", {"run_id": run_id})
    if not found:
        return None
    planned = connection.execute("SELECT plan FROM appliance.run WHERE run_id = %s", [run_id]).fetchone()
    steps = _all(
        connection,
        kwargs_row(_step),
        "SELECT step, nullif(shard, -1) AS shard, attempt, state, started_at, ended_at, failure, result,"
        "       extract(epoch FROM coalesce(ended_at, now()) - started_at)::float8 AS seconds"
        " FROM appliance.step WHERE run_id = %s ORDER BY started_at, shard",
        [run_id],
    )
    progress = _all(
        connection,
        class_row(ProgressLine),
        "SELECT step, nullif(shard, -1) AS shard, nullif(part, '') AS part,"
        "       nullif(table_name, '') AS table, rows, rows_expected, bytes, done, updated_at"
        " FROM appliance.progress WHERE run_id = %s ORDER BY step, table_name, part LIMIT 20000",
        [run_id],
    )
    notices = _all(
        connection,
        class_row(NoticeLine),
        "SELECT step, text, at FROM appliance.notice WHERE run_id = %s ORDER BY at",
        [run_id],
    )
    twins = _all(connection, class_row(TwinLine), _TWINS, [run_id])
    return RunDetails(
        **vars(found[0]),
        plan=stored_plan(planned["plan"]) if planned and planned["plan"] else None,
        steps=tuple(steps),
        tables=tables_of(progress),
        progress=tuple(progress),
        notices=tuple(notices),
        twins=tuple(twins),
    )


def run_state(connection: Connection, run_id: str) -> RunState | None:
    """The state of a run; None if it is not known."""
    row = connection.execute("SELECT state FROM appliance.run WHERE run_id = %s", [run_id]).fetchone()
    return row["state"] if row else None


def step_states(connection: Connection, run_id: str) -> dict[tuple[str, int], str]:
    """The state of each step of a run, by its name and its shard (-1 for a step that has none)."""
    rows = connection.execute(
        "SELECT step, shard, state FROM appliance.step WHERE run_id = %s", [run_id]
    ).fetchall()
    return {(row["step"], row["shard"]): row["state"] for row in rows}


def tables_of(progress: Iterable[ProgressLine]) -> tuple[TableLine, ...]:
    """How far copying is, a table a line: its parts added up."""
    tables: dict[str, TableLine] = {}
    for line in progress:
        if line.table is None or line.step != "copy":
            continue
        before = tables.get(line.table, TableLine(line.table, 0, 0, 0, done=True))
        tables[line.table] = TableLine(
            line.table,
            rows=before.rows + line.rows,
            rows_expected=before.rows_expected + (line.rows_expected or 0),
            bytes=before.bytes + line.bytes,
            done=before.done and line.done,
        )
    return tuple(tables.values())


def refused_commands(connection: Connection) -> list[RefusedCommand]:
    """What the dashboard asked for lately and policy refused, with the rule; newest first."""
    return _all(
        connection,
        class_row(RefusedCommand),
        "SELECT kind, payload, settled_at AS at, outcome ->> 'rule' AS rule, outcome ->> 'problem' AS problem"
        " FROM appliance.command WHERE state = 'refused' ORDER BY settled_at DESC LIMIT 10",
    )


def asked_erasures(connection: Connection) -> list[AskedErasure]:
    """Erasures that the dashboard asked for and that are not done, the oldest first."""
    return _all(
        connection,
        class_row(AskedErasure),
        "SELECT command_id::text AS command_id, payload ->> 'reference' AS reference, received_at,"
        " coalesce(outcome ? 'receipt', false) AS begun"
        " FROM appliance.command WHERE kind = 'erase' AND state = 'accepted' ORDER BY received_at",
    )


def newest_wish(connection: Connection) -> ReleaseWish | None:
    """The release that the dashboard asked for last, and what became of it; None where it never did."""
    return _first(
        connection,
        class_row(ReleaseWish),
        "SELECT version, state, rule, problem, requested_at, settled_at FROM appliance.wanted_release"
        " ORDER BY id DESC LIMIT 1",
    )


def outbox_depth(connection: Connection) -> OutboxDepth | None:
    """How many events wait to be sent, and for how long the oldest has."""
    return _first(
        connection,
        class_row(OutboxDepth),
        "SELECT (SELECT count(*) FROM appliance.event) AS waiting,"
        "   (SELECT extract(epoch FROM now() - min(at))::float8 FROM appliance.event) AS oldest_seconds,"
        "   dropped, rejected FROM appliance.reporting",
    )


def _runs(connection: Connection, which: LiteralString, given: Given = None) -> list[RunLine]:
    return _all(connection, kwargs_row(_run), _RUN + which, given)


def _all(
    connection: Connection, lines: BaseRowFactory[Line], query: LiteralString, given: Given = None
) -> list[Line]:
    with connection.cursor(row_factory=lines) as cursor:
        return cursor.execute(query, given).fetchall()


def _first(connection: Connection, lines: BaseRowFactory[Line], query: LiteralString) -> Line | None:
    with connection.cursor(row_factory=lines) as cursor:
        return cursor.execute(query).fetchone()


def _run(
    *, failure: Mapping[str, object] | None, stop_requested: Mapping[str, object] | None, **others: Any
) -> RunLine:
    return RunLine(
        failure=stored_failure(failure) if failure else None,
        stop_requested=stored_stop(stop_requested) if stop_requested else None,
        **others,
    )


def _step(*, failure: Mapping[str, object] | None, **others: Any) -> StepLine:
    return StepLine(failure=stored_failure(failure) if failure else None, **others)
