"""What the twin's own catalog says of its tables: their partitions, their parents, their sizes."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.postgres.copying import ledger
from appliance.postgres.sessions.parallel_jobs import Session


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
