"""The fields of composite types, so that each of them can be masked for itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.source.type_reader import read_types
from appliance.workflow.catalog import Column

# Every type that a column has, and what those are made of: what lies below a domain or in an array, and
# the attributes of composite types.
_USED = """
WITH RECURSIVE used AS (
    SELECT unnest(%s::oid[]) AS oid
    UNION
    SELECT made.oid FROM used JOIN pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0
        UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS made
)
"""
_BELOW = f"""{_USED}
SELECT t.oid, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
FROM used JOIN pg_type AS t ON t.oid = used.oid
LEFT JOIN pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
WHERE t.typtype = 'd' OR e.oid IS NOT NULL
"""  # noqa: S608
_FIELDS = f"""{_USED}
SELECT t.oid, a.attname, a.attnum, a.atttypid, a.atttypmod, coalesce(c.collisdeterministic, true)
FROM used JOIN pg_type AS t ON t.oid = used.oid AND t.typtype = 'c'
JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
ORDER BY t.oid, a.attnum
"""  # noqa: S608


def read_fields(connection: Connection[TupleRow], used: Iterable[int]) -> dict[int, tuple[Column, ...]]:
    """By the oid of a column's type: the fields of the composite type that it is, or is an array of.

    Types that are none are not in it. psycopg errors pass.
    """
    oids = sorted(set(used))
    rows = connection.execute(_FIELDS, [oids]).fetchall()
    if not rows:
        return {}
    below: dict[int, int] = dict(connection.execute(_BELOW, [oids]).fetchall())
    facts = read_types(connection, ((row[3], row[4]) for row in rows))
    attributes: dict[int, list[TupleRow]] = defaultdict(list)
    for row in rows:
        attributes[row[0]].append(row)

    @cache
    def fields_of(oid: int) -> tuple[Column, ...]:
        while oid in below:
            oid = below[oid]
        return tuple(
            Column(
                **{
                    **asdict(facts[type_oid, modifier]),
                    "schema_name": "",
                    "table_name": "",
                    "name": name,
                    "position": number,
                    "deterministic": deterministic,
                    "fields": fields_of(type_oid),
                }
            )
            for _, name, number, type_oid, modifier, deterministic in attributes.get(oid, ())
        )

    return {oid: found for oid in oids if (found := fields_of(oid))}
