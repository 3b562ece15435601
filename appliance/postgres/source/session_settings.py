"""What a session on the source has set: what indexes, checks and views of its database were written for.

A definition may depend on more than its text: the body of an SQL function looks names up in ``search_path``,
``date_trunc`` counts days in ``TimeZone``, a text search takes ``default_text_search_config``. Read is what a
table's owner would find in a session of their own: the server's configuration, then what was set for all
roles, for the database, for the role, and for the role in the database. What is set for the role that reads
is not taken over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.plan import DefinitionSettings, OwnerSettings, Settings, TableName

CARRIED = (
    "search_path",
    "TimeZone",
    "timezone_abbreviations",
    "DateStyle",
    "IntervalStyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "bytea_output",
    "extra_float_digits",
    "xmloption",
    "xmlbinary",
    "array_nulls",
    "transform_null_equals",
    "standard_conforming_strings",
    "backslash_quote",
    "quote_all_identifiers",
    "default_text_search_config",
    "plpgsql.variable_conflict",
)
"""Settings of PostgreSQL itself that change what an expression gives, or whether it can be evaluated."""

_ONLY_IF_SET = {"plpgsql.variable_conflict"}
"""May be set by a superuser only: carried where it is not as PostgreSQL comes."""
_SECRET = re.compile(
    r"secret|passw|token|key|credential|jwt|salt|pepper|dsn|url|crypt|hmac|sign|auth|pin", re.IGNORECASE
)
_IN_PATH = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)')

_SERVER = "SELECT name, reset_val, boot_val FROM pg_settings WHERE lower(name) = ANY (%s)"
_SET_FOR = """
SELECT s.setdatabase <> 0, s.setrole::bigint, s.setconfig
FROM pg_db_role_setting AS s
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
"""
_OWNERS = """
SELECT c.relowner::bigint, r.rolname::text, n.nspname::text, c.relname::text
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS r ON r.oid = c.relowner
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'
"""
_DATABASE = """
SELECT r.oid::bigint, r.rolname::text, (SELECT oid::bigint FROM pg_roles WHERE rolname = session_user)
FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba WHERE d.datname = current_database()
"""
# A setting of an application's own (app.tenant) is one that a definition asks for.
_ASKED_FOR = """
SELECT w.name FROM unnest(%s::text[]) AS w (name)
WHERE EXISTS (SELECT FROM pg_proc AS p WHERE p.oid >= 16384 AND position(w.name in p.prosrc) > 0)
   OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.contype = 'c'
              AND position(w.name in pg_get_expr(k.conbin, k.conrelid)) > 0)
   OR EXISTS (SELECT FROM pg_attrdef AS a WHERE position(w.name in pg_get_expr(a.adbin, a.adrelid)) > 0)
   OR EXISTS (SELECT FROM pg_matviews AS m WHERE position(w.name in m.definition) > 0)
"""

_Level = tuple[bool, int]
"""Whether for this database only, and the role's oid or 0: where something was set."""


def read_session_settings(source: Connection[TupleRow]) -> DefinitionSettings:
    """The settings of the database, and of each owner for whom they are others. Raises psycopg errors."""
    levels: dict[_Level, dict[str, str]] = defaultdict(dict)
    for here, role, config in source.execute(_SET_FOR):
        for each in config or ():
            name, _, value = each.partition("=")
            levels[here, role][_spelled(name)] = value
    server = {
        _spelled(name): (now, boot)
        for name, now, boot in source.execute(_SERVER, [[name.lower() for name in CARRIED]])
    }
    database = source.execute(_DATABASE).fetchone()
    assert database is not None  # noqa: S101
    owner, owner_name, reader = database
    schemas = {name for (name,) in source.execute("SELECT nspname::text FROM pg_namespace")}
    custom = _custom(source, levels)
    base = _base(server, levels, reader)

    def settings(role: int, name: str) -> Settings:
        return _settings(base, _at(levels, role), custom, name, schemas)

    common = settings(owner, owner_name)
    tables: dict[Settings, list[TableName]] = defaultdict(list)
    known: dict[int, Settings] = {}
    for role, role_name, schema, table in source.execute(_OWNERS).fetchall():
        found = known.setdefault(role, settings(role, role_name))
        if found != common:
            tables[found].append(TableName(schema_name=schema, name=table))
    return DefinitionSettings(
        common=common,
        owners=tuple(OwnerSettings(settings=found, tables=tuple(named)) for found, named in tables.items()),
    )


def _spelled(name: str) -> str:
    """PostgreSQL takes a setting's name in any case."""
    return next((each for each in CARRIED if each.lower() == name.lower()), name)


def _base(
    server: Mapping[str, tuple[str, str]], levels: Mapping[_Level, Mapping[str, str]], reader: int
) -> dict[str, str]:
    """What the configuration of the server says, as far as the reader's session shows it."""
    own = {*levels.get((True, reader), ()), *levels.get((False, reader), ())}
    found = {name: boot if name in own else now for name, (now, boot) in server.items()}
    return {
        name: value for name, value in found.items() if name not in _ONLY_IF_SET or value != server[name][1]
    }


def _at(levels: Mapping[_Level, Mapping[str, str]], role: int) -> dict[str, str]:
    """All that is set for a role in this database; the more special wins."""
    found: dict[str, str] = {}
    for level in ((False, 0), (True, 0), (False, role), (True, role)):
        found |= levels.get(level, {})
    return found


def _custom(source: Connection[TupleRow], levels: Mapping[_Level, Mapping[str, str]]) -> set[str]:
    """Settings of applications that a definition asks for; none that is called like a secret."""
    names = {name for level in levels.values() for name in level if "." in name and name not in CARRIED}
    wanted = sorted(name for name in names if not _SECRET.search(name))
    if not wanted:
        return set()
    return {name for (name,) in source.execute(_ASKED_FOR, [wanted])}


def _settings(
    base: Mapping[str, str],
    set_for: Mapping[str, str],
    custom: Collection[str],
    role: str,
    schemas: Collection[str],
) -> Settings:
    values = dict(base) | {
        name: value for name, value in set_for.items() if name in CARRIED or name in custom
    }
    values["search_path"] = safe_path(values.get("search_path", ""), role, schemas)
    return tuple(sorted(values.items()))


def safe_path(path: str, role: str, schemas: Collection[str]) -> str:
    """A ``search_path`` in which nothing comes before PostgreSQL's own names, and temporary objects last.

    ``pg_catalog`` is searched first unless it is named. Schemas that do not exist are left out, so that a
    later one of that name means nothing; ``"$user"`` is ``role``.
    """
    kept: list[str] = []
    for quoted, plain in _IN_PATH.findall(path):
        name = quoted.replace('""', '"') if quoted else plain.lower()
        name = role if name == "$user" else name
        if name in schemas and not name.startswith("pg_") and name not in kept:
            kept.append(name)
    return ", ".join([*('"' + name.replace('"', '""') + '"' for name in kept), "pg_temp"])
