"""What administrators have set on a twin's database, carried over to the one that replaces it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

# Lists of names, stored with their quotes (those of pg_dump's variable_is_guc_list_quote).
_NAME_LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


_LISTED_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')


@dataclass(frozen=True)
class FormerSettings:
    owner: str
    connection_limit: int
    grants: tuple[tuple[str, str, bool], ...] | None
    """(role or empty for PUBLIC, privilege, may grant it on); None without a grant or revoke."""
    settings: tuple[tuple[str | None, str, str], ...]
    """(role or None for all, name, value)."""


def read_former(admin: Connection[TupleRow], database: str) -> FormerSettings | None:
    """The settings of a database; None where it does not exist."""
    row = admin.execute(
        "SELECT d.oid, r.rolname::text, d.datconnlimit, d.datacl IS NULL"
        " FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba WHERE d.datname = %s",
        [database],
    ).fetchone()
    if row is None:
        return None
    oid, owner, limit, untouched = row
    grants = admin.execute(
        "SELECT coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable"
        " FROM pg_database AS d, aclexplode(d.datacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee"
        " WHERE d.oid = %s AND a.grantee <> d.datdba ORDER BY 1, 2",
        [oid],
    ).fetchall()
    settings = admin.execute(
        "SELECT r.rolname::text, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)"
        " FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole, unnest(s.setconfig) AS c"
        " WHERE s.setdatabase = %s ORDER BY 1 NULLS FIRST, 2",
        [oid],
    ).fetchall()
    return FormerSettings(
        owner,
        limit,
        None if untouched else tuple((role, privilege, on) for role, privilege, on in grants),
        tuple((role, name, value) for role, name, value in settings),
    )


def carry_settings(admin: Connection[TupleRow], former: FormerSettings, database: str) -> list[str]:
    """Give ``database`` the limit and the settings; returns sentences about what the role may not set."""
    notes: list[str] = []
    target = sql.Identifier(database)
    if former.connection_limit != -1:
        statement = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            target, sql.Literal(former.connection_limit)
        )
        _attempt(admin, statement, notes, "The connection limit of the former twin")
    for role, name, value in former.settings:
        whom = (
            sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), target)
            if role is not None
            else sql.SQL("DATABASE {}").format(target)
        )
        # A setting of an extension has a name in two parts.
        parameter = sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))
        new = _names(value) if name in _NAME_LISTS else sql.Literal(value)
        statement = sql.SQL("ALTER {} SET {} TO {}").format(whom, parameter, new)
        of = f" for the role {role}" if role is not None else ""
        _attempt(admin, statement, notes, f"The setting {name}{of} of the former twin")
    return notes


def open_to_users(admin: Connection[TupleRow], former: FormerSettings | None, database: str) -> list[str]:
    """Let in whom the former twin let in, or everybody as CREATE DATABASE does; and set the former owner."""
    notes: list[str] = []
    target = sql.Identifier(database)
    if former is None or former.grants is None:
        admin.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC").format(target))
    else:
        for role, privilege, may_grant in former.grants:
            whom = sql.Identifier(role) if role else sql.SQL("PUBLIC")
            statement = sql.SQL("GRANT {} ON DATABASE {} TO {} {}").format(
                sql.SQL(privilege),
                target,
                whom,
                sql.SQL("WITH GRANT OPTION" if may_grant else ""),
            )
            _attempt(admin, statement, notes, f"{privilege} on the former twin for {role or 'PUBLIC'}")
    if former is not None and former.owner != admin.info.user:
        statement = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(target, sql.Identifier(former.owner))
        _attempt(admin, statement, notes, f"The owner {former.owner} of the former twin")
    return notes


def _names(stored: str) -> sql.Composable:
    names = [quoted.replace('""', '"') or plain for quoted, plain in _LISTED_NAME.findall(stored)]
    return sql.SQL(", ").join(map(sql.Identifier, names)) if names else sql.Literal("")


def _attempt(admin: Connection[TupleRow], statement: sql.Composed, notes: list[str], what: str) -> None:
    try:
        with admin.transaction():
            admin.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject, psycopg.DataError) as error:
        notes.append(f"{what} could not be carried over (SQLSTATE {error.sqlstate}).")
