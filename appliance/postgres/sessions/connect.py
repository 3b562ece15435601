"""The one way a session is opened, and the one place where a database's error becomes our words.

A database's own message can hold a value out of a row, so only its SQLSTATE and names of objects are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, RequestWrong, WorkFailed, WorkFailedForGood
from appliance.postgres.connect_errors import connect_failure
from appliance.postgres.sessions.poolers import Probe, pooler_between, refusing_pooler

TCP_USER_TIMEOUT_MS = 180_000
"""How long sent bytes may stay unacknowledged. A server that flushes its disk for a minute is still alive."""

SESSION_SETTINGS = {
    # Text forms must mean the same on both servers, whatever a database or role has set.
    "search_path": "",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "timezone": "UTC",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # A mask is one large expression: compiling it takes seconds, also for a table of three rows.
    "jit": "off",
    # A keeper is idle in its transaction for as long as a run takes.
    "idle_in_transaction_session_timeout": "0",
    # The server notices a dead client by itself, and lets go of its snapshot and locks.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
READ_SETTINGS = {
    "default_transaction_read_only": "on",
    "row_security": "off",
    # Else the planner may evaluate CHECK constraints, which hold whatever a table's owner has written.
    "constraint_exclusion": "off",
    # limits.parallel says how many processes of the source may work for a run. And a mask's cost makes a
    # parallel scan of the whole table look cheaper than reading a piece of it by its pages.
    "max_parallel_workers_per_gather": "0",
}
WRITE_SETTINGS = {"synchronous_commit": "off", "default_transaction_read_only": "off"}
SETTINGS_SINCE = {
    140000: {"idle_session_timeout": "0", "client_connection_check_interval": "10s"},
    170000: {"transaction_timeout": "0"},
}


def open_session(
    name: str,
    parameters: Mapping[str, str],
    *,
    application_name: str,
    read_only: bool,
    statement_timeout_s: int = 0,
    lock_timeout_s: int = 0,
    options: str = "",
) -> Connection[TupleRow]:
    """Open an autocommit session on connection ``name`` with libpq ``parameters``.

    ``options`` (``-c name=value …``) goes into the start-up packet, which no server logs; it may hold keys.

    A read-only session can write nothing and fails, rather than filters, where row-level security applies.
    Times are in seconds, 0 is none. Raises RequestWrong where ``connections.yaml`` or the server's grants
    must change, PoolerBetween before anything is set in a pooler's session, WorkFailed where retrying helps.
    """
    given = dict(parameters)
    given.setdefault("connect_timeout", "10")
    given.update(
        application_name=application_name,
        client_encoding="UTF8",
        keepalives="1",
        keepalives_idle="30",
        keepalives_interval="10",
        keepalives_count="3",
        tcp_user_timeout=str(TCP_USER_TIMEOUT_MS),
    )
    if options:
        # PgBouncer writes a start-up packet that it refuses into its log: the first one holds no key.
        _connect(name, given).close()
    connection = _connect(name, given, options)
    try:
        _prepare(connection, read_only, statement_timeout_s, lock_timeout_s)
    except psycopg.Error as error:
        connection.close()
        raise database_failure(f"A session on '{name}' could not be set up.", error) from None
    return connection


def _connect(name: str, given: Mapping[str, str], options: str = "") -> Connection[TupleRow]:
    """A session of the server's own, in which nothing is set yet."""
    probe = Probe()
    probed = {**given, "options": probe.added_to(options)}
    try:
        connection: Connection[TupleRow] = psycopg.connect(autocommit=True, **probed)  # type: ignore[arg-type]
    except psycopg.Error as error:
        if pooler := refusing_pooler(error):
            raise pooler_between(name, given, pooler) from None
        raise connect_failure(name, given, error) from None
    try:
        if probe.passes(connection):
            return connection
    except psycopg.Error as error:
        connection.close()
        raise database_failure(f"A session on '{name}' could not be set up.", error) from None
    connection.close()
    raise pooler_between(name, given)


def _prepare(connection: Connection[TupleRow], read_only: bool, statement_s: int, lock_s: int) -> None:
    settings = dict(SESSION_SETTINGS)
    for version, newer in SETTINGS_SINCE.items():
        if connection.info.server_version >= version:
            settings.update(newer)
    settings.update(READ_SETTINGS if read_only else WRITE_SETTINGS)
    settings["statement_timeout"] = f"{statement_s}s"
    settings["lock_timeout"] = f"{lock_s}s"
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    values = [part for pair in settings.items() for part in pair]
    connection.execute(f"SELECT {calls}", values)
    connection.prepare_threshold = None


def retry_can_help(error: BaseException) -> bool:
    """Whether the same step, tried again, may succeed: broken connections, restarts, locks, lack of room."""
    if isinstance(error, WorkFailedForGood):
        return False
    if isinstance(error, WorkFailed):
        return error.sqlstate is None or _passing(error.sqlstate)
    if isinstance(error, ApplianceError):
        return False
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return True
    if isinstance(error, psycopg.Error):
        return error.sqlstate is None or _passing(error.sqlstate)
    return False


def _passing(sqlstate: str) -> bool:
    # 08 connection, 40 conflicts, 53 resources, 55P03 lock, 58 the server's input and output,
    # 57 operator, but not a cancelled or overlong statement.
    if sqlstate == "57014":
        return False
    return sqlstate[:2] in {"08", "40", "53", "57", "58"} or sqlstate == "55P03"


def database_failure(what: str, error: psycopg.Error, *, table: str | None = None) -> ApplianceError:
    """Turn a psycopg error of a running session into one of ours, without the server's own text."""
    state = error.sqlstate
    why, next_step = _explain(state, error)
    if table is not None:
        what = f"{what} Table: {table}."
    kind = RequestWrong if state is not None and state[:2] in {"28", "42", "3D"} else WorkFailed
    suffix = f" (SQLSTATE {state})" if state else ""
    failure = kind(what, f"{why}{suffix}", next_step, sqlstate=state)
    failure.table = table
    return failure


_EXPLANATIONS: dict[str, tuple[str, str]] = {
    "08": (
        "The connection to the server broke.",
        "Run it again; if it happens again, look at the server's log.",
    ),
    "22001": ("A value is longer than its column may hold.", "Choose a mask whose values are shorter."),
    "22021": (
        "A text holds bytes that are not valid in the encoding.",
        "Mend it in the source, give the column a mask that replaces it whole, or filter its rows.",
    ),
    "23502": ("A NULL arrived in a column that must not be NULL.", "Choose a mask that gives no NULL."),
    "23505": (
        "A value arrived twice in a column or key that must be unique.",
        "Choose a mask that gives unique values.",
    ),
    "23514": (
        "A row does not satisfy a CHECK constraint or fits no partition.",
        "Choose a mask that fits it.",
    ),
    "23": ("A row does not satisfy a constraint of the table.", "Choose a mask that fits the constraint."),
    "25006": ("The server is read-only.", "Point the connection at a primary."),
    "28": ("The server did not accept the role.", "Check user and password in connections.yaml."),
    "3D000": ("The database does not exist.", "Check dbname in connections.yaml."),
    "40": ("The server undid the transaction because of a conflict.", "Run it again."),
    "42501": ("The role may not do that.", "Grant it the privilege, then run again."),
    "53100": ("The server's disk is full.", "Free space on the server, then run again."),
    "53200": ("The server is out of memory.", "Run it again with a smaller limits.parallel."),
    "53300": ("The server has no connection slot free.", "Lower limits.parallel or raise max_connections."),
    "53": ("The server is short of a resource.", "Run it again when the server has room."),
    "54": ("A limit of PostgreSQL was exceeded.", "Leave the table or column out of the workflow."),
    "55P03": ("A lock was not granted in time.", "Run it again when the table is less busy."),
    "57014": (
        "It was cancelled, or took longer than limits.run_timeout_min.",
        "Raise limits.run_timeout_min if need be.",
    ),
    "57": ("The server ended the session: it is shutting down, or an administrator did.", "Run it again."),
    "58": ("The server could not read or write its files.", "Look at the server's log and its disk."),
    "XX": ("The server reports an internal error or damaged data.", "Look at the server's log."),
}


_LOCK_TABLE = "max_locks_per_transaction"


def _explain(state: str | None, error: psycopg.Error) -> tuple[str, str]:
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return _EXPLANATIONS["08"]
        return f"{type(error).__name__}.", "Look at the server's log."
    if state == "53200" and _LOCK_TABLE in (error.diag.message_hint or ""):
        return (
            "The server's lock table is full: a transaction had more tables locked than it has room for.",
            f"Raise {_LOCK_TABLE} on that server (ALTER SYSTEM SET {_LOCK_TABLE} = 256; then a restart).",
        )
    for prefix in (state, state[:2]):
        if prefix in _EXPLANATIONS:
            return _EXPLANATIONS[prefix]
    return "The server refused it.", "Look up the SQLSTATE, and the server's log."
