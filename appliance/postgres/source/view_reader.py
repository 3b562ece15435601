"""Reads which columns of tables the columns of views are made of, as far as the catalog knows."""

from __future__ import annotations

from collections import defaultdict

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.workflow.catalog import ColumnName, ViewColumn

_VIEW_COLUMNS = """
SELECT n.nspname::text, v.relname::text, a.attname::text
FROM pg_class AS v JOIN pg_namespace AS n ON n.oid = v.relnamespace
JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE v.relkind IN ('v', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2, a.attnum
"""

# What a view's rule depends on; which of its columns shows which of them is in no table of the catalog.
_VIEW_READS = """
SELECT DISTINCT n.nspname::text, v.relname::text, tn.nspname::text, t.relname::text, a.attname::text
FROM pg_rewrite AS r
JOIN pg_class AS v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
JOIN pg_namespace AS n ON n.oid = v.relnamespace
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.refobjid <> v.oid
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2, 3, 4, 5
"""


def read_view_columns(connection: Connection[TupleRow]) -> tuple[ViewColumn, ...]:
    """Every column of every view, materialised or not, with all that it reads. Raises psycopg errors."""
    reads: dict[tuple[str, str], list[ColumnName]] = defaultdict(list)
    for schema, view, *read in connection.execute(_VIEW_READS):
        reads[schema, view].append((read[0], read[1], read[2]))
    return tuple(
        ViewColumn(schema_name=schema, view_name=view, name=name, reads=tuple(reads[schema, view]))
        for schema, view, name in connection.execute(_VIEW_COLUMNS)
    )
