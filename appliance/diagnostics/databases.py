"""PostgreSQL's and Airflow's state, from their catalogs and the states of runs: never a query's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial

import psycopg

from appliance.diagnostics.part import NotThereError, Part, table
from appliance.settings.settings import Settings
from appliance.store.database import connect

_SERVER: tuple[tuple[str, str], ...] = (
    (
        "server",
        "SELECT version() AS version, pg_postmaster_start_time() AS started, pg_is_in_recovery() AS standby",
    ),
    (
        "databases",
        "SELECT datname, pg_size_pretty(pg_database_size(oid)) AS size, age(datfrozenxid) AS age"
        " FROM pg_database WHERE has_database_privilege(oid, 'CONNECT') ORDER BY 1",
    ),
    (
        "largest tables",
        "SELECT schemaname AS schema, relname AS table,"
        " pg_size_pretty(pg_total_relation_size(relid)) AS size, n_live_tup AS rows,"
        " n_dead_tup AS dead, last_autovacuum, last_autoanalyze"
        " FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 30",
    ),
    (
        "settings that are not the default",
        "SELECT name, setting, unit, source FROM pg_settings WHERE source NOT IN ('default', 'client')"
        " AND name !~ 'conninfo|command|passphrase|ident|hba|file|directory' ORDER BY 1",
    ),
    (
        "sessions",
        "SELECT pid, datname, application_name, backend_type, state, wait_event_type, wait_event,"
        " date_trunc('second', now() - xact_start) AS in_transaction,"
        " date_trunc('second', now() - state_change) AS in_state FROM pg_stat_activity ORDER BY pid",
    ),
    (
        "locks that are waited for",
        "SELECT pid, locktype, mode, relation::regclass AS relation FROM pg_locks"
        " WHERE NOT granted ORDER BY pid",
    ),
)
_APPLIANCE: tuple[tuple[str, str], ...] = (
    ("schema", "SELECT version, applied_at FROM appliance.schema_version ORDER BY 1"),
    (
        "runs",
        "SELECT workflow, state, count(*), max(queued_at) AS newest FROM appliance.run GROUP BY 1, 2"
        " ORDER BY 1, 2",
    ),
    (
        "newest runs",
        "SELECT run_id, state, origin, trigger, queued_at, started_at, ended_at, failure ->> 'step' AS step,"
        " failure ->> 'exception' AS exception, failure ->> 'sqlstate' AS sqlstate,"
        " failure ->> 'rule' AS rule"
        " FROM appliance.run ORDER BY queued_at DESC LIMIT 100",
    ),
    (
        "failures",
        "SELECT run_id, failure ->> 'what' AS what, failure ->> 'why' AS why FROM appliance.run"
        " WHERE failure IS NOT NULL ORDER BY queued_at DESC LIMIT 20",
    ),
    (
        "outbox",
        "SELECT kind, count(*), min(seq) AS first, max(seq) AS last, min(at) AS oldest FROM appliance.event"
        " GROUP BY 1 ORDER BY 1",
    ),
    ("counter", "SELECT last FROM appliance.event_counter"),
    (
        "reporting",
        "SELECT last_contact_at, clock_offset_seconds, dropped, rejected, problem FROM appliance.reporting",
    ),
    (
        "commands",
        "SELECT kind, state, count(*), max(received_at) AS newest FROM appliance.command"
        " GROUP BY 1, 2 ORDER BY 1",
    ),
)
_AIRFLOW: tuple[tuple[str, str], ...] = (
    ("migration", "SELECT version_num FROM alembic_version"),
    (
        "processes",
        "SELECT job_type, state, start_date, latest_heartbeat, end_date FROM job"
        " ORDER BY start_date DESC LIMIT 20",
    ),
    (
        "workflows",
        "SELECT dag_id, is_paused, is_stale, last_parsed_time, next_dagrun_create_after FROM dag ORDER BY 1",
    ),
    (
        "runs",
        "SELECT dag_id, state, count(*), max(queued_at) AS newest FROM dag_run GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "newest runs",
        "SELECT dag_id, run_id, run_type, state, queued_at, start_date, end_date FROM dag_run"
        " ORDER BY coalesce(queued_at, start_date) DESC NULLS LAST LIMIT 50",
    ),
    (
        "tasks that did not succeed",
        "SELECT dag_id, run_id, task_id, map_index, state, try_number, queued_dttm, start_date, end_date"
        " FROM task_instance WHERE state IS NULL OR state <> 'success'"
        " ORDER BY start_date DESC NULLS LAST LIMIT 100",
    ),
    (
        "files that cannot be imported",
        'SELECT filename, "timestamp", stacktrace FROM import_error ORDER BY 1 LIMIT 20',
    ),
)

_TEXTS = {"failures", "files that cannot be imported"}
"""Answers with texts of several lines: the scrubber has to see where each begins."""


def parts(settings: Settings) -> list[Part]:
    """Both databases, and the server that holds them."""
    ours, theirs = settings.database_url, settings.airflow_database_url
    return [
        Part("databases/server.txt", "PostgreSQL: sizes, settings, sessions", partial(_ask, ours, _SERVER)),
        Part("databases/appliance.txt", "runs, the outbox, commands", partial(_ask, ours, _APPLIANCE)),
        Part("databases/airflow.txt", "Airflow's processes, runs and tasks", partial(_ask, theirs, _AIRFLOW)),
    ]


def _ask(url: str, questions: Sequence[tuple[str, str]]) -> Iterable[str]:
    """An answer for each question; one that fails says so, and the others are asked all the same."""
    try:
        session = connect(url, read_only=True)
    except psycopg.Error as error:
        raise NotThereError(
            f"The database does not answer ({error.sqlstate or type(error).__name__})."
        ) from None
    with closing(session):
        for title, sql in questions:
            try:
                cursor = session.execute(sql.encode())
                rows = cursor.fetchall()
                yield f"=== {title}"
                if title in _TEXTS:
                    yield from (f"{name}: -\n{value}" for row in rows for name, value in row.items())
                    continue
                columns = [column.name for column in cursor.description or ()]
                # One piece a row: a value in one must not hide what comes after it.
                yield from table(columns, [tuple(row.values()) for row in rows]).splitlines()
            except psycopg.Error as error:
                yield f"=== {title}\nnot known: SQLSTATE {error.sqlstate or type(error).__name__}"
