"""Partitions of the database that is built: one of them must take each row, wherever a mask puts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.building.rules.late_rule import WANTED, LateRule, asked_for
from appliance.postgres.no_encoding import rows_in
from appliance.postgres.plan import PlannedTable

MOST_PARTITIONS = 2_000
"""Of a table with more it is not tried whether one of them takes every row."""

# What a row must satisfy that one of the partitions takes; NULL where one takes all. Of the keys that lead
# there, also of those that are expressions, the server notes each column: it cannot go while the table stays.
_PARTITIONS = f"""{WANTED}, leaf AS (
    SELECT w.place, t.relid, t.isleaf FROM wanted AS w CROSS JOIN LATERAL pg_partition_tree(w.oid) AS t
)
SELECT w.place,
    (SELECT CASE WHEN count(*) = count(made) THEN string_agg(format('(%%s)', made), ' OR ') END FROM (
        SELECT pg_get_partition_constraintdef(l.relid) AS made FROM leaf AS l
        WHERE l.place = w.place AND l.isleaf AND l.relid <> w.oid LIMIT {MOST_PARTITIONS + 1}) AS m),
    ARRAY(SELECT DISTINCT a.attname::text FROM leaf AS l JOIN pg_depend AS r
          ON r.classid = 'pg_class'::regclass AND r.objid = l.relid AND r.objsubid > 0 AND r.deptype = 'i'
          AND r.refclassid = 'pg_class'::regclass AND r.refobjid = l.relid AND r.refobjsubid = 0
          JOIN pg_attribute AS a ON a.attrelid = l.relid AND a.attnum = r.objsubid
          WHERE l.place = w.place AND NOT l.isleaf),
    (SELECT count(*) FROM leaf AS l WHERE l.place = w.place AND l.isleaf) <= {MOST_PARTITIONS}
FROM wanted AS w
"""  # noqa: S608


def routed(tables: Mapping[int, PlannedTable]) -> dict[tuple[str, str], int]:
    """Tables through which rows are loaded, since a mask decides in which partition one stands.

    With each the place of the partition that has the most rows.
    """
    return {
        (table.load_into.schema_name, table.load_into.name): place
        for place, table in sorted(tables.items(), key=lambda each: each[1].estimated_rows)
        if table.load_into.qualified != table.qualified
    }


def rules_of_partitions(
    twin: Connection[TupleRow],
    tables: Mapping[int, PlannedTable],
    types: Mapping[tuple[int, str], str],
    roots: Mapping[tuple[str, str], int],
) -> Iterable[LateRule]:
    """Of the roots, which ``routed`` names. Reads the catalog alone; psycopg errors pass."""
    if not roots:
        return
    names = list(roots)
    for number, expression, about, few in rows_in(twin, _PARTITIONS, asked_for(names)):
        place = roots[names[number - 1]]
        masked = {each.name for each in tables[place].masked_columns}
        if not expression or not few or masked.isdisjoint(about):
            continue
        yield LateRule(
            table=place,
            names=(".".join(names[number - 1]),),
            expression=expression,
            columns=tuple(about),
            types=tuple(types[place, each] for each in about),
            kind="partitions",
        )
