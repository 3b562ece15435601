"""The appliance's own PostgreSQL database: connecting to it, and bringing its schema up to date."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
from psycopg.rows import DictRow, dict_row

from appliance.errors import WorkFailedError

Connection = psycopg.Connection[DictRow]

CONNECT_TIMEOUT_S = 2
"""Nothing waits long for this database: a run goes on without it, and a page says that it is away."""
_PREPARING_TIMEOUT_S = 30
"""Its schema is brought up to date when a machine starts everything at once, and no page waits for that."""

_SCHEMA_FILE = Path(__file__).with_name("schema.sql")
_MIGRATION_LOCK = 0x6170706C  # "appl": any number that only this code uses


def connect(conninfo: str, *, read_only: bool = False, within_s: int = CONNECT_TIMEOUT_S) -> Connection:
    """Open a connection in autocommit, so that a transaction is always an explicit block.

    Raises psycopg.OperationalError when the database does not answer in that time.
    """
    options = "-c statement_timeout=10s -c lock_timeout=5s -c timezone=UTC"
    if read_only:
        options += " -c default_transaction_read_only=on"
    return psycopg.connect(
        conninfo,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=within_s,
        options=options,
        application_name="appliance",
    )


def migrations() -> list[tuple[int, str]]:
    """The numbered blocks of schema.sql, in order."""
    parts = re.split(r"^-- migration (\d+)$", _SCHEMA_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(int(parts[i]), parts[i + 1]) for i in range(1, len(parts), 2)]


def migrate(conninfo: str) -> int:
    """Apply what is missing and return the schema's version. Safe to run again and by several at once."""
    try:
        with connect(conninfo, within_s=_PREPARING_TIMEOUT_S) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
            connection.execute("CREATE SCHEMA IF NOT EXISTS appliance")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS appliance.schema_version"
                " (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            row = connection.execute(
                "SELECT coalesce(max(version), 0) AS version FROM appliance.schema_version"
            ).fetchone()
            version = int(row["version"]) if row else 0
            for number, sql in migrations():
                if number > version:
                    connection.execute(sql.encode())
                    connection.execute("INSERT INTO appliance.schema_version (version) VALUES (%s)", [number])
                    version = number
            return version
    except psycopg.Error as error:
        raise WorkFailedError(
            "The appliance's own database could not be prepared.",
            f"PostgreSQL answered with {error.sqlstate or type(error).__name__}.",
            "Check database_url in the settings and that this PostgreSQL is running.",
            sqlstate=error.sqlstate,
        ) from None
