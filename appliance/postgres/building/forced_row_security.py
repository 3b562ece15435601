"""Row-level security that is forced on owners: lifted while rows are loaded, or none would be seen."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying import ledger

_LIFTED = f"{ledger.SCHEMA}.forced_row_security"


def lift_forced_row_security(connection: Connection[TupleRow]) -> None:
    """Lift it, and note where (the caller commits). The ledger must be there."""
    connection.execute(f"CREATE TABLE {_LIFTED} (table_name text NOT NULL)")
    tables = connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relforcerowsecurity AND relkind IN ('r', 'p')"
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"ALTER TABLE ONLY {table} NO FORCE ROW LEVEL SECURITY".encode())
        connection.execute(f"INSERT INTO {_LIFTED} VALUES (%s)", [table])  # noqa: S608


def force_row_security(connection: Connection[TupleRow]) -> None:
    """Force it again where the source does (the caller commits)."""
    if connection.execute("SELECT to_regclass(%s)", [_LIFTED]).fetchone() == (None,):
        return
    for (table,) in connection.execute(f"SELECT table_name FROM {_LIFTED}").fetchall():  # noqa: S608
        connection.execute(f"ALTER TABLE ONLY {table} FORCE ROW LEVEL SECURITY".encode())
