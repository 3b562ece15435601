"""Grants inside a twin, carried over to the one that replaces it: data users keep what they were given.

Everything in a twin belongs to the role that delivers it, and others read it through grants made in the twin.
Those, and default privileges, are read from the former twin and given again where the object is there still.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

# What GRANT calls each kind, by the letter of pg_default_acl.
_KINDS = {"r": "TABLE", "S": "SEQUENCE", "f": "ROUTINE", "T": "TYPE", "n": "SCHEMA"}
_PLURALS = {"r": "TABLES", "S": "SEQUENCES", "f": "ROUTINES", "T": "TYPES", "n": "SCHEMAS"}
_GONE = ("42P01", "42883", "42703", "42704", "3F000", "42725")

# Every object with grants: kind, name as SQL, column of a column grant, and its grants. PUBLIC may use types
# and call routines unless that was revoked, so an object whose grants were touched is listed even with none.
_OBJECTS = """
WITH granted AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'S' ELSE 'r' END AS kind, c.relnamespace AS namespace,
        c.oid::regclass::text AS name, NULL::text AS columns, c.relacl AS acl, c.relowner AS owner,
        'pg_class'::regclass AS classid, c.oid AS objid
    FROM pg_class AS c WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL
    SELECT 'r', c.relnamespace, c.oid::regclass::text, quote_ident(a.attname), a.attacl, c.relowner,
        'pg_class'::regclass, c.oid
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
    UNION ALL
    SELECT 'f', pronamespace, oid::regprocedure::text, NULL, proacl, proowner, 'pg_proc'::regclass, oid
    FROM pg_proc WHERE proacl IS NOT NULL
    UNION ALL
    SELECT 'T', typnamespace, format_type(oid, NULL), NULL, typacl, typowner, 'pg_type'::regclass, oid
    FROM pg_type WHERE typacl IS NOT NULL
    UNION ALL
    SELECT 'n', oid, quote_ident(nspname), NULL, nspacl, nspowner, 'pg_namespace'::regclass, oid
    FROM pg_namespace WHERE nspacl IS NOT NULL
)
SELECT g.kind, g.name, g.columns, coalesce(
    (SELECT array_agg(ARRAY[coalesce(r.rolname::text, ''), a.privilege_type, a.is_grantable::text])
     FROM aclexplode(g.acl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
     WHERE a.grantee <> g.owner), '{}')
FROM granted AS g JOIN pg_namespace AS n ON n.oid = g.namespace
WHERE (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = g.classid AND d.objid = g.objid AND d.deptype = 'e')
ORDER BY g.kind <> 'n', g.name
"""

_DEFAULTS = """
SELECT r.rolname::text, n.nspname::text, d.defaclobjtype::text, coalesce(
    (SELECT array_agg(ARRAY[coalesce(g.rolname::text, ''), a.privilege_type, a.is_grantable::text])
     FROM aclexplode(d.defaclacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee
     WHERE a.grantee <> d.defaclrole), '{}')
FROM pg_default_acl AS d JOIN pg_roles AS r ON r.oid = d.defaclrole
LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace ORDER BY 1, 2, 3
"""

_NAMES = """
SELECT o.kind, n.nspname::text, o.name FROM (
    SELECT CASE WHEN relkind = 'S' THEN 'S' ELSE 'r' END AS kind, relnamespace AS namespace,
        oid::regclass::text AS name
    FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL SELECT 'f', pronamespace, oid::regprocedure::text FROM pg_proc
    UNION ALL SELECT 'n', oid, quote_ident(nspname) FROM pg_namespace
) AS o JOIN pg_namespace AS n ON n.oid = o.namespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

Grants = tuple[tuple[str, str, bool], ...]
"""(role or empty for PUBLIC, privilege, may grant it on)."""


@dataclass(frozen=True)
class FormerGrants:
    objects: tuple[tuple[str, str, str | None, Grants], ...] = ()
    """(kind, name as SQL, column as SQL, grants)."""
    defaults: tuple[tuple[str, str | None, str, Grants], ...] = ()
    """(role that creates, schema or None for all, kind, grants)."""
    names: frozenset[tuple[str, str]] = frozenset()
    """(kind, name as SQL) of all objects that default privileges speak of."""


@dataclass
class CarriedGrants:
    """What became of them."""

    objects: int = 0
    gone: int = 0
    """Objects that the new twin does not have."""
    notes: list[str] = field(default_factory=list)


def read_grants(former: Connection[TupleRow]) -> FormerGrants:
    """The grants inside the database that the session is in; its ``search_path`` must be empty."""
    return FormerGrants(
        tuple((kind, name, column, _grants(acl)) for kind, name, column, acl in former.execute(_OBJECTS)),
        tuple((role, schema, kind, _grants(acl)) for role, schema, kind, acl in former.execute(_DEFAULTS)),
        frozenset((kind, name) for kind, _, name in former.execute(_NAMES)),
    )


def carry_grants(new: Connection[TupleRow], former: FormerGrants) -> CarriedGrants:
    """Give them in the database that ``new`` is in, in one transaction, with an empty ``search_path``.

    Objects that the former twin did not have get what its default privileges say. Raises psycopg errors.
    """
    carried = CarriedGrants()
    with new.transaction():
        for kind, name, column, grants in former.objects:
            target = f"{_KINDS[kind]} {name}"
            revoke = [] if kind in {"r", "S"} else [f"REVOKE ALL ON {target} FROM PUBLIC"]
            _run(new, revoke + list(_grant_statements(target, grants, column)), target, carried)
        for role, schema, kind, grants in former.defaults:
            where = f" IN SCHEMA {_quoted(schema)}" if schema is not None else ""
            begin = f"ALTER DEFAULT PRIVILEGES FOR ROLE {_quoted(role)}{where}"
            statements = [f"{begin} REVOKE ALL ON {_PLURALS[kind]} FROM PUBLIC"] if schema is None else []
            statements += [f"{begin} {grant}" for grant in _grant_statements(_PLURALS[kind], grants)]
            _run(new, statements, f"default privileges of {role}", carried)
        _apply_defaults(new, former, carried)
    return carried


def take_grants(new: Connection[TupleRow]) -> None:
    """Take back what users were given in the database, before what another one gives them is given.

    Raises psycopg errors.
    """
    there = read_grants(new)
    with new.transaction():
        for kind, name, column, grants in there.objects:
            for role in {role for role, _, _ in grants}:
                columns = f" ({column})" if column is not None else ""
                whom = _quoted(role) if role else "PUBLIC"
                statement = f"REVOKE ALL{columns} ON {_KINDS[kind]} {name} FROM {whom} CASCADE"
                with contextlib.suppress(psycopg.errors.InsufficientPrivilege), new.transaction():
                    new.execute(statement.encode())


def _apply_defaults(new: Connection[TupleRow], former: FormerGrants, carried: CarriedGrants) -> None:
    """To objects that are new, as if the default privileges had been there when they were made."""
    ours = [(schema, kind, grants) for role, schema, kind, grants in former.defaults if role == new.info.user]
    if not ours:
        return
    for kind, schema, name in new.execute(_NAMES).fetchall():
        if (kind, name) in former.names:
            continue
        for wanted_schema, wanted_kind, grants in ours:
            if kind == wanted_kind and wanted_schema in {None, schema}:
                target = f"{_KINDS[kind]} {name}"
                _run(new, _grant_statements(target, grants), target, carried)


def _run(new: Connection[TupleRow], statements: Iterable[str], what: str, carried: CarriedGrants) -> None:
    try:
        with new.transaction():
            for statement in statements:
                new.execute(statement.encode())
        carried.objects += 1
    except psycopg.Error as error:
        if error.sqlstate in _GONE:
            carried.gone += 1
        elif error.sqlstate in {"42501", "0LP01", "42809", "0A000", "22023"}:
            carried.notes.append(
                f"The grants on {what} could not be carried over (SQLSTATE {error.sqlstate})."
            )
        else:
            raise


def _grant_statements(target: str, grants: Grants, column: str | None = None) -> Iterable[str]:
    for role, privilege, may_grant in grants:
        whom = _quoted(role) if role else "PUBLIC"
        columns = f" ({column})" if column is not None else ""
        yield f"GRANT {privilege}{columns} ON {target} TO {whom}{' WITH GRANT OPTION' if may_grant else ''}"


def _grants(acl: list[list[str]]) -> Grants:
    return tuple((role, privilege, grantable == "true") for role, privilege, grantable in acl)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
