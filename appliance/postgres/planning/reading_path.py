"""Tables that cannot be read under an empty ``search_path``, and how they are read then.

PostgreSQL looks at a table's index expressions whenever it plans a query on the table, and takes the bodies
of SQL functions in them apart: one that names something without its schema fails there. Masks hold keys, so
their session searches a schema only where no other role could have put something into it: superusers and the
table's owner, whose index functions run as the reader anyway. A table that is copied whole and as it is needs
no query, so that nothing is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.postgres.copying.copy_sql import masked_select, table_reference
from appliance.postgres.plan import DefinitionSettings, PlannedTable

UNFOUND = {"42883", "42P01", "42704", "3F000", "42725"}
"""No function, table, type or schema of that name, or two functions."""
# Masked and filtered queries are planned before a run anyway; of others only these can fail.
_WITH_EXPRESSIONS = """
SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL
              OR i.indpred IS NOT NULL))
   OR EXISTS (SELECT FROM pg_statistic_ext AS s WHERE s.stxrelid = c.oid)
"""
# A schema is trusted where no role but superusers and the table's owner may make or has made anything.
_TRUSTED = """
WITH roles AS (
    SELECT r.oid FROM pg_roles AS r WHERE r.rolsuper
    UNION SELECT c.relowner FROM pg_class AS c WHERE c.oid = %(table)s::regclass AND %(owner)s
), trusted AS (
    SELECT oid FROM roles
    UNION SELECT r.oid FROM pg_roles AS r WHERE r.rolname = 'pg_database_owner' AND EXISTS (
        SELECT FROM pg_database AS d JOIN roles ON roles.oid = d.datdba WHERE d.datname = current_database())
)
SELECT n.nspname::text FROM pg_namespace AS n JOIN unnest(%(path)s::text[]) WITH ORDINALITY AS w (name, place)
    ON w.name = n.nspname
WHERE n.nspowner IN (SELECT oid FROM trusted) AND NOT EXISTS (
    SELECT FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
    WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (SELECT oid FROM trusted)
) AND NOT EXISTS (
    SELECT FROM pg_proc AS p WHERE p.pronamespace = n.oid AND p.proowner NOT IN (SELECT oid FROM trusted)
) AND NOT EXISTS (
    SELECT FROM pg_operator AS o WHERE o.oprnamespace = n.oid AND o.oprowner NOT IN (SELECT oid FROM trusted)
) AND NOT EXISTS (
    SELECT FROM pg_class AS r WHERE r.relnamespace = n.oid AND r.relowner NOT IN (SELECT oid FROM trusted)
) AND NOT EXISTS (
    SELECT FROM pg_type AS y WHERE y.typnamespace = n.oid AND y.typowner NOT IN (SELECT oid FROM trusted)
) ORDER BY w.place
"""
_NAMES = re.compile(r'"((?:[^"]|"")+)"')


@dataclass(frozen=True)
class Reading:
    """How the tables are read, and which of them cannot be."""

    tables: tuple[PlannedTable, ...]
    refused: tuple[str, ...] = ()


def settle_reading(
    source: Connection[TupleRow],
    tables: Sequence[PlannedTable],
    settings: DefinitionSettings,
    *,
    trust_owners: bool,
    whole: frozenset[tuple[str, str]],
) -> Reading:
    """Find out for each table. ``whole`` may be read as such, not only column by column. Changes nothing.

    psycopg errors of a broken session pass.
    """
    looked_at = {(schema, name) for schema, name in source.execute(_WITH_EXPRESSIONS)}
    settled, refused = [], []
    for table in tables:
        key = (table.schema_name, table.name)
        # A partition's own indexes are looked at as well, by its own name.
        looked_into = {key, *(each.table for column in table.columns for each in column.lookups)}
        if looked_at.isdisjoint(looked_into) or explained(source, masked_select(table)) not in UNFOUND:
            settled.append(table)
            continue
        path = _trusted_path(source, table, settings, trust_owners=trust_owners)
        if path and explained(source, masked_select(table), path=path) is None:
            settled.append(table.model_copy(update={"read_path": path}))
        elif not table.masked_columns and not table.filtered and table.columns and key in whole:
            settled.append(table.model_copy(update={"unplanned": True}))
        else:
            settled.append(table)
            refused.append(
                f"{table.qualified} cannot be read with a mask or a filter: a function in one of its indexes"
                " does not find what it names unless search_path has a schema in which others may make"
                " functions, and they could see a mask's key. Give the function a path of its own: ALTER"
                f" FUNCTION … SET search_path = {dict(settings.of(*key)).get('search_path', 'public')};"
            )
    return Reading(tuple(settled), tuple(refused))


def explained(connection: Connection[TupleRow], *queries: str, path: str = "") -> str | None:
    """The SQLSTATE with which the server refuses one of the queries; None if it accepts all. None is run."""
    try:
        with connection.transaction():
            if path:
                connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.SQL(path)))
            connection.execute("; ".join(f"EXPLAIN (COSTS false) {query}" for query in queries).encode())
            # Nothing to keep, and the tables' locks go with it.
            raise psycopg.Rollback
    except psycopg.errors.OperationalError:
        raise
    except psycopg.Error as error:
        return error.sqlstate or "unknown"
    return None


def _trusted_path(
    source: Connection[TupleRow], table: PlannedTable, settings: DefinitionSettings, *, trust_owners: bool
) -> str:
    """As much of the owner's ``search_path`` as is trusted, quoted; empty for none."""
    path = dict(settings.of(table.schema_name, table.name)).get("search_path", "")
    names = [name.replace('""', '"') for name in _NAMES.findall(path)]
    rows = source.execute(
        _TRUSTED, {"table": table_reference(table), "owner": trust_owners, "path": names}
    ).fetchall()
    return ", ".join([sql.Identifier(name).as_string(None) for (name,) in rows] + ["pg_temp"] if rows else [])
