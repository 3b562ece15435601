"""A condition over the rows of a table as a tree: what ``rows: where`` means, whatever its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

CastType = Literal["date", "timestamp", "timestamptz", "time", "numeric", "bigint", "integer", "text", "uuid"]
Comparator = Literal["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
Truth = Literal["NULL", "TRUE", "FALSE"]


@dataclass(frozen=True)
class ColumnName:
    """A column of the table, as it is stored."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A literal: its text for a string, itself for a number, a truth value or NULL."""

    value: str
    is_string: bool
    cast: CastType | None = None


Function = Literal["lower", "upper", "length", "btrim", "left", "right", "coalesce"]
"""What may be called: functions of PostgreSQL that fail for no value."""


@dataclass(frozen=True)
class Applied:
    """A function of some operands."""

    function: Function
    operands: tuple[Operand, ...]


Operand = ColumnName | Constant | Applied


@dataclass(frozen=True)
class Compared:
    """Two operands and what lies between them."""

    left: Operand
    comparator: Comparator
    right: Operand


@dataclass(frozen=True)
class OneOf:
    """IN."""

    operand: Operand
    values: tuple[Operand, ...]


@dataclass(frozen=True)
class Within:
    """BETWEEN."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True)
class Matches:
    """LIKE, or ILIKE where ``folded``."""

    operand: Operand
    pattern: str
    folded: bool


@dataclass(frozen=True)
class Is:
    """IS NULL, IS TRUE, IS FALSE."""

    operand: Operand
    what: Truth


@dataclass(frozen=True)
class Holds:
    """A boolean column as a condition."""

    operand: Operand


@dataclass(frozen=True)
class Not:
    """The contrary."""

    condition: Condition


@dataclass(frozen=True)
class Joined:
    """All of them, or any of them."""

    word: Literal["AND", "OR"]
    conditions: tuple[Condition, ...]


Condition = Compared | OneOf | Within | Matches | Is | Holds | Not | Joined


def columns_of(condition: Condition) -> Iterator[str]:
    """The columns that it names."""
    if isinstance(condition, Not):
        yield from columns_of(condition.condition)
    elif isinstance(condition, Joined):
        for each in condition.conditions:
            yield from columns_of(each)
    else:
        yield from (each.name for operand in operands_of(condition) for each in named_in(operand))


def named_in(operand: Operand) -> Iterator[ColumnName]:
    """The columns that an operand is made from."""
    if isinstance(operand, ColumnName):
        yield operand
    elif isinstance(operand, Applied):
        for each in operand.operands:
            yield from named_in(each)


def operands_of(condition: Compared | OneOf | Within | Matches | Is | Holds) -> tuple[Operand, ...]:
    """What one condition looks at."""
    if isinstance(condition, Compared):
        return (condition.left, condition.right)
    if isinstance(condition, OneOf):
        return (condition.operand, *condition.values)
    if isinstance(condition, Within):
        return (condition.operand, condition.low, condition.high)
    return (condition.operand,)
