"""What masked values may break and ``plan`` did not try: it may fail, or call an owner's code.

That is CHECK constraints of tables and types, generated columns, and partitions that take every row. They are
read in the database that is built, where their functions are as they will be when rows come: before the
checks of tables are taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.building.rules.late_rule import (
    TYPES,
    USED_TYPES,
    WANTED,
    Computed,
    LateRule,
    asked_for,
)
from appliance.postgres.building.rules.partitions import routed, rules_of_partitions
from appliance.postgres.no_encoding import rows_in
from appliance.postgres.plan import PlannedTable
from appliance.postgres.planning.check_trials import tried_in_source

# Nothing of PostgreSQL itself is noted as a dependency, so whatever is noted is another's.
_FOREIGN = """EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))"""
_CHECKS = f"""{WANTED}
SELECT w.place, k.conname::text, pg_get_expr(k.conbin, k.conrelid), {_FOREIGN},
    coalesce(0 = ANY (k.conkey), true),
    ARRAY(SELECT a.attname::text FROM pg_attribute AS a
          WHERE a.attrelid = w.oid AND a.attnum = ANY (k.conkey))
FROM wanted AS w JOIN pg_constraint AS k ON k.conrelid = w.oid
WHERE k.contype = 'c' AND k.convalidated AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
ORDER BY 1, 2
"""  # noqa: S608
# Up to PostgreSQL 14 the column itself depends on what it is computed from, then its expression does.
_COMPUTED = f"""{WANTED}
SELECT w.place, a.attname::text, pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, a.atttypmod),
    ARRAY(SELECT DISTINCT o.attname::text FROM pg_depend AS r
          JOIN pg_attribute AS o ON o.attrelid = w.oid AND o.attnum = r.refobjsubid AND o.attnum > 0
          WHERE r.refclassid = 'pg_class'::regclass AND r.refobjid = w.oid AND o.attnum <> a.attnum
          AND (r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid
               OR r.classid = 'pg_class'::regclass AND r.objid = w.oid AND r.objsubid = a.attnum)),
    a.attnotnull, t.typtype = 'd' OR EXISTS (
        SELECT FROM pg_depend AS r WHERE r.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
        AND (r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid
             OR r.classid = 'pg_class'::regclass AND r.objid = w.oid AND r.objsubid = a.attnum)),
    CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4
        THEN a.atttypmod - 4 END
FROM wanted AS w JOIN pg_attribute AS a ON a.attrelid = w.oid AND a.attgenerated <> ''
JOIN pg_type AS t ON t.oid = a.atttypid
JOIN pg_attrdef AS d ON d.adrelid = w.oid AND d.adnum = a.attnum
"""  # noqa: S608
_DOMAINS = f"""{USED_TYPES}
SELECT used.place, used.attname::text, k.conname::text, pg_get_expr(k.conbin, 0), {_FOREIGN},
    top.typtype = 'd'
FROM used JOIN pg_constraint AS k ON k.contypid = used.oid AND k.contype = 'c'
JOIN wanted AS w ON w.place = used.place
JOIN pg_attribute AS a ON a.attrelid = w.oid AND a.attname = used.attname
JOIN pg_type AS top ON top.oid = a.atttypid
ORDER BY 1, 2, 3
"""  # noqa: S608


@dataclass(frozen=True)
class _Generated:
    """A generated column and what may keep it from being computed."""

    computed: Computed
    plain: str
    """Its expression as it is written."""
    needs: tuple[str, ...]
    not_null: bool
    foreign: bool
    length: int | None

    @property
    def rule(self) -> str:
        """What is not false of a row that has it."""
        name = identifier(self.computed.name)
        held = f"{name} IS NOT NULL" if self.not_null else f"pg_catalog.num_nulls({name}) >= 0"
        if self.length is None:
            return held
        # A cast that is written cuts, one to store a value does not.
        text = f"pg_catalog.rtrim(({self.plain})::text)"
        return f"{held} AND pg_catalog.char_length({text}) <= {self.length}"

    @property
    def may_fail(self) -> bool:
        plainly = not (self.not_null or self.foreign or self.length is not None)
        return not plainly or not tried_in_source(self.plain, domain=False)


def late_rules(twin: Connection[TupleRow], tables: Sequence[PlannedTable]) -> list[LateRule]:
    """Of the planned tables, those that the plan has not tried. Reads the catalog alone; psycopg errors pass.

    Of partitions that share a check, that with the most rows is tried.
    """
    chosen = {place: table for place, table in enumerate(tables) if table.masked_columns}
    if not chosen:
        return []
    asked = asked_for([(table.schema_name, table.name) for table in tables])
    computed: dict[tuple[int, str], _Generated] = {}
    checks = [row for row in rows_in(twin, _CHECKS, asked) if row[0] - 1 in chosen]
    domains = [row for row in rows_in(twin, _DOMAINS, asked) if row[0] - 1 in chosen]
    for place, name, expression, type_, needs, not_null, foreign, length in rows_in(twin, _COMPUTED, asked):
        if place - 1 in chosen:
            made = Computed(name, f"({expression})::{type_}")
            computed[place - 1, name] = _Generated(made, expression, tuple(needs), not_null, foreign, length)
    roots = routed(chosen)
    if not (checks or domains or computed or roots):
        return []
    types = {(place - 1, name): type_ for place, name, type_ in twin.execute(TYPES, asked)}
    found = [
        *_of_types(chosen, types, domains),
        *_of_tables(chosen, types, computed, checks),
        *_of_generated(chosen, types, computed),
        *rules_of_partitions(twin, chosen, types, roots),
    ]
    return _once_a_root(tables, found)


def _of_types(
    tables: Mapping[int, PlannedTable], types: Mapping[tuple[int, str], str], rows: Iterable[TupleRow]
) -> Iterable[LateRule]:
    by_column: dict[tuple[int, str], list[TupleRow]] = {}
    for row in rows:
        by_column.setdefault((row[0] - 1, row[1]), []).append(row)
    for (place, column), its in by_column.items():
        if column not in {each.name for each in tables[place].masked_columns}:
            continue
        if all(
            direct and not foreign and tried_in_source(said, domain=True)
            for _, _, _, said, foreign, direct in its
        ):
            continue
        yield LateRule(
            table=place,
            names=tuple(dict.fromkeys(row[2] for row in its)),
            expression=" AND ".join(dict.fromkeys(row[3] for row in its)),
            columns=(column,),
            types=(types[place, column],),
            kind="type",
        )


def _of_tables(
    tables: Mapping[int, PlannedTable],
    types: Mapping[tuple[int, str], str],
    computed: Mapping[tuple[int, str], _Generated],
    rows: Iterable[TupleRow],
) -> Iterable[LateRule]:
    for number, name, expression, foreign, whole_row, about in rows:
        place = number - 1
        made = [computed[place, each] for each in about if (place, each) in computed]
        plain = [each for each in about if (place, each) not in computed]
        columns = tuple(dict.fromkeys([*plain, *(need for each in made for need in each.needs)]))
        masked = {each.name for each in tables[place].masked_columns}
        if not whole_row and masked.isdisjoint(columns):
            continue
        if not (foreign or made or whole_row) and tried_in_source(expression, domain=False):
            continue
        yield LateRule(
            table=place,
            names=(name,),
            expression=expression,
            columns=columns,
            types=tuple(types[place, each] for each in columns),
            computed=tuple(each.computed for each in made),
            whole_row=whole_row,
        )


def _of_generated(
    tables: Mapping[int, PlannedTable],
    types: Mapping[tuple[int, str], str],
    computed: Mapping[tuple[int, str], _Generated],
) -> Iterable[LateRule]:
    for (place, name), made in computed.items():
        masked = {each.name for each in tables[place].masked_columns}
        if masked.isdisjoint(made.needs) or not made.may_fail:
            continue
        yield LateRule(
            table=place,
            names=(name,),
            expression=made.rule,
            columns=made.needs,
            types=tuple(types[place, each] for each in made.needs),
            computed=(made.computed,),
            kind="generated",
        )


def _once_a_root(tables: Sequence[PlannedTable], rules: Iterable[LateRule]) -> list[LateRule]:
    largest: dict[tuple[object, ...], LateRule] = {}
    for rule in rules:
        table = tables[rule.table]
        root = table.root.qualified if table.root is not None else table.qualified
        key = (rule.kind, root, rule.names, rule.columns)
        former = largest.get(key)
        if former is None or table.estimated_rows > tables[former.table].estimated_rows:
            largest[key] = rule
    return list(largest.values())
