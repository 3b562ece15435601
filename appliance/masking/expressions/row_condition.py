"""The SQL of a condition over a row: of ``rows: where``, and of a mask's ``when``.

It is written anew from the condition's tree: columns quoted, literals escaped, and only operators and
functions of PostgreSQL over types of PostgreSQL, so that nothing of the source's own is called. None of them
fails for a value.
"""

from __future__ import annotations

from appliance.documents.problems import did_you_mean
from appliance.masking.expressions.sql_text import identifier, literal
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.tree import (
    Applied,
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
    named_in,
    operands_of,
)

_CAST = {"integer": "int4", "bigint": "int8"}
_TEXT = frozenset({"text", "character varying", "character", "bpchar"})


def row_condition(condition: Condition, table: Table, alias: str = "") -> str:
    """The condition, in parentheses, over the table under an alias. ``row_misfits`` must have found none."""
    columns = {column.name: column for column in table.columns}
    return _Writing(columns, f"{alias}." if alias else "").sql(condition)


def row_misfits(condition: Condition, table: Table) -> list[str]:
    """Why a condition does not fit the table, a sentence each."""
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
    likened = {each.name for operand in _likened(condition) for each in named_in(operand)}
    found += [
        f"{name} has a nondeterministic collation, which LIKE cannot compare by"
        for name in sorted(likened & columns.keys())
        if not columns[name].deterministic
    ]
    return found


def is_same_anywhere(condition: Condition, table: Table) -> bool:
    """Whether another server, with another library of locales and other settings, decides it alike."""
    columns = {column.name: column for column in table.columns}
    if any(not _is_plain(columns[name]) for name in columns_of(condition)):
        return False
    return all(_is_same(each, columns) for each in _simple(condition))


def _simple(condition: Condition) -> list[Compared | OneOf | Within | Matches | Is | Holds]:
    if isinstance(condition, Not):
        return _simple(condition.condition)
    if isinstance(condition, Joined):
        return [simple for each in condition.conditions for simple in _simple(each)]
    return [condition]


def _likened(condition: Condition) -> list[Operand]:
    return [each.operand for each in _simple(condition) if isinstance(each, Matches)]


def _is_plain(column: Column) -> bool:
    return column.deterministic and (
        column.base_kind == "enum"
        or column.base_type in {*_TEXT, "smallint", "integer", "bigint", "numeric", "boolean", "uuid"}
    )


def _is_same(condition: Compared | OneOf | Within | Matches | Is | Holds, columns: dict[str, Column]) -> bool:
    operands = operands_of(condition)
    of_text = any(columns[each.name].base_type in _TEXT for operand in operands for each in named_in(operand))
    by_order = isinstance(condition, Within) or (
        isinstance(condition, Compared) and condition.comparator in ("<", "<=", ">", ">=")
    )
    by_case = isinstance(condition, Matches) and condition.folded
    texts = [condition.pattern] if isinstance(condition, Matches) else []
    texts += [each.value for each in operands if isinstance(each, Constant) and each.is_string]
    return (
        not (of_text and by_order)
        and not by_case
        and not any(_changes_case(each) for each in operands)
        and all(text.isascii() for text in texts)
    )


def _changes_case(operand: Operand) -> bool:
    return isinstance(operand, Applied) and (
        operand.function in ("lower", "upper") or any(_changes_case(each) for each in operand.operands)
    )


def _is_built_in(column: Column) -> bool:
    """Its operators are PostgreSQL's own, or become so as text."""
    if _is_citext(column) or column.base_kind == "enum":
        return True
    return column.base_kind not in ("composite", "domain") and "." not in column.base_type


def _is_citext(column: Column) -> bool:
    return column.base_kind == "base" and column.base_type.rpartition(".")[2] == "citext"


class _Writing:
    """Writes conditions over the columns of one table."""

    def __init__(self, columns: dict[str, Column], prefix: str) -> None:
        self._columns, self._prefix = columns, prefix

    def sql(self, condition: Condition) -> str:  # noqa: PLR0911 - one for each form
        """A condition in parentheses."""
        if isinstance(condition, Not):
            return f"(NOT {self.sql(condition.condition)})"
        if isinstance(condition, Joined):
            return "(" + f" {condition.word} ".join(self.sql(each) for each in condition.conditions) + ")"
        named = [list(named_in(each)) for each in operands_of(condition)]
        folded = any(_is_citext(self._columns[each.name]) for names in named for each in names)
        # Of two columns each may bring a collation, and the server would not know which to compare by.
        texts = [
            names for names in named if any(self._columns[each.name].base_type in _TEXT for each in names)
        ]
        collated = len(texts) > 1 or (len(texts) == 1 and len({each.name for each in texts[0]}) > 1)

        def shown(operand: Operand) -> str:
            return self._operand(operand, folded=folded, collated=collated)

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

    def _operand(self, operand: Operand, *, folded: bool, collated: bool) -> str:
        """``folded``: citext is compared without regard to case, by its text and none of its operators."""
        if isinstance(operand, Applied):
            given = ", ".join(
                self._operand(each, folded=folded, collated=collated) for each in operand.operands
            )
            return f"{operand.function}({given})"
        if isinstance(operand, ColumnName):
            name = f"{self._prefix}{identifier(operand.name)}"
            if folded and _is_citext(self._columns[operand.name]):
                # The type's own output function, and NULL for NULL.
                name = f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"
            if collated and self._columns[operand.name].base_type in _TEXT:
                name = f'({name} COLLATE "default")'
            return f"lower({name})" if folded else name
        if not operand.is_string:
            return operand.value
        text = literal(operand.value)
        if operand.cast is not None:
            return f"{text}::pg_catalog.{_CAST.get(operand.cast, operand.cast)}"
        return f"lower({text})" if folded else text
