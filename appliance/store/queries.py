"""Reading run state: what the status service, the command line and the outbox's sender show."""

from __future__ import annotations

from typing import Any

from appliance.store.database import Connection

Row = dict[str, Any]
_RUN = (
    "SELECT run_id, workflow, airflow_run_id, origin, trigger, state, queued_at, started_at, ended_at,"
    " stop_requested, failure,"
    " extract(epoch FROM coalesce(ended_at, now()) - coalesce(started_at, queued_at))::float8 AS seconds"
    " FROM appliance.run "
)


def current_runs(connection: Connection) -> list[Row]:
    """Runs that wait or are under way, oldest first."""
    open_ones = "WHERE state IN ('queued', 'running') ORDER BY queued_at LIMIT 200"
    return connection.execute(_RUN + open_ones).fetchall()


def recent_runs(connection: Connection, *, workflow: str | None = None, limit: int = 20) -> list[Row]:
    """The newest runs, whatever their state."""
    return connection.execute(
        _RUN + "WHERE %(workflow)s::text IS NULL OR workflow = %(workflow)s"
        " ORDER BY queued_at DESC LIMIT %(limit)s",
        {"workflow": workflow, "limit": limit},
    ).fetchall()


def last_runs(connection: Connection) -> dict[str, Row]:
    """The newest run of each workflow."""
    newest = (
        "WHERE (workflow, queued_at) IN"
        " (SELECT workflow, max(queued_at) FROM appliance.run GROUP BY workflow)"
    )
    return {row["workflow"]: row for row in connection.execute(_RUN + newest).fetchall()}


def run_details(connection: Connection, run_id: str) -> Row | None:
    """One run with its plan, steps, notices and progress (as messages have it); None if it is not known."""
    run = connection.execute(_RUN + "WHERE run_id = %s", [run_id]).fetchone()
    plan = connection.execute("SELECT plan FROM appliance.run WHERE run_id = %s", [run_id]).fetchone()
    if run is None or plan is None:
        return None
    steps = connection.execute(
        "SELECT step, nullif(shard, -1) AS shard, attempt, state, started_at, ended_at, failure, result,"
        "       extract(epoch FROM coalesce(ended_at, now()) - started_at)::float8 AS seconds"
        " FROM appliance.step WHERE run_id = %s ORDER BY started_at, shard",
        [run_id],
    ).fetchall()
    progress = connection.execute(
        "SELECT step, nullif(shard, -1) AS shard, nullif(part, '') AS part, nullif(table_name, '') AS table,"
        "       rows, rows_expected, bytes, done, updated_at"
        " FROM appliance.progress WHERE run_id = %s ORDER BY step, table_name, part LIMIT 20000",
        [run_id],
    ).fetchall()
    notices = connection.execute(
        "SELECT step, text, at FROM appliance.notice WHERE run_id = %s ORDER BY at", [run_id]
    ).fetchall()
    return {
        **run,
        **plan,
        "steps": steps,
        "tables": tables_of(progress),
        "progress": progress,
        "notices": notices,
    }


def run_state(connection: Connection, run_id: str) -> str | None:
    """The state of a run; None if it is not known."""
    row = connection.execute("SELECT state FROM appliance.run WHERE run_id = %s", [run_id]).fetchone()
    return row["state"] if row else None


def step_states(connection: Connection, run_id: str) -> dict[tuple[str, int], str]:
    """The state of each step of a run, by its name and its shard (-1 for a step that has none)."""
    rows = connection.execute(
        "SELECT step, shard, state FROM appliance.step WHERE run_id = %s", [run_id]
    ).fetchall()
    return {(row["step"], row["shard"]): row["state"] for row in rows}


def tables_of(progress: list[Row]) -> list[Row]:
    """How far copying is, a table a row: its parts added up."""
    tables: dict[str, Row] = {}
    for row in progress:
        if row["table"] is None or row["step"] != "copy":
            continue
        table = tables.setdefault(
            row["table"], {"table": row["table"], "rows": 0, "rows_expected": 0, "bytes": 0, "done": True}
        )
        table["rows"] += row["rows"]
        table["bytes"] += row["bytes"]
        table["rows_expected"] += row["rows_expected"] or 0
        table["done"] = table["done"] and row["done"]
    return list(tables.values())


def refused_commands(connection: Connection) -> list[Row]:
    """What the dashboard asked for lately and policy refused, with the rule; newest first."""
    return connection.execute(
        "SELECT kind, payload, settled_at AS at, outcome ->> 'rule' AS rule, outcome ->> 'problem' AS problem"
        " FROM appliance.command WHERE state = 'refused' ORDER BY settled_at DESC LIMIT 10"
    ).fetchall()


def newest_wish(connection: Connection) -> Row | None:
    """The release that the dashboard asked for last, and what became of it; None where it never did."""
    return connection.execute(
        "SELECT version, state, rule, problem, requested_at, settled_at FROM appliance.wanted_release"
        " ORDER BY id DESC LIMIT 1"
    ).fetchone()


def outbox_depth(connection: Connection) -> Row:
    """How many events wait to be sent, and for how long the oldest has."""
    row = connection.execute(
        "SELECT count(*) AS waiting, extract(epoch FROM now() - min(at))::float8 AS oldest_seconds,"
        "   (SELECT dropped FROM appliance.reporting), (SELECT rejected FROM appliance.reporting)"
        " FROM appliance.event"
    ).fetchone()
    return dict(row or {})
