"""Who is in a database, and ending them as far as the asking role may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow


@dataclass(frozen=True)
class DatabaseSession:
    """A session in one of the twin's databases."""

    pid: int
    database: str
    role: str
    superuser: bool
    may_end: bool
    """The role of the asking session may end it."""


_MAY_END = """(SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR NOT r.rolsuper AND (
        pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))"""
# Background workers without a role (autovacuum) are ended by the server itself.
_SESSIONS = f"""
SELECT a.pid, a.datname::text, r.rolname::text, r.rolsuper,
    {_MAY_END}
FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.pid <> pg_backend_pid() AND a.datname = ANY (%s) ORDER BY a.pid
"""  # noqa: S608
_END_SESSIONS = f"""
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.pid <> pg_backend_pid() AND a.datid = %s AND (
    {_MAY_END})
"""  # noqa: S608


def sessions_in(admin: Connection[TupleRow], databases: Sequence[str]) -> list[DatabaseSession]:
    """Everybody who is in one of these databases."""
    return [DatabaseSession(*row) for row in admin.execute(_SESSIONS, [list(databases)]).fetchall()]


def end_sessions(admin: Connection[TupleRow], database_oid: int) -> None:
    """End the sessions in the database that may be ended."""
    admin.execute(_END_SESSIONS, [database_oid])
