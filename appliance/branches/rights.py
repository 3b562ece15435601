"""Who may open a branch: those who may open the twin, or one role, which may do in it what it likes."""

from __future__ import annotations

from contextlib import closing

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.postgres.twin.database import OpenDatabase, run_sql
from appliance.postgres.twin.former.grants import carry_grants, read_grants, take_grants
from appliance.postgres.twin.former.settings import carry_settings, open_to_users, read_former
from appliance.postgres.twin.template_copy import open_to_owner

_SCHEMAS = (
    "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
)
_KINDS = ("TABLES", "SEQUENCES", "ROUTINES")


def require_role(admin: Connection[TupleRow], role: str) -> None:
    """Raise WrongRequestError where the server has no such role."""
    if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        raise WrongRequestError(
            f"The server has no role '{role}'.", "A branch is made for a role that is there.", "\\du in psql"
        )


def give_rights(
    admin: Connection[TupleRow], open_database: OpenDatabase, twin: str, database: str, role: str | None
) -> list[str]:
    """Open a new branch, with the twin's settings; returns what could not be carried over.

    What is granted inside the twin is granted now as it is there today, whatever the copy came with: its
    users may have been given, or have lost, something since the run. Raises psycopg errors.
    """
    former = read_former(admin, twin)
    notes = carry_settings(admin, former, database) if former is not None else []
    with admin.transaction():
        open_to_owner(admin, database)
    with closing(open_database(database)) as inside:
        if former is not None:
            with closing(open_database(twin)) as session:
                grants = read_grants(session)
            take_grants(inside)
            notes += carry_grants(inside, grants).notes
        if role is not None:
            notes += _give_all(inside, role)
    if role is None:
        if former is not None:
            with admin.transaction():
                notes += open_to_users(admin, former, database)
        return notes
    run_sql(admin, "GRANT CONNECT, TEMPORARY, CREATE ON DATABASE {} TO {}", database, role)
    return notes


def _give_all(inside: Connection[TupleRow], role: str) -> list[str]:
    """Read and write everything, and make more. What alters a table stays with the table's owner."""
    notes = []
    to = sql.Identifier(role)
    for (name,) in inside.execute(_SCHEMAS).fetchall():
        schema = sql.Identifier(name)
        statements = [sql.SQL("GRANT ALL ON SCHEMA {} TO {}").format(schema, to)]
        statements += [
            sql.SQL("GRANT ALL ON ALL {} IN SCHEMA {} TO {}").format(sql.SQL(kind), schema, to)
            for kind in _KINDS
        ]
        for statement in statements:
            try:
                inside.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                notes.append(f"Not everything in the schema {name} could be granted to {role}.")
    return list(dict.fromkeys(notes))
