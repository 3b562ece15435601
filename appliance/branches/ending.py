"""Dropping branches: those no longer needed, those whose time has come, and those that were never whole."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.branches.branch import branches_begin_with
from appliance.branches.reading import all_branches
from appliance.errors import WorkFailedError
from appliance.postgres.sessions.database_sessions import sessions_in
from appliance.postgres.twin.database import DatabaseFacts, drop_database, read_database, run_sql

_BEGINNING_WITH = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, %s) ORDER BY 1"


def drop_branch(admin: Connection[TupleRow], database: DatabaseFacts) -> None:
    """Drop it and disconnect who is in it. Raises WorkFailedError where they may not be disconnected.

    It takes no new sessions from then on, so that it can be dropped once those that stay have left.
    """
    try:
        run_sql(admin, "ALTER DATABASE {} ALLOW_CONNECTIONS false", database.name)
        drop_database(admin, database)
    except psycopg.errors.InvalidCatalogName:
        return
    except (psycopg.errors.ObjectInUse, psycopg.errors.InsufficientPrivilege) as error:
        roles = ", ".join(sorted({session.role for session in sessions_in(admin, [database.name])}))
        role = admin.info.user
        raise WorkFailedError(
            f"The branch's database '{database.name}' could not be dropped.",
            f"Sessions of {roles or 'other roles'} are in it, and '{role}' may not end them. It takes no new"
            f" ones. (SQLSTATE {error.sqlstate})",
            f'GRANT pg_signal_backend TO "{role}"; or let them disconnect. It is tried again by itself.',
            sqlstate=error.sqlstate,
        ) from None


def end_due(admin: Connection[TupleRow], twin: str, now: datetime | None = None) -> list[str]:
    """Drop all of the server that are over, and those of ``twin`` that a killed process has left half made.

    The session must hold the server's turn for branches: no branch is being made then. Returns a sentence for
    each, also where it could not be dropped yet. Raises psycopg errors.
    """
    now = now or datetime.now(UTC)
    lines = []
    for branch in all_branches(admin):
        if branch.marker.state == "making":
            lines.append(_ended(admin, branch.database, f"The branch '{branch.marker.name}', never whole,"))
        elif branch.marker.ends_at <= now:
            ended = f"The branch '{branch.marker.name}' of '{branch.marker.twin}' is over and"
            lines.append(_ended(admin, branch.database, ended))
    for (name,) in admin.execute(_BEGINNING_WITH, [branches_begin_with(twin)]).fetchall():
        database = read_database(admin, name)
        if database is not None and database.half_copied:
            lines.append(_ended(admin, database, f"'{name}', a branch that was never whole,"))
    return lines


def _ended(admin: Connection[TupleRow], database: DatabaseFacts, what: str) -> str:
    try:
        drop_branch(admin, database)
    except WorkFailedError as error:
        return f"{what} could not be dropped yet. {error.why}"
    return f"{what} was dropped."
