"""Everything in a branch made the migration's role's own: what alters a table is for its owner only.

The role is then no other's: it can do nothing to the twin, which belongs to the role that made the branch.
"""

from __future__ import annotations

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError

_ROLE = "SELECT rolsuper, pg_has_role(current_user, oid, %s) FROM pg_roles WHERE rolname = %s"
_SETTABLE_SINCE = 160000
"""The first server with members that may not become the role, as who has created it is one at first."""
# An extension's objects stay with it; sequences of columns, indexes and row types go with their tables.
_OWNED = """
WITH me AS (SELECT oid FROM pg_roles WHERE rolname = current_user),
parts AS (SELECT classid, objid FROM pg_depend WHERE deptype IN ('e', 'i') OR (deptype = 'a'
    AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass))
SELECT format('ALTER SCHEMA %I', nspname) FROM pg_namespace AS o
WHERE nspowner = (SELECT oid FROM me) AND nspname !~ '^pg_'
UNION ALL
SELECT format('ALTER %s %I.%I', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, n.nspname, relname)
FROM pg_class AS o JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relowner = (SELECT oid FROM me) AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM parts WHERE classid = 'pg_class'::regclass AND objid = o.oid)
UNION ALL
SELECT format('ALTER ROUTINE %s', o.oid::regprocedure) FROM pg_proc AS o
JOIN pg_namespace AS n ON n.oid = pronamespace
WHERE prokind <> 'a' AND proowner = (SELECT oid FROM me) AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM parts WHERE classid = 'pg_proc'::regclass AND objid = o.oid)
UNION ALL
SELECT format('ALTER TYPE %I.%I', n.nspname, typname) FROM pg_type AS o
JOIN pg_namespace AS n ON n.oid = typnamespace
WHERE typtype IN ('e', 'd', 'r') AND typowner = (SELECT oid FROM me) AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM parts WHERE classid = 'pg_type'::regclass AND objid = o.oid)
"""


def require_fit(admin: Connection[TupleRow], role: str) -> None:
    """Raise WrongRequestError for a superuser, and for one to whom the session's role can give nothing."""
    right = "SET" if admin.info.server_version >= _SETTABLE_SINCE else "MEMBER"
    row = admin.execute(_ROLE, [right, role]).fetchone()
    if row is not None and row[0]:
        raise WrongRequestError(
            f"The migration would run as '{role}', a superuser.",
            "What a superuser does reaches the whole server, and not the branch alone.",
            "Name another role's connection as rehearsal.connection in the workflow.",
        )
    if row is None or not row[1]:
        maker = admin.info.user
        raise WrongRequestError(
            f"The branch cannot be given to '{role}'.",
            f"'{maker}' makes it, and may not become '{role}' (or the server has no such role).",
            f'GRANT "{role}" TO "{maker}";',
        )


def give_to(inside: Connection[TupleRow], role: str) -> list[str]:
    """Make what the session's role owns in its database ``role``'s; notes of what stayed."""
    notes = []
    for (alter,) in inside.execute(_OWNED).fetchall():
        statement = sql.SQL("{} OWNER TO {}").format(sql.SQL(alter), sql.Identifier(role))
        try:
            inside.execute(statement)
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.FeatureNotSupported,
            psycopg.errors.WrongObjectType,
        ):
            notes.append(f"'{role}' was not made the owner: {alter.removeprefix('ALTER ').lower()}.")
    return notes
