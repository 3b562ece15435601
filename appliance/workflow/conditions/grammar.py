"""The grammar of conditions over a row: columns, literals, comparisons, AND OR NOT IN LIKE BETWEEN IS.

A condition in it is read into a tree of our own, and SQL is written from that tree, never from the text: so
it can call nothing but a few functions and look at nothing but the row. What goes beyond is *free SQL*, whose
author needs trust.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from appliance.workflow.conditions.tree import (
    Applied,
    CastType,
    ColumnName,
    Comparator,
    Compared,
    Condition,
    Constant,
    Function,
    Holds,
    Is,
    Joined,
    Matches,
    Not,
    OneOf,
    Operand,
    Truth,
    Within,
)

if TYPE_CHECKING:
    from sqlglot import exp


class BeyondGrammarError(ValueError):
    """Why a condition is free SQL, as the end of a sentence that begins with the condition."""


_DEEPEST = 100
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_CASTS: dict[str, CastType] = {
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPNTZ": "timestamp",
    "TIMESTAMPTZ": "timestamptz",
    "TIME": "time",
    "DECIMAL": "numeric",
    "BIGINT": "bigint",
    "INT": "integer",
    "TEXT": "text",
    "UUID": "uuid",
}
_COMPARATORS: dict[str, Comparator] = {
    "EQ": "=",
    "NEQ": "<>",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "NullSafeEQ": "IS NOT DISTINCT FROM",
    "NullSafeNEQ": "IS DISTINCT FROM",
}
_FUNCTIONS: dict[str, Function] = {
    "Lower": "lower",
    "Upper": "upper",
    "Length": "length",
    "Trim": "btrim",
    "Left": "left",
    "Right": "right",
    "Coalesce": "coalesce",
}
FUNCTIONS = "lower, upper, length, trim, left, right, coalesce"
_DEEPEST_OPERAND = 10
_WHAT = {
    "In": "a subquery",
    "Select": "a subquery",
    "Subquery": "a subquery",
    "Exists": "a subquery",
    "Any": "ANY",
    "Cast": "a cast of something that is no literal, or to a type that is not built in",
    "Escape": "ESCAPE",
    "Collate": "COLLATE",
    "DPipe": "the operator ||",
    "RegexpLike": "a regular expression",
}


@lru_cache(maxsize=256)
def parse_condition(text: str) -> Condition:
    """The condition as a tree. Raises BeyondGrammarError for all that the grammar does not have."""
    import sqlglot  # noqa: PLC0415 - 0.1 s that only a filter of rows is worth
    from sqlglot import exp  # noqa: PLC0415

    try:
        condition = _condition(sqlglot.parse_one(text, dialect="postgres", into=exp.Condition))
        if _depth(condition) > _DEEPEST:
            raise RecursionError
    except sqlglot.errors.SqlglotError:
        raise BeyondGrammarError("cannot be read as a condition") from None
    except RecursionError:
        raise BeyondGrammarError("nests too deep") from None
    return condition


def why_free(text: str) -> str | None:
    """Why a condition is free SQL; None for one in the grammar."""
    try:
        parse_condition(text)
    except BeyondGrammarError as beyond:
        return str(beyond)
    return None


def _depth(condition: Condition) -> int:
    if isinstance(condition, Not):
        return 1 + _depth(condition.condition)
    if isinstance(condition, Joined):
        return 1 + max(_depth(each) for each in condition.conditions)
    return 1


def _condition(node: exp.Expr) -> Condition:  # noqa: PLR0911 - one for each form
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(node, exp.Paren):
        return _condition(_only(node, "this"))
    if isinstance(node, exp.Not):
        return Not(_condition(_only(node, "this")))
    if isinstance(node, exp.And | exp.Or):
        word: Literal["AND", "OR"] = "AND" if isinstance(node, exp.And) else "OR"
        return Joined(word, tuple(_condition(each) for each in node.flatten(unnest=False)))
    comparator = _COMPARATORS.get(type(node).__name__)
    if comparator is not None:
        left, right = _parts(node, "this", "expression")
        return Compared(_operand(left), comparator, _operand(right))
    if isinstance(node, exp.In) and node.expressions:
        this, _ = _parts(node, "this", "expressions")
        return OneOf(_operand(this), tuple(_operand(each) for each in node.expressions))
    if isinstance(node, exp.Between):
        this, low, high = _parts(node, "this", "low", "high")
        return Within(_operand(this), _operand(low), _operand(high))
    if isinstance(node, exp.Like | exp.ILike | exp.Is):
        return _tested(node)
    if isinstance(node, exp.Column):
        return Holds(_operand(node))
    raise _beyond(node)


def _tested(node: exp.Expr) -> Condition:
    """LIKE and IS, which may carry their own NOT."""
    from sqlglot import exp  # noqa: PLC0415

    negated = bool(node.args.get("negate"))
    this, what = _parts(node, "this", "expression", also="negate")
    found: Condition
    if isinstance(node, exp.Is):
        if not isinstance(what, exp.Null | exp.Boolean):
            raise _beyond(what)
        truth: Truth = "NULL" if isinstance(what, exp.Null) else "TRUE" if what.this else "FALSE"
        found = Is(_operand(this), truth)
    else:
        pattern = _operand(what)
        if not isinstance(pattern, Constant) or not pattern.is_string or pattern.cast:
            raise BeyondGrammarError("has a pattern of LIKE that is no literal")
        if len(re.search(r"\\*\Z", pattern.value)[0]) % 2:  # type: ignore[index]
            raise BeyondGrammarError("has a pattern of LIKE that ends within an escape")
        found = Matches(_operand(this), pattern.value, isinstance(node, exp.ILike))
    return Not(found) if negated else found


def _operand(node: exp.Expr, depth: int = 0) -> Operand:  # noqa: PLR0911 - one for each form
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(node, exp.Paren):
        return _operand(_only(node, "this"), depth)
    if isinstance(node, exp.Column):
        identifier = _only(node, "this")
        if isinstance(identifier, exp.Identifier):
            return ColumnName(identifier.name if identifier.args.get("quoted") else _folded(identifier.name))
    if isinstance(node, exp.Literal):
        if node.is_string:
            return Constant(node.name, True)
        if _NUMBER.fullmatch(node.name):
            return Constant(node.name, False)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        number = _operand(node.this)
        assert isinstance(number, Constant)  # noqa: S101
        return Constant(f"-{number.value}", False)
    if isinstance(node, exp.Boolean):
        return Constant("TRUE" if node.this else "FALSE", False)
    if isinstance(node, exp.Null):
        return Constant("NULL", False)
    if isinstance(node, exp.Cast) and type(node) is exp.Cast:
        return _typed(node)
    if type(node).__name__ in _FUNCTIONS:
        return _applied(node, depth)
    raise _beyond(node)


def _applied(node: exp.Expr, depth: int) -> Applied:
    """A function that fails for no value. How many characters are cut is a literal, so that it fits."""
    from sqlglot import exp  # noqa: PLC0415

    if depth >= _DEEPEST_OPERAND:
        raise BeyondGrammarError("nests too deep")
    function = _FUNCTIONS[type(node).__name__]
    if isinstance(node, exp.Coalesce):
        first, others = _parts(node, "this", "expressions", also="is_nvl")
        if not isinstance(others, list) or not others:
            raise _beyond(node)
        return Applied(function, tuple(_operand(each, depth + 1) for each in [first, *others]))
    if function in ("left", "right"):
        text, count = (_operand(each, depth + 1) for each in _parts(node, "this", "expression"))
        if (
            not isinstance(count, Constant)
            or not re.fullmatch(r"-?[0-9]{1,6}", count.value)
            or count.is_string
        ):
            raise BeyondGrammarError(f"calls {function} with a number of characters that is no literal")
        return Applied(function, (text, count))
    return Applied(function, (_operand(_only(node, "this"), depth + 1),))


def _typed(node: exp.Expr) -> Constant:
    """A literal with its type: ``date '2024-01-31'``, ``'5'::bigint``."""
    from sqlglot import exp  # noqa: PLC0415

    value, to = _parts(node, "this", "to")
    kind = _CASTS.get(to.this.name if isinstance(to, exp.DataType) and hasattr(to.this, "name") else "")
    plain = not any(each for key, each in to.args.items() if key not in ("this", "nested"))
    if kind is None or not plain or not isinstance(value, exp.Literal) or not value.is_string:
        raise _beyond(node)
    return Constant(value.name, True, kind)


def _folded(name: str) -> str:
    """As PostgreSQL folds what is not quoted: only ASCII."""
    return "".join(character.lower() if character.isascii() else character for character in name)


def _only(node: exp.Expr, name: str) -> exp.Expr:
    (part,) = _parts(node, name)
    return part


def _parts(node: exp.Expr, *names: str, also: str = "") -> list[exp.Expr]:
    """The named parts; anything else that the node carries is something the grammar does not have."""
    known = {*names, also, "quoted"}
    if any(each for key, each in node.args.items() if key not in known) or node.comments:
        raise _beyond(node)
    return [node.args[name] for name in names]


def _beyond(node: exp.Expr) -> BeyondGrammarError:
    from sqlglot import exp  # noqa: PLC0415

    name = type(node).__name__
    if isinstance(node, exp.Func) and name not in _WHAT:
        return BeyondGrammarError(f"calls a function besides {FUNCTIONS}")
    what = _WHAT.get(
        name, "something besides columns, literals, comparisons, AND, OR, NOT, IN, LIKE, BETWEEN, IS"
    )
    return BeyondGrammarError(f"has {what}")
