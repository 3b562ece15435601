"""What the twin's own catalog says of its tables: their partitions, their parents, their sizes."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.postgres.copying import ledger
from appliance.postgres.sessions.parallel_jobs import Session

# Up to PostgreSQL 14 the column itself depends on what it is computed from, then its expression does.
_GENERATED = """
SELECT n.nspname::text, c.relname::text, a.attname::text,
    ARRAY(SELECT DISTINCT o.attname::text FROM pg_depend AS r
          JOIN pg_attribute AS o ON o.attrelid = c.oid AND o.attnum = r.refobjsubid AND o.attnum > 0
          WHERE r.refclassid = 'pg_class'::regclass AND r.refobjid = c.oid AND o.attnum <> a.attnum
          AND (r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid
               OR r.classid = 'pg_class'::regclass AND r.objid = c.oid AND r.objsubid = a.attnum))
FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attgenerated <> '' AND n.nspname !~ '^pg_'
"""


def with_ancestors(session: Session, tables: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The tables, and the partitioned tables above each."""
    wanted = list(dict.fromkeys(tables))
    rows = session.execute(
        "SELECT DISTINCT an.nspname::text, ac.relname::text"
        " FROM unnest(%s::text[], %s::text[]) AS w (schema_name, name)"
        " JOIN pg_namespace AS n ON n.nspname = w.schema_name"
        " JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name"
        " CROSS JOIN LATERAL pg_partition_ancestors(c.oid) AS a (oid)"
        " JOIN pg_class AS ac ON ac.oid = a.oid JOIN pg_namespace AS an ON an.oid = ac.relnamespace",
        [[schema for schema, _ in wanted], [name for _, name in wanted]],
    )
    return frozenset(wanted) | frozenset((schema, name) for schema, name in rows)


def partitioned_tables(session: Session) -> frozenset[tuple[str, str]]:
    """(schema, name) of the partitioned tables of the database."""
    rows = session.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'p'"
    )
    return frozenset((schema, name) for schema, name in rows)


def table_sizes(session: Session) -> dict[tuple[str, str], int]:
    """Bytes of every table of the database, with TOAST, by schema and name."""
    rows = session.execute(
        "SELECT n.nspname::text, c.relname::text, pg_table_size(c.oid) FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')"
        " AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %s)",
        [ledger.SCHEMA],
    )
    return {(schema, name): size for schema, name, size in rows}


def generated_columns(session: Session) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
    """The generated columns of each table, by schema and name, each with those that it is computed from."""
    found: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for schema, table, column, needs in session.execute(_GENERATED):
        found.setdefault((schema, table), {})[column] = tuple(needs)
    return found
