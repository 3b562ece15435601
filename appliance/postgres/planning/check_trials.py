"""CHECK constraints over masked columns, tried on some rows of the source before any is copied.

What a mask gives can break a rule that its originals keep: a length, a bound, a list of values. So the source
evaluates the rule over masked values of some rows, under a key that is thrown away, and says how many break
it. Only rules are tried that call functions of PostgreSQL which fail for no value (a failure would show one
in the server's log), and only counts come back. A rule that none of the rows breaks may still be broken by
another row. One that cannot be tried here is tried in the empty twin (``building/rules/rule_trials.py``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.documents.problems import Places, Problem
from appliance.masking.compiled import CompiledColumn
from appliance.masking.expressions.permutation import drawn_once
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.subject_lookups import selected as selected_with
from appliance.postgres.no_encoding import holds_bytes, rows_in
from appliance.postgres.plan import PlannedTable
from appliance.postgres.planning.masked_rows import (
    ROWS,
    TIMEOUT,
    bind_for_trial,
    may_be_sampled,
    other_masks,
)
from appliance.postgres.source.unsupported_objects import as_listed
from appliance.workflow.catalog import Catalog, Column, SpecialKey, Table
from appliance.workflow.matching.decisions import mask_path
from appliance.workflow.matching.rules import SelectedTable

OTHERS_NAMED = 3
# Nothing of PostgreSQL itself is noted as a dependency, so whatever is noted is another's.
_CHECKS = """
SELECT n.nspname, c.relname, k.conname, pg_get_expr(k.conbin, k.conrelid),
       ARRAY(SELECT a.attname::text FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey))
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND k.convalidated AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
    AND k.conrelid = ANY (%(tables)s) AND k.conkey IS NOT NULL
    AND NOT (0 = ANY (k.conkey)) AND NOT EXISTS (
        SELECT FROM pg_depend AS d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
                    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))
ORDER BY 1, 2, 3
"""
_DOMAIN_CHECKS = """
WITH RECURSIVE used AS (
    SELECT a.attrelid, a.attname, t.oid, t.typbasetype
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'd'
    UNION ALL
    SELECT used.attrelid, used.attname, t.oid, t.typbasetype
    FROM used JOIN pg_type AS t ON t.oid = used.typbasetype
    WHERE t.typtype = 'd'
)
SELECT n.nspname, c.relname, k.conname, pg_get_expr(k.conbin, 0), ARRAY[used.attname::text]
FROM used JOIN pg_constraint AS k ON k.contypid = used.oid AND k.contype = 'c'
JOIN pg_class AS c ON c.oid = used.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.convalidated AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
                  AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))
ORDER BY 1, 2, 3
"""
_LITERAL = re.compile(r"E?'(?:[^']|'')*'")
_WORDS = """
and or not in any all array is between when then else case end coalesce nullif greatest least
length char_length character_length octet_length lower upper btrim ltrim rtrim left right position strpos
replace starts_with abs num_nulls num_nonnulls cardinality array_length isempty lower_inf upper_inf date_part
"""
_TOTAL = frozenset(_WORDS.split())
"""What may stand before a parenthesis: words of SQL, and functions that fail for no value."""
_HARMLESS_CAST = re.compile(
    r"""
      ''::[a-z ]+(?:\(\d+\))?(?:\[\])?         # of a literal: PostgreSQL has done it already
    | \(?-?\d+(?:\.\d+)?\)?::[a-z ]+           # of a number
    | ::(?:text|character\ varying|bpchar)(?:\[\])?
    """,
    re.VERBOSE,
)

# Sums and products can be too large, and a pattern that is a value may be none.
_FAILING_OPERATOR = re.compile(r"[-+]|(?<![~*])\*|~\*?\s*[^\s)~*]")


@dataclass(frozen=True)
class _Rule:
    """A CHECK constraint, of a table or of a column's domain."""

    table: tuple[str, str]
    name: str
    expression: str
    columns: tuple[str, ...]
    domain: bool

    @property
    def sql(self) -> str:
        """The expression over the table's columns."""
        if not self.domain:
            return self.expression
        return re.sub(r"\bVALUE\b", identifier(self.columns[0]), self.expression)


def without_left_out(catalog: Catalog, leave_out: Collection[str]) -> Catalog:
    """The catalog without what the workflow leaves out of the rules that rows must keep.

    These are CHECK constraints of tables, exclusion constraints, and unique indexes that have a condition or
    are on expressions.
    """
    named = map(as_listed, leave_out)
    gone = {name for name in named if name.startswith(("table constraint ", "index "))}
    if not gone:
        return catalog

    def left(table: Table, column: Column, names: Iterable[str]) -> tuple[str, ...]:
        # A check of a table above is that of the tables below it.
        above = [f"{schema}.{name}".replace('"', "") for schema, name in table.family(column)]
        return tuple(
            name
            for name in names
            if gone.isdisjoint(f"table constraint {name} on {each}".replace('"', "") for each in above)
        )

    def stays(table: Table, key: SpecialKey) -> bool:
        one = f"table constraint {key.name} on {table.qualified}"
        other = f"index {table.schema_name}.{key.name}"
        return gone.isdisjoint(name.replace('"', "") for name in (one, other))

    return catalog.model_copy(
        update={
            "tables": tuple(
                table.model_copy(
                    update={
                        "special_keys": tuple(key for key in table.special_keys if stays(table, key)),
                        "columns": tuple(
                            column.model_copy(
                                update={
                                    "check_constraints": left(table, column, column.check_constraints),
                                    "null_checks": left(table, column, column.null_checks),
                                }
                            )
                            for column in table.columns
                        ),
                    }
                )
                for table in catalog.tables
            )
        }
    )


def check_problems(
    source: Connection[TupleRow],
    selected: Iterable[SelectedTable],
    planned: Sequence[PlannedTable],
    places: Places,
    encoding: str,
) -> list[Problem]:
    """Rules that some rows would break in the twin, each with masks that keep it. psycopg errors pass."""
    tables = {each.table.all_names[0]: each.table for each in selected if each.table.kind != "partitioned"}
    masked = {
        (each.schema_name, each.name): each
        for each in planned
        if each.masked_columns and may_be_sampled(each)
    }
    oids = [
        table.oid
        for name, table in tables.items()
        if name in masked and any(each.check_constraints or each.domain_has_check for each in table.columns)
    ]
    if not oids:
        return []
    rules = [
        _Rule((schema, table), name, expression, tuple(columns), domain)
        for query, domain in ((_CHECKS, False), (_DOMAIN_CHECKS, True))
        for schema, table, name, expression, columns in rows_in(source, query, {"tables": oids})
    ]
    found: dict[Problem, None] = {}
    for rule in rules:
        table, plan = tables[rule.table], masked[rule.table]
        touched = [each for each in plan.masked_columns if each.name in rule.columns]
        known = {name for each in table.columns for name in each.check_constraints}
        if not rule.domain and rule.name not in known:
            continue
        if not touched or not tried_in_source(rule.expression, domain=rule.domain):
            continue
        tried = _Trial(source, table, plan, rule, encoding)
        rows, broken = tried.broken({})
        if broken:
            first = touched[0]
            name = ".".join([*table.all_names[-1], first.name])
            thing = f"CHECK of its domain, {rule.name}" if rule.domain else f"CHECK constraint {rule.name}"
            others = tried.others(touched)
            what = (
                f"{name}: {broken:,} of {rows:,} rows that were tried would break the {thing}"
                f" {rule.expression}, masked with {' and '.join(each.mask or '' for each in touched)}"
            )
            path = mask_path(first.rule, first.preset)
            ways = [f"{', '.join(others)} or keep: none of these rows breaks it then" if others else "keep"]
            if not rule.domain:
                ways.append(f'leave_out: ["check {rule.name} on {".".join(table.all_names[-1])}"]')
            found[places.problem(path, what, ", or ".join(ways))] = None
    return list(found)


def tried_in_source(expression: str, *, domain: bool) -> bool:
    """Whether no value can make a check fail, as its text says: it calls the server's own functions alone."""
    if domain and any("VALUE" in literal for literal in _LITERAL.findall(expression)):
        return False
    if holds_bytes(expression):
        return False
    bare = _LITERAL.sub("''", expression)
    called = re.findall(r"([\w.\"]+)\s*\(", bare)
    left = _HARMLESS_CAST.sub("", bare)
    return (
        all(word.lower() in _TOTAL for word in called)
        and "::" not in left
        and not re.search(r"\b(SELECT|OPERATOR|CAST|COLLATE)\b|[/%#]", left)
        and not _FAILING_OPERATOR.search(left)
    )


class _Trial:
    """One rule, tried with the plan's masks, and then with others."""

    def __init__(
        self, source: Connection[TupleRow], table: Table, plan: PlannedTable, rule: _Rule, encoding: str
    ) -> None:
        self._source, self._table, self._plan, self._rule = source, table, plan, rule
        self._encoding = encoding
        self._key = secrets.token_bytes(32)

    def broken(self, instead: dict[str, CompiledColumn]) -> tuple[int, int]:
        """Rows tried, and those that keep the rule and would not; (0, 0) where it cannot be said."""
        columns = [
            instead.get(each.name, each) for each in self._plan.columns if each.name in self._rule.columns
        ]
        rule = self._rule.sql
        shown = ", ".join(f"{each.sql} AS {identifier(each.name)}" for each in columns)
        where = rows_of(self._plan)
        tried = selected_with(f"({rule}) AS appliance_held, {shown}", where, columns)
        query = (
            "SELECT count(*), count(*) FILTER"  # noqa: S608
            f" (WHERE m.appliance_held IS NOT FALSE AND ({rule}) IS FALSE)"
            f" FROM ({tried} LIMIT {ROWS}) AS m"
        )
        try:
            with self._source.transaction(force_rollback=True):
                self._source.execute(TIMEOUT)
                bind_for_trial(self._source, columns, self._key)
                row = self._source.execute(drawn_once(query).encode()).fetchone()
        except psycopg.OperationalError:
            if self._source.closed:
                raise
            return 0, 0
        except psycopg.Error:
            return 0, 0
        return (int(row[0]), int(row[1])) if row is not None else (0, 0)

    def others(self, touched: Sequence[CompiledColumn]) -> list[str]:
        """Masks, as they are without parameters, with which no row breaks the rule."""
        if len(touched) != 1:
            return []
        column = next(each for each in self._table.columns if each.name == touched[0].name)
        found: list[str] = []
        for name, compiled in other_masks(self._table, column, touched[0].mask, self._encoding):
            rows, broken = self.broken({column.name: compiled})
            if rows and not broken:
                found.append(name)
            if len(found) == OTHERS_NAMED:
                break
        return found
