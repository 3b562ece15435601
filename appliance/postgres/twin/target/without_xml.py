"""What a target cannot hold that was built without libxml: values of type xml, and rules that read XML.

Such a server knows the type and its functions, and makes tables with them; it fails at the first value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.masking.compiled import CompiledColumn
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.building.rules.late_rule import USED_TYPES, WANTED, asked_for
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.plan import PlannedTable
from appliance.postgres.planning.masked_rows import TIMEOUT, may_be_sampled
from appliance.postgres.twin.target.checks import TargetCheck
from appliance.postgres.twin.target.libxml import DO_WITHOUT, READS_XML

_COLUMNS = f"""{USED_TYPES}
SELECT place, attname::text FROM used WHERE oid = 'xml'::regtype ORDER BY 1, 2
"""  # noqa: S608
# The stored tree of an expression has the numbers of the functions that it calls, and its constants. What
# writes XML from rows (table_to_xml) needs no libxml, and a default is evaluated for no row that is copied,
# but its constants are read when the table is made.
_RULES = rf"""{WANTED}, reading AS (
    SELECT ':consttype 14[23] [^{{}}]*:constisnull false' AS constants,
        '\{{XMLEXPR |:funcid (' || string_agg(oid::text, '|') || ') ' AS calls
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname IN ('xml', 'xmlcomment', 'xmlconcat2', 'xmlexists', 'xpath', 'xpath_exists',
        'xml_is_well_formed', 'xml_is_well_formed_content', 'xml_is_well_formed_document')
), rules AS (
    SELECT w.place, 'CHECK constraint' AS kind, k.conname AS name, k.conbin::text AS tree,
        'pg_constraint'::regclass AS classid, k.oid AS objid
    FROM wanted AS w JOIN pg_constraint AS k ON k.conrelid = w.oid
    WHERE k.contype = 'c' AND k.convalidated AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
    UNION ALL
    SELECT w.place, 'index', c.relname, concat(i.indexprs::text, i.indpred::text), 'pg_class'::regclass, c.oid
    FROM wanted AS w JOIN pg_index AS i ON i.indrelid = w.oid JOIN pg_class AS c ON c.oid = i.indexrelid
    UNION ALL
    SELECT w.place, CASE a.attgenerated WHEN '' THEN 'default of' ELSE 'generated column' END,
        a.attname, d.adbin::text, 'pg_attrdef'::regclass, d.oid
    FROM wanted AS w JOIN pg_attribute AS a ON a.attrelid = w.oid AND a.attgenerated IN ('', 's')
    JOIN pg_attrdef AS d ON d.adrelid = w.oid AND d.adnum = a.attnum
)
SELECT place, kind, name::text, classid::bigint, objid::bigint FROM rules, reading
WHERE tree ~ constants OR (kind <> 'default of' AND tree ~ calls) ORDER BY 1, 2, 3
"""  # noqa: S608


def check_xml(
    source: Connection[TupleRow], tables: Sequence[PlannedTable], checks: Sequence[TargetCheck]
) -> None:
    """Raises WrongRequestError for all of the planned tables that would fail on a target; psycopg errors go
    through.

    Of a column of the type it is asked whether it has a value: NULL can be loaded. Partitions of a table say
    the same, once.
    """
    lacking = [each for each in checks if not each.reads_xml]
    if lines := _needing_xml(source, tables, lacking) if lacking else []:
        raise WrongRequestError(
            "\n".join(lines),
            "No row has been copied.",
            "Use a target that was built with libxml, or do as above, and run it again.",
        )


def _needing_xml(
    source: Connection[TupleRow], tables: Sequence[PlannedTable], lacking: Sequence[TargetCheck]
) -> list[str]:
    asked = asked_for([(table.schema_name, table.name) for table in tables])
    held = list(dict.fromkeys(_columns_held(source, tables, source.execute(_COLUMNS, asked).fetchall())))
    proven = list(dict.fromkeys(_columns_proven(tables)))
    rules = source.execute(_RULES, asked).fetchall()
    lines: dict[str, None] = {}
    for target in lacking:
        lacks = f"the target '{target.facts.connection}' was built without libxml"
        for name in held:
            lines[f"{name}: {lacks} and takes no value of the type xml; of the masks only null goes"] = None
        for name in proven:
            lines[f"{name}: the mask 'xml' is proven in the twin, and {lacks}; {DO_WITHOUT}"] = None
        for place, kind, name, *identity in rules:
            if tuple(identity) not in target.left_behind:
                lines[_rule(tables[place - 1], kind, name, lacks)] = None
    return list(lines)


def _columns_held(
    source: Connection[TupleRow], tables: Sequence[PlannedTable], found: Sequence[TupleRow]
) -> Iterator[str]:
    for place, name in found:
        table = tables[place - 1]
        column = next((each for each in table.columns if each.name == name), None)
        if column is not None and _has_value(source, table, column):
            yield f"{_shown(table)}.{name}"


def _columns_proven(tables: Sequence[PlannedTable]) -> Iterator[str]:
    for table in tables:
        for column in table.masked_columns:
            proven = (
                sql for each in column.proved() for sql in (each.value_sql, each.leak_sql, each.shape_sql)
            )
            if any(sql is not None and READS_XML in sql for sql in proven):
                yield f"{_shown(table)}.{column.name}"


def _has_value(source: Connection[TupleRow], table: PlannedTable, column: CompiledColumn) -> bool:
    """Whether a row would be loaded with one, as far as it can be said soon."""
    if column.proof == "constant" and column.output_domain_sql is None:
        return False
    if not may_be_sampled(table):
        return True
    rows = rows_of(table)
    if not (column.mask == "constant" and not column.options.get("keep_null")):
        rows += (
            f" {'AND' if table.where_sql is not None else 'WHERE'} t.{identifier(column.name)} IS NOT NULL"
        )
    try:
        with source.transaction(force_rollback=True):
            source.execute(TIMEOUT)
            found = source.execute(f"SELECT EXISTS (SELECT {rows})".encode()).fetchone()
    except psycopg.errors.QueryCanceled:
        return True
    return found != (False,)


def _rule(table: PlannedTable, kind: str, name: str, lacks: str) -> str:
    ways = {
        "CHECK constraint": f'leave_out: ["check {name} on {_shown(table)}"] does without it',
        "index": f'leave_out: ["index {table.schema_name}.{name}"] does without it',
    }
    way = ways.get(kind, "tables.exclude leaves the table out")
    return f"The {kind} {name} of {_shown(table)} reads XML, and {lacks}; {way}"


def _shown(table: PlannedTable) -> str:
    return (table.root or table).qualified
