"""The SQL of a workflow's row condition, over the table under the alias ``t``.

A condition of the grammar is written anew from its tree: columns quoted, literals escaped, and only operators
of PostgreSQL over types of PostgreSQL, so that nothing of the source's own is called. Free SQL stays as it is
and runs apart, in a session that no key is bound in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from appliance.documents.problems import did_you_mean
from appliance.masking.expressions.sql_text import identifier, literal
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.grammar import BeyondGrammarError, parse_condition, why_free
from appliance.workflow.conditions.tree import (
    ColumnName,
    Compared,
    Condition,
    Constant,
    Holds,
    Is,
    Joined,
    Matches,
    Not,
    OneOf,
    Operand,
    Within,
    columns_of,
    operands_of,
)
from appliance.workflow.matching.rules import SelectedTable

Name = tuple[str, str]
_CAST = {"integer": "int4", "bigint": "int8"}


def condition_sql(table: Table, text: str) -> str:
    """The condition, in parentheses. ``condition_misfits`` must have found nothing."""
    try:
        condition = parse_condition(text)
    except BeyondGrammarError:
        return f"({text}\n)"
    return _sql(condition, {column.name: column for column in table.columns})


def condition_misfits(table: Table, text: str) -> list[str]:
    """Why a condition of the grammar does not fit the table, a sentence each; none for free SQL."""
    try:
        condition = parse_condition(text)
    except BeyondGrammarError:
        return []
    columns = {column.name: column for column in table.columns}
    found = []
    for name in dict.fromkeys(columns_of(condition)):
        column = columns.get(name)
        if column is None:
            close = did_you_mean(name, list(columns))
            hint = f": did you mean {close}?" if close else ""
            found.append(f"unknown column `{name}`{hint}")
        elif not _is_built_in(column):
            found.append(f"{name} is of type {column.type}, whose operators are not PostgreSQL's own")
    return found


def apart(selected: Iterable[SelectedTable]) -> frozenset[Name]:
    """Tables whose rows depend on free SQL: their own, or that of a table they refer to, however far."""
    pointing: dict[Name, set[Name]] = defaultdict(set)
    leaves: dict[Name, list[Name]] = defaultdict(list)
    found: list[Name] = []
    for each in selected:
        own = each.table.all_names[-1]
        leaves[own].append(each.table.all_names[0])
        for key in each.table.foreign_keys:
            pointing[key.to_schema, key.to_table].add(own)
        if each.rows is not None and each.rows.where is not None and why_free(each.rows.where) is not None:
            found.append(own)
    seen = set(found)
    for name in found:
        further = pointing[name] - seen
        seen |= further
        found.extend(further)
    return frozenset(leaf for name in seen for leaf in leaves[name])


def _is_built_in(column: Column) -> bool:
    """Its operators are PostgreSQL's own, or become so as text."""
    if _is_citext(column) or column.base_kind == "enum":
        return True
    return column.base_kind not in ("composite", "domain") and "." not in column.base_type


def _is_citext(column: Column) -> bool:
    return column.base_kind == "base" and column.base_type.rpartition(".")[2] == "citext"


def _sql(condition: Condition, columns: dict[str, Column]) -> str:  # noqa: PLR0911 - one for each form
    if isinstance(condition, Not):
        return f"(NOT {_sql(condition.condition, columns)})"
    if isinstance(condition, Joined):
        return "(" + f" {condition.word} ".join(_sql(each, columns) for each in condition.conditions) + ")"
    folded = any(
        isinstance(each, ColumnName) and _is_citext(columns[each.name]) for each in operands_of(condition)
    )

    def shown(operand: Operand) -> str:
        return _operand(operand, columns, folded=folded)

    if isinstance(condition, Compared):
        return f"({shown(condition.left)} {condition.comparator} {shown(condition.right)})"
    if isinstance(condition, OneOf):
        return f"({shown(condition.operand)} IN ({', '.join(shown(each) for each in condition.values)}))"
    if isinstance(condition, Within):
        return f"({shown(condition.operand)} BETWEEN {shown(condition.low)} AND {shown(condition.high)})"
    if isinstance(condition, Matches):
        like = "ILIKE" if condition.folded or folded else "LIKE"
        return f"({shown(condition.operand)} {like} {literal(condition.pattern)})"
    if isinstance(condition, Is):
        return f"({shown(condition.operand)} IS {condition.what})"
    assert isinstance(condition, Holds)  # noqa: S101
    return f"({shown(condition.operand)})"


def _operand(operand: Operand, columns: dict[str, Column], *, folded: bool) -> str:
    """``folded``: citext is compared without regard to case, by its text and not by its owner's operators."""
    if isinstance(operand, ColumnName):
        name = f"t.{identifier(operand.name)}"
        if folded and _is_citext(columns[operand.name]):
            # The type's own output function, and NULL for NULL.
            name = f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"
        return f"lower({name})" if folded else name
    assert isinstance(operand, Constant)  # noqa: S101
    if not operand.is_string:
        return operand.value
    text = literal(operand.value)
    if operand.cast is not None:
        return f"{text}::pg_catalog.{_CAST.get(operand.cast, operand.cast)}"
    return f"lower({text})" if folded else text
