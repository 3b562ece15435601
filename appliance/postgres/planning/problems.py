"""What the source itself says against a plan: privileges, row-level security, SQL it does not accept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.documents.problems import KeyPath, Places, Problem
from appliance.masking.by_condition import condition_problems
from appliance.masking.expressions.row_condition import row_condition
from appliance.postgres.copying.copy_sql import masked_select, only, rows_of
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import PlannedTable
from appliance.postgres.planning.reading_path import explained
from appliance.postgres.planning.row_condition_sql import condition_misfits, condition_sql
from appliance.postgres.planning.sql_condition import condition_problem
from appliance.postgres.twin.target.libxml import DO_WITHOUT, READS_XML, reads_xml
from appliance.workflow.catalog import Table
from appliance.workflow.conditions.alternatives import alternatives_of
from appliance.workflow.conditions.grammar import parse_condition, why_free
from appliance.workflow.document import Workflow
from appliance.workflow.matching.decisions import mask_path
from appliance.workflow.matching.patterns import parse_pattern
from appliance.workflow.matching.rules import Rule, SelectedTable

_SHOWN = 50
_OF_A_VALUE = "22"
"""The class of SQLSTATEs of a literal that is no value of its type."""
_AT_ONCE = 20
"""Queries that are planned in one round trip: their tables are locked meanwhile, and no longer."""


@dataclass(frozen=True)
class MissingPrivilege:
    """What a role may not do on the source, and the SQL that lets it."""

    what: str
    whose: str
    """Who can run the SQL, as the end of a sentence."""
    sql: tuple[str, ...]


def reading_role(source: Connection[TupleRow]) -> str:
    """The role whose rights count: a login's sessions may be another one's (``ALTER ROLE … SET role``)."""
    row = source.execute("SELECT current_user::text").fetchone()
    assert row is not None  # noqa: S101
    return str(row[0])


def missing_privileges(tables: Iterable[Table], role: str) -> list[MissingPrivilege]:
    """Why the role may not read some of the tables, or not all rows of them."""
    with_rows = [table for table in tables if table.kind != "partitioned"]
    closed = [table for table in with_rows if not table.readable]
    hidden = [table for table in with_rows if table.readable and table.row_security]
    found = []
    if closed:
        schemas = dict.fromkeys(table.schema_name for table in closed)
        names = ", ".join(quoted(table.schema_name, table.name) for table in closed)
        usage = [f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(role)};" for schema in schemas]
        what = f"The role '{role}' may not read {_listed(closed)}."
        found.append(
            MissingPrivilege(what, "on the source", (*usage, f"GRANT SELECT ON {names} TO {quoted(role)};"))
        )
    if hidden:
        what = (
            f"Row-level security would hide rows of {_listed(hidden)} from '{role}', and a part of a table is"
            " not what the workflow asks for."
        )
        sql = (f"ALTER ROLE {quoted(role)} BYPASSRLS;",)
        found.append(MissingPrivilege(what, "on the source, as a superuser", sql))
    return found


def unreadable_tables(selected: Iterable[SelectedTable], role: str) -> list[str]:
    """Lines that say which tables cannot be read; where the role may not, with the SQL that lets it."""
    tables = [each.table for each in selected]
    sharded = [table for table in tables if table.sharded]
    lines = [
        line
        for missing in missing_privileges(tables, role)
        for line in (f"{missing.what} Run {missing.whose}:", *(f"  {statement}" for statement in missing.sql))
    ]
    if sharded:
        lines.append(
            f"Citus keeps the rows of {_listed(sharded)} in shards, and reads them in sessions of its own: no"
            " snapshot covers them. Leave them out under tables.exclude."
        )
    return lines


def unlogged_tables(selected: Iterable[SelectedTable]) -> list[str]:
    """A line for the tables whose rows a standby does not have."""
    unlogged = [each.table for each in selected if each.table.kind == "unlogged"]
    if not unlogged:
        return []
    return [
        f"The source is a standby, and has no rows of {_listed(unlogged)} (UNLOGGED): leave them out under"
        " tables.exclude, or copy from the primary."
    ]


def filter_problems(workflow: Workflow, places: Places) -> list[Problem]:
    """Conditions in the document that cannot be conditions, whatever the source says."""
    return [
        places.problem(("rows", pattern, "where"), problem, "one SQL condition")
        for pattern, rows in workflow.rows.items()
        if rows.where is not None and (problem := condition_problem(rows.where)) is not None
    ]


def quasi_problems(workflow: Workflow, selected: Iterable[SelectedTable], places: Places) -> list[Problem]:
    """Tables and columns under ``quasi`` that are not copied: nothing would be counted of them."""
    tables = {each.table.all_names[-1]: each.table for each in selected}
    found = []
    for text, columns in workflow.quasi.items():
        pattern = parse_pattern(text, 2)
        matched = [table for names, table in tables.items() if pattern.matches(*names)]
        lacking = [
            f"{'.'.join(table.all_names[-1])}.{name}"
            for table in matched
            for name in columns
            if name not in {column.name for column in table.columns}
        ]
        if not matched:
            found.append(places.problem(("quasi", text), "matches no table that is copied"))
        elif lacking or not columns:
            what = f"names no column: {', '.join(lacking)}" if lacking else "names no column"
            found.append(places.problem(("quasi", text), what, "columns that the table has"))
    return found


def refused_filters(
    connection: Connection[TupleRow], selected: Iterable[SelectedTable], workflow: Workflow, places: Places
) -> list[Problem]:
    """Conditions that do not fit the table they are for, or that the source does not accept.

    Nothing is executed, and no key is bound in this session.
    """
    found = []
    for each in selected:
        if each.rows is None or each.rows.where is None or each.table.kind == "partitioned":
            continue
        reasons = condition_misfits(each.table, each.rows.where)
        if not reasons:
            name = quoted(*each.table.all_names[0])
            condition = condition_sql(each.table, each.rows.where)
            state = explained(connection, f"SELECT FROM {only(each.table)}{name} AS t WHERE {condition}")
            reasons = [] if state is None else [_reason(state)]
        if not each.table.ctid_readable and why_free(each.rows.where) is not None:
            why = "the role may read only columns" if each.table.paged else "it is stored in another way"
            reasons.append(f"free SQL chooses rows by their place, and {why}")
        if reasons:
            pattern = next(pattern for pattern, rows in workflow.rows.items() if rows == each.rows)
            what = f"{each.table.qualified}: the source does not accept the condition ({'; '.join(reasons)})"
            found.append(
                places.problem(("rows", pattern, "where"), what, "a condition over the table's columns")
            )
    return found


def refused_conditions(
    connection: Connection[TupleRow], selected: Iterable[SelectedTable], places: Places
) -> list[Problem]:
    """Conditions of masks that the source does not accept, though they fit the table's columns."""
    found: dict[KeyPath, Problem] = {}
    for each in selected:
        for _, decision in each.columns if each.table.kind != "partitioned" else ():
            if not isinstance(decision, Rule):
                continue
            choices = alternatives_of(decision.mask)
            if condition_problems(each.table, choices):
                # Said where the mask is compiled.
                continue
            for number, choice in enumerate(choices):
                at = (*decision.path, number, "when")
                if choice.when is None or at in found:
                    continue
                condition = row_condition(parse_condition(choice.when), each.table, "t")
                name = quoted(*each.table.all_names[0])
                state = explained(connection, f"SELECT FROM {only(each.table)}{name} AS t WHERE {condition}")
                if state is not None:
                    what = (
                        f"{each.table.qualified}: the source does not accept the condition ({_reason(state)})"
                    )
                    found[at] = places.problem(at, what, "a condition over the table's columns")
    return list(found.values())


def filter_warnings(selected: Sequence[SelectedTable]) -> list[str]:
    """What a row filter may do otherwise than its author thinks, a sentence each."""
    return [*_unfiltered_children(selected), *_compared_as_text(selected)]


def _compared_as_text(selected: Sequence[SelectedTable]) -> Iterator[str]:
    """Free SQL over columns whose type brings operators of its own, which only their schema finds."""
    for each in selected:
        if each.rows is None or each.rows.where is None or why_free(each.rows.where) is None:
            continue
        words = set(re.findall(r"\w+", each.rows.where))
        for column in each.table.columns:
            schema, dot, _ = column.base_type.rpartition(".")
            if column.name in words and dot and column.base_kind == "base":
                yield (
                    f"The row filter of {each.table.qualified} speaks of {column.name} ({column.type}):"
                    f" = compares it as text there; write OPERATOR({schema}.=) for the type's own comparison."
                )


def _unfiltered_children(selected: Sequence[SelectedTable]) -> list[str]:
    """A sentence for each filtered table with children by INHERITS that are copied whole beside it."""
    found = []
    for each in selected:
        if each.rows is None:
            continue
        name = each.table.all_names[0]
        children = [
            other.table
            for other in selected
            if other.rows is None
            and any(above.names == name for column in other.table.columns for above in column.inherited_from)
        ]
        if children:
            found.append(
                f"The row filter of {each.table.qualified} does not reach {_listed(children)}, which inherits"
                " from it: a query of the parent shows all of its rows."
            )
    return found


def refused_selects(connection: Connection[TupleRow], tables: Iterable[PlannedTable]) -> list[str]:
    """Tables whose masked query the source does not accept. Only planned, never executed."""
    lines = []
    queries = [(table, masked_select(table)) for table in tables if table.masked_columns or table.filtered]
    for start in range(0, len(queries), _AT_ONCE):
        batch = queries[start : start + _AT_ONCE]
        path, *others = {table.read_path for table, _ in batch}
        if not others and explained(connection, *(query for _, query in batch), path=path) is None:
            continue
        for table, query in batch:
            state = explained(connection, query, path=table.read_path)
            if state is not None:
                lines.append(
                    f"The source does not accept the query for {table.qualified} ({_reason(state)})."
                )
    return lines


def wrong_constants(
    connection: Connection[TupleRow], tables: Iterable[PlannedTable], places: Places
) -> list[Problem]:
    """Masks that write what is no value of the column's type, as the source says. Only planned."""
    found: dict[Problem, None] = {}
    for table in tables:
        for column in table.masked_columns:
            query = f"SELECT {column.sql} {rows_of(table)}"
            state = explained(connection, query, path=table.read_path)
            if state is not None and state.startswith(_OF_A_VALUE):
                name = f"{(table.root or table).qualified}.{column.name}"
                what = f"{name}: what the mask '{column.mask}' writes is no value of the type {column.type}"
                path = mask_path(column.rule, column.preset)
                found[places.problem(path, f"{what} (SQLSTATE {state})", "a value of the type")] = None
    return list(found)


def without_xml(connection: Connection[TupleRow], tables: Iterable[PlannedTable]) -> list[str]:
    """Columns whose masks read XML, where the source was built without it: queries fail when they run."""
    columns = [
        f"{table.qualified}.{column.name}"
        for table in tables
        for column in table.masked_columns
        if READS_XML in column.sql
    ]
    if not columns or reads_xml(connection):
        return []
    return [
        f"{name}: the mask 'xml' needs a server that was built with libxml, and the source was not;"
        f" {DO_WITHOUT}"
        for name in columns
    ]


_REASONS = {
    "42601": "syntax error",
    "42703": "unknown column",
    "42883": "unknown function or operator; one outside pg_catalog needs its schema",
    "42P01": "unknown table; it needs its schema",
    "42804": "not of type boolean, or of types that do not go together",
    "22P02": "a literal that is no value of the type it is compared with",
    "22007": "a literal that is no date or time",
    "22008": "a literal that is no date or time",
    "42P22": "texts of different collations",
    "42803": "an aggregate has no place here",
    "42P20": "a window function has no place here",
    "42501": "a privilege is missing",
}


def _reason(state: str) -> str:
    return f"{_REASONS[state]}, SQLSTATE {state}" if state in _REASONS else f"SQLSTATE {state}"


def _listed(tables: Sequence[Table]) -> str:
    names = ", ".join(table.qualified for table in tables[:_SHOWN])
    more = len(tables) - _SHOWN
    return f"{names} and {more} more" if more > 0 else names
