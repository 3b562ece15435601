"""The one way a session is opened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.errors import database_failure
from appliance.postgres.login_errors import connect_failure
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
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
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
    Times are in seconds, 0 is none. Raises WrongRequestError where ``connections.yaml`` or the server's
    grants must change, PoolerBetweenError before anything is set in a pooler's session, WorkFailedError where
    retrying helps.
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
        with closing(_connect(name, given)) as first:
            # The second one goes to the very server that has answered, whatever its name stands for next.
            answered = {
                "host": first.info.host,
                "hostaddr": first.info.hostaddr,
                "port": str(first.info.port),
            }
            given.update({key: value for key, value in answered.items() if value})
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
