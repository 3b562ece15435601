"""Two databases of the kinds that people have, and workflows over them: to be run through Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.clusters import Cluster

SCHEMAS = Path(__file__).parent / "schemas"
READER = "reads_every_row"
"""May read also what row-level security hides."""
MASKS: dict[str, dict[str, str]] = {
    "booking": {
        "public.guest.email": "email",
        "public.guest.given": "first_name",
        "public.guest.family": "last_name",
        "public.booking.note": "text_scrub",
    },
    "forum": {
        "public.account.email": "email",
        "public.account.name": "full_name",
        "public.written.body": "text_scrub",
    },
}
FOLLOWS = {"booking": {"public.guest.shown"}, "forum": set[str]()}
"""Generated columns, which the twin computes from what is masked."""


def make_schema(cluster: Cluster, name: str) -> None:
    """Create and fill a database with the schema of that name."""
    cluster.create_database(name)
    cluster.sql(name, (SCHEMAS / f"{name}.sql").read_text())
    if READER not in cluster.passwords:
        cluster.role(READER, "BYPASSRLS")
        cluster.sql("postgres", f"GRANT pg_read_all_data TO {READER}")
    cluster.sql(name, "ANALYZE")


def workflow(name: str, source: str, twin: str) -> dict[str, Any]:
    """A workflow that masks what is personal in it and keeps all else."""
    return {
        "id": f"wild-{name}",
        "source": source,
        "tables": {"include": ["*.*"]},
        "masks": MASKS[name],
        "keep": ["*.*.*"],
        "deliver": [{"twin": {"connection": twin, "grace_s": 0}}],
        "limits": {"parallel": 2, "memory_mb": 256},
    }


COLUMNS = """
SELECT format('%I.%I', n.nspname, c.relname),
    array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm') AND c.relispopulated AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
GROUP BY 1 ORDER BY 1
"""


def kept_rows(cluster: Cluster, database: str, name: str) -> dict[str, list[str]]:
    """Every row of every table and filled view, without the columns that a mask replaces."""
    gone = {each.rsplit(".", 1)[1] for each in (*MASKS[name], *FOLLOWS[name])}
    found = {}
    for table, columns in cluster.rows(database, COLUMNS):
        shown = ", ".join(f't."{column}"' for column in columns if column not in gone)
        query = f"SELECT ROW({shown})::text FROM ONLY {table} AS t ORDER BY 1" if shown else "SELECT ''"
        if cluster.value(database, f"SELECT relkind = 'p' FROM pg_class WHERE oid = '{table}'::regclass"):
            query = query.replace(" ONLY ", " ")
        found[table] = [row for (row,) in cluster.rows(database, query)]
    return found
