"""Functions of the source that no superuser owns and that a run calls, though no workflow names them.

PostgreSQL calls a function in an index's condition when it plans a query on the table, as the role that asks;
one in a CHECK when a row is loaded, as the role that loads. Their owners decide what they do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

_SHOWN = 5

# What belongs to a table (or is a view of it), as pg_depend knows it; whether the source calls it when the
# table is read, and the twin when it is made. pg_depend does not list what the system itself brings along.
_QUERY = """
WITH RECURSIVE wanted AS (
    SELECT unnest(%(tables)s::oid[]) AS oid
), types AS (
    SELECT a.atttypid AS oid FROM wanted JOIN pg_attribute AS a ON a.attrelid = wanted.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT made.oid FROM types JOIN pg_type AS t ON t.oid = types.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
        UNION ALL SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS made WHERE made.oid <> 0
), object (place, classid, objid, objsubid, in_source, in_twin) AS (
    SELECT 'the index ' || i.indexrelid::regclass, 'pg_class'::regclass, i.indexrelid, 0, true, true
    FROM wanted JOIN pg_index AS i ON i.indrelid = wanted.oid
    UNION ALL
    SELECT 'the partition key of ' || oid::regclass, 'pg_class'::regclass, oid, 0, true, true FROM wanted
    UNION ALL
    SELECT 'the statistics ' || quote_ident(s.stxname), 'pg_statistic_ext'::regclass, s.oid, 0, true, true
    FROM wanted JOIN pg_statistic_ext AS s ON s.stxrelid = wanted.oid
    UNION ALL
    SELECT 'the column ' || quote_ident(a.attname) || ' of ' || a.attrelid::regclass,
           'pg_attrdef'::regclass, d.oid, 0, a.attgenerated = 'v', true
    FROM wanted JOIN pg_attrdef AS d ON d.adrelid = wanted.oid
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    -- Before 15 a generated column needs the functions itself, not its expression.
    SELECT 'the column ' || quote_ident(a.attname) || ' of ' || a.attrelid::regclass,
           'pg_class'::regclass, a.attrelid, a.attnum, a.attgenerated = 'v', true
    FROM wanted JOIN pg_attribute AS a ON a.attrelid = wanted.oid AND a.attgenerated <> ''
    UNION ALL
    SELECT 'the check ' || quote_ident(k.conname) || ' of ' || k.conrelid::regclass,
           'pg_constraint'::regclass, k.oid, 0, false, true
    FROM wanted JOIN pg_constraint AS k ON k.conrelid = wanted.oid AND k.contype = 'c'
    UNION ALL
    SELECT 'the check ' || quote_ident(k.conname) || ' of ' || k.contypid::regtype,
           'pg_constraint'::regclass, k.oid, 0, false, true
    FROM types JOIN pg_constraint AS k ON k.contypid = types.oid AND k.contype = 'c'
    UNION ALL
    SELECT DISTINCT 'the view ' || r.ev_class::regclass, 'pg_rewrite'::regclass, r.oid, 0, false, true
    FROM wanted JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = wanted.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS r ON r.oid = d.objid AND r.ev_type = '1'
), called (place, function, in_source, in_twin) AS (
    SELECT o.place, d.refobjid, o.in_source, o.in_twin FROM object AS o
    JOIN pg_depend AS d ON d.classid = o.classid AND d.objid = o.objid AND d.objsubid = o.objsubid
        AND d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT o.place, op.oprcode::oid, o.in_source, o.in_twin FROM object AS o
    JOIN pg_depend AS d ON d.classid = o.classid AND d.objid = o.objid AND d.objsubid = o.objsubid
        AND d.refclassid = 'pg_operator'::regclass
    JOIN pg_operator AS op ON op.oid = d.refobjid
    UNION
    SELECT 'the cast of ' || c.castsource::regtype || ' to ' || c.casttarget::regtype, c.castfunc, true, true
    FROM types JOIN pg_cast AS c ON c.castsource = types.oid
)
SELECT p.oid::regprocedure::text, r.rolname::text, array_agg(DISTINCT called.place ORDER BY called.place),
       bool_or(called.in_source), bool_or(called.in_twin)
FROM called JOIN pg_proc AS p ON p.oid = called.function JOIN pg_roles AS r ON r.oid = p.proowner
WHERE NOT r.rolsuper AND r.rolname <> session_user
  AND NOT EXISTS (SELECT FROM pg_depend AS e
                  WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
GROUP BY p.oid, r.rolname ORDER BY 1
"""
_READS_ALL = """
SELECT EXISTS (SELECT FROM pg_roles AS r
               WHERE r.rolname = 'pg_read_all_data' AND pg_has_role(session_user, r.oid, 'MEMBER'))
"""


@dataclass(frozen=True)
class ForeignFunction:
    """One function, who decides what it does, and where a run meets it."""

    name: str
    owner: str
    places: tuple[str, ...]
    in_source: bool
    """Reading may call it, as the source's role."""
    in_twin: bool
    """Making the twin may call it, as the target's role."""

    @property
    def text(self) -> str:
        """As part of a list."""
        more = f" and {len(self.places) - 1} more" if len(self.places) > 1 else ""
        return f"{self.name} of '{self.owner}' ({self.places[0]}{more})"


def find_foreign_functions(source: Connection[TupleRow], tables: Collection[int]) -> list[ForeignFunction]:
    """Those of the tables with these oids, by name. Reads the catalog alone, which calls none of them.

    psycopg errors pass.
    """
    return [
        ForeignFunction(name, owner, tuple(places), in_source, in_twin)
        for name, owner, places, in_source, in_twin in source.execute(_QUERY, {"tables": list(tables)})
    ]


def foreign_function_lines(source: Connection[TupleRow], found: Collection[ForeignFunction]) -> list[str]:
    """What a person should know of them: at most a line for each server. psycopg errors pass."""
    lines = []
    reads_all = source.execute(_READS_ALL).fetchone() == (True,)
    reader = f"'{source.info.user}'{', which may read every table,' if reads_all else ','}"
    read = [each for each in found if each.in_source]
    made = [each for each in found if each.in_twin]
    if read:
        lines.append(
            f"Reading the source calls, as {reader} functions that no superuser owns: {_list(read)}."
        )
    if made:
        lines.append(
            f"Making the twin calls, as the role that makes it, functions that no superuser of the source"
            f" owns: {_list(made)}."
        )
    return lines


def _list(found: Iterable[ForeignFunction]) -> str:
    texts = [each.text for each in found]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"
