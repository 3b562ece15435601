"""One snapshot for a whole run: exported by a session that stays open, imported by all that read."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, WorkFailed
from appliance.postgres.connect import database_failure
from appliance.postgres.plan import Snapshot, TableName

# A statement with thousands of names is slow to parse and says nothing about who is waited for.
_LOCKS_A_STATEMENT = 100
_ASK_EVERY_S = 60.0
_NAP_MS = 500

_FACTS = """
SELECT pg_export_snapshot(), now(), current_setting('server_version_num')::int, pg_is_in_recovery(),
       (SELECT system_identifier::text FROM pg_control_system()), pg_backend_pid()
"""


def readable_tables(connection: Connection[TupleRow]) -> list[tuple[TableName, TableName | None]]:
    """Tables with rows that the role may lock against being emptied or changed (it needs SELECT).

    Each with the partitioned table at its top, if it is a partition. Raises our errors.
    """
    query = (
        "SELECT n.nspname, c.relname, rn.nspname, rc.relname FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_class AS rc ON c.relispartition AND rc.oid = pg_partition_root(c.oid)"
        " LEFT JOIN pg_namespace AS rn ON rn.oid = rc.relnamespace"
        " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'"
        " AND n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2"
    )
    try:
        rows = connection.execute(query).fetchall()
    except psycopg.Error as error:
        raise database_failure("The source's tables could not be listed.", error) from None
    return [
        (
            TableName(schema_name=schema, name=name),
            None if root is None else TableName(schema_name=root_schema, name=root),
        )
        for schema, name, root_schema, root in rows
    ]


def export_snapshot(connection: Connection[TupleRow], tables: Iterable[TableName]) -> Snapshot:
    """Begin the read-only transaction that holds the snapshot, and export it.

    The tables are locked first, in ACCESS SHARE mode as reading does: a TRUNCATE or rewriting ALTER TABLE
    between snapshot and copy would make rows invisible without an error. Raises our errors.
    """
    try:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _lock(connection, list(tables))
        row = connection.execute(_FACTS).fetchone()
    except psycopg.errors.LockNotAvailable as error:
        raise WorkFailed(
            "A table of the source is locked by somebody else.",
            "An ALTER TABLE, TRUNCATE or VACUUM FULL holds it for longer than limits.lock_timeout_s.",
            "Run it again when that has ended: SELECT * FROM pg_locks WHERE NOT granted;",
            sqlstate=error.sqlstate,
        ) from None
    except psycopg.Error as error:
        raise database_failure("The source's snapshot could not be taken.", error) from None
    assert row is not None  # noqa: S101
    snapshot_id, taken_at, version, in_recovery, system_identifier, pid = row
    return Snapshot(
        snapshot_id=snapshot_id,
        taken_at=taken_at,
        server_version=version,
        in_recovery=in_recovery,
        system_identifier=system_identifier,
        backend_pid=pid,
    )


def import_snapshot(connection: Connection[TupleRow], snapshot: Snapshot) -> None:
    """Begin a read-only transaction that sees what the snapshot saw. Raises our errors."""
    try:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot.snapshot_id)))
    except psycopg.OperationalError as error:
        raise database_failure("The run's snapshot could not be used.", error) from None
    except psycopg.Error as error:
        raise WorkFailed(
            "The run's snapshot is gone.",
            "The session that held it has ended: the source was restarted, or somebody ended the session"
            f" (SQLSTATE {error.sqlstate}).",
            "Start a new run.",
            sqlstate=error.sqlstate,
        ) from None


def hold(connection: Connection[TupleRow], until: float, stopped: Callable[[], bool]) -> None:
    """Keep the transaction open until ``stopped()`` or the monotonic time ``until``.

    Raises WorkFailed when the session dies or the time is over.
    """
    ask_at = time.monotonic() + _ASK_EVERY_S
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    while not stopped():
        now = time.monotonic()
        if now >= until:
            raise WorkFailed(
                "The snapshot was held for as long as the run may take.",
                "A longer one would keep the source from vacuuming.",
                "Raise limits.run_timeout_min, or look at what takes so long.",
                sqlstate="57014",
            )
        try:
            # Anything that arrives unasked is the end of the session; a question keeps firewalls awake.
            if poll.poll(_NAP_MS) or now >= ask_at:
                connection.execute("SELECT")
                ask_at = now + _ASK_EVERY_S
        except psycopg.Error as error:
            raise _died(error) from None


def _died(error: psycopg.Error) -> ApplianceError:
    if error.sqlstate == "40001":
        return WorkFailed(
            "The standby ended the session that held the run's snapshot.",
            "Its replay had to remove rows that the snapshot still sees (SQLSTATE 40001).",
            "Set hot_standby_feedback = on at the standby, or raise max_standby_streaming_delay.",
            sqlstate=error.sqlstate,
        )
    return database_failure("The session that held the run's snapshot has ended.", error)


def _lock(connection: Connection[TupleRow], tables: list[TableName]) -> None:
    for start in range(0, len(tables), _LOCKS_A_STATEMENT):
        names = [
            sql.SQL("ONLY {}").format(sql.Identifier(table.schema_name, table.name))
            for table in tables[start : start + _LOCKS_A_STATEMENT]
        ]
        statement = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.SQL(", ").join(names))
        connection.execute(statement)
