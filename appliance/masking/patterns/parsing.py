"""A regular expression as people write it, read by Python's own parser into the few things that there may be.

What is written is never pasted into SQL: it becomes a tree, and the tree is written for PostgreSQL. What the
two engines do not read alike (lazy and possessive repeats, references back, looking around, inline flags) is
refused with what to write instead.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 500
MOST_REPEATS = 255
"""PostgreSQL takes no larger number in braces."""
MOST_STATES = 2_000
"""Of the automaton that a pattern becomes, counted roughly: beyond, PostgreSQL gives up or takes long."""
LAST = 0x10FFFF
_CATEGORIES: dict[Any, tuple[tuple[int, int], ...]] = {
    codes.CATEGORY_DIGIT: ((48, 57),),
    codes.CATEGORY_SPACE: ((9, 13), (32, 32)),
    codes.CATEGORY_WORD: ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_OPPOSITES = {
    codes.CATEGORY_NOT_DIGIT: codes.CATEGORY_DIGIT,
    codes.CATEGORY_NOT_SPACE: codes.CATEGORY_SPACE,
    codes.CATEGORY_NOT_WORD: codes.CATEGORY_WORD,
}
Ranges = tuple[tuple[int, int], ...]


class WrongRegexpError(ValueError):
    """Says what is wrong with a pattern, and ``expected`` what may stand there."""

    def __init__(self, what: str, expected: str) -> None:
        self.what, self.expected = what, expected
        super().__init__(f"{what}; expected {expected}")


@dataclass(frozen=True)
class Chars:
    """One character of these ranges of code points, which are in order and apart."""

    ranges: Ranges


@dataclass(frozen=True)
class Edge:
    """The beginning (``^``) or the end (``$``) of the whole text."""

    sign: str


@dataclass(frozen=True)
class Chain:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    """One of these."""

    branches: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """So many times, as many as there are; ``most`` is None for no limit."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True)
class Group:
    """In brackets; ``number`` is None for one that is not counted."""

    part: Node
    number: int | None


Node = Chars | Edge | Chain | Either | Repeat | Group


def parse(pattern: str, *, ignore_case: bool = False) -> Node:
    """The tree. Raises WrongRegexpError."""
    if len(pattern) > LONGEST:
        raise WrongRegexpError(f"has {len(pattern)} characters", f"at most {LONGEST}")
    if "\0" in pattern or any("\ud800" <= sign <= "\udfff" for sign in pattern):
        raise WrongRegexpError("has a character that PostgreSQL text cannot hold", "plain text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            found = parser.parse(pattern, re.ASCII)
    except (re.error, FutureWarning, RecursionError, OverflowError) as error:
        reason = str(error).partition(" at position")[0][:100]
        raise WrongRegexpError(
            f"is no regular expression: {reason}", "one such as [0-9]{3}-[0-9]{4}"
        ) from None
    if found.state.flags & ~(re.ASCII | re.UNICODE):
        raise WrongRegexpError("has flags in it", "the parameter ignore_case")
    tree = _sequence(found, ignore_case)
    if states(tree) > MOST_STATES:
        raise WrongRegexpError("repeats too much inside what repeats", "a smaller number in braces")
    return tree


def states(node: Node) -> int:
    """About how many states an automaton for it has."""
    match node:
        case Chars() | Edge():
            return 1
        case Group(part):
            return states(part)
        case Repeat(part, least, most):
            return states(part) * max(1, least + 1 if most is None else most)
        case Chain(parts) | Either(parts):
            return sum(states(part) for part in parts) + 1


def _sequence(items: Sequence[Any], fold: bool) -> Node:
    parts = tuple(_node(code, value, fold) for code, value in items)
    return parts[0] if len(parts) == 1 else Chain(parts)


def _node(code: Any, value: Any, fold: bool) -> Node:  # noqa: PLR0911 - a list of what there is
    if code is codes.LITERAL:
        return Chars(_folded(((value, value),), fold))
    if code is codes.NOT_LITERAL:
        return Chars(_without(_folded(((value, value),), fold)))
    if code is codes.ANY:
        return Chars(((1, 9), (11, LAST)))
    if code is codes.IN:
        ranges = _set(value, fold)
        if not ranges:
            raise WrongRegexpError("has a set that no character is in", "a set such as [^,]")
        return Chars(ranges)
    if code is codes.BRANCH:
        return Either(tuple(_sequence(branch, fold) for branch in value[1]))
    if code is codes.SUBPATTERN:
        number, added, removed, inner = value
        if added or removed:
            raise WrongRegexpError("has flags in it", "the parameter ignore_case")
        return Group(_sequence(inner, fold), number)
    if code is codes.MAX_REPEAT:
        least, most, inner = value
        most = None if most is codes.MAXREPEAT else int(most)
        if max(least, most or 0) > MOST_REPEATS:
            raise WrongRegexpError(f"repeats more than {MOST_REPEATS} times", "a smaller number, + or *")
        return Repeat(_sequence(inner, fold), int(least), most)
    if code is codes.AT and value in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
        return Edge("^")
    if code is codes.AT and value in (codes.AT_END, codes.AT_END_STRING):
        return Edge("$")
    raise WrongRegexpError(*_REFUSED.get(code, ("has something that is not known here", "a plain pattern")))


_REFUSED: dict[Any, tuple[str, str]] = {
    codes.MIN_REPEAT: (
        "repeats as little as possible (*?)",
        "what may not be crossed, such as [^,]* for .*?",
    ),
    codes.POSSESSIVE_REPEAT: ("repeats without giving back (*+)", "a plain repeat"),
    codes.ATOMIC_GROUP: ("has a group that gives nothing back (?>…)", "a plain group"),
    codes.GROUPREF: ("refers back to a group", "a pattern without references; they may stand in `replace`"),
    codes.GROUPREF_EXISTS: ("depends on a group", "a pattern without conditions"),
    codes.ASSERT: ("looks around (?=…)", "a group around what is to stay, and its number in `replace`"),
    codes.ASSERT_NOT: ("looks around (?!…)", "a set of characters, such as [^0-9]"),
    codes.AT: ("looks at the edge of a word", "a group around what is to stay, and its number in `replace`"),
}


def _set(items: Sequence[Any], fold: bool) -> Ranges:
    found: list[tuple[int, int]] = []
    negated = False
    for code, value in items:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            found.append((value, value))
        elif code is codes.RANGE:
            found.append((value[0], value[1]))
        elif value in _OPPOSITES:
            found += _without(_CATEGORIES[_OPPOSITES[value]])
        else:
            found += _CATEGORIES[value]
    ranges = _folded(tuple(found), fold)
    return _without(ranges) if negated else ranges


def _folded(ranges: Ranges, fold: bool) -> Ranges:
    """With the other case of A to Z, where case is ignored."""
    found = list(ranges)
    for first, last in ranges if fold else ():
        for low, high, other in ((65, 90, 32), (97, 122, -32)):
            if (start := max(first, low)) <= (end := min(last, high)):
                found.append((start + other, end + other))
    return _merged(found)


def _merged(ranges: Sequence[tuple[int, int]]) -> Ranges:
    made: list[tuple[int, int]] = []
    for first, last in sorted((max(first, 1), min(last, LAST)) for first, last in ranges):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        elif first <= last:
            made.append((first, last))
    return tuple(made)


def _without(ranges: Ranges) -> Ranges:
    """All other characters."""
    made, start = [], 1
    for first, last in _merged(ranges):
        if start < first:
            made.append((start, first - 1))
        start = last + 1
    return (*made, (start, LAST)) if start <= LAST else tuple(made)
