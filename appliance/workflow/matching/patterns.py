"""Patterns over names: ``schema.table`` and ``schema.table.column``, with ``*`` inside their parts.

Names are compared exactly as the database stores them; nothing is folded to lower case. An unquoted part
may hold anything but a dot, a double quote and white space, and its ``*`` stand for any characters or none.
Between double quotes everything is literal, ``*`` and dots too, and ``""`` is one double quote, as in
``sales."Order.Lines".*``.

The more specific of two patterns that match a column wins. Specificity is looked at part by part, the
column first, then the table, then the schema: a part without wildcard beats one with literal characters and
a wildcard, which beats a bare ``*``; of two with wildcards the one with more literal characters wins. So
``*.*.ssn`` beats ``public.customer.*``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SEGMENT = re.compile(r'"((?:[^"]|"")+)"|([^."\s]+)|(\.)')
_NEEDS_QUOTES = re.compile(r'[."*\s]')

MAX_LENGTH = 500
"""Three names of 63 characters, quoted, with every character of them doubled, are shorter."""
PARTS = {2: "schema.table", 3: "schema.table.column"}
EXAMPLES = {2: "public.customer or public.*", 3: "public.customer.email or public.customer.*"}

Specificity = tuple[tuple[int, int], ...]


class PatternError(ValueError):
    """The text is not a pattern; the message says what was found, ``expected`` what should stand there."""

    def __init__(self, what: str, expected: str) -> None:
        self.expected = expected
        super().__init__(what)


@dataclass(frozen=True)
class Part:
    """One part of a pattern: the literal pieces between its wildcards (one piece means no wildcard)."""

    pieces: tuple[str, ...]

    @property
    def literal(self) -> bool:
        """It has no wildcard."""
        return len(self.pieces) == 1

    @property
    def specificity(self) -> tuple[int, int]:
        """(2, 0) without a wildcard, (1, literal characters) with one and more, (0, 0) for a bare ``*``."""
        if self.literal:
            return (2, 0)
        characters = sum(map(len, self.pieces))
        return (1, characters) if characters else (0, 0)

    def matches(self, name: str) -> bool:
        """Without backtracking, so that a pattern full of ``*`` costs no more than its length."""
        first, *middle = self.pieces
        if not middle:
            return name == first
        last = middle.pop()
        if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
            return False
        position, end = len(first), len(name) - len(last)
        for piece in middle:
            found = name.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern; ``text`` is how it was written."""

    text: str
    parts: tuple[Part, ...]

    @property
    def literal(self) -> bool:
        """It names exactly one thing."""
        return all(part.literal for part in self.parts)

    @property
    def specificity(self) -> Specificity:
        """Greater is more specific; compared from the last part to the first."""
        return tuple(part.specificity for part in reversed(self.parts))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a literal pattern."""
        return tuple(part.pieces[0] for part in self.parts)

    def matches(self, *names: str) -> bool:
        """Whether these names (schema, table and perhaps column) match, part by part."""
        return all(part.matches(name) for part, name in zip(self.parts, names, strict=True))


@lru_cache(maxsize=16_384)
def parse_pattern(text: str, parts: int) -> Pattern:
    """Read a pattern of 2 or 3 parts. Raises PatternError."""
    expected = f"{PARTS[parts]}, for example {EXAMPLES[parts]}"
    if len(text) > MAX_LENGTH:
        raise PatternError("is too long", expected)
    found: list[list[str]] = [[]]
    position = 0
    while position < len(text):
        segment = _SEGMENT.match(text, position)
        if segment is None:
            raise PatternError(_what_stands_at(text, position), expected)
        quoted, plain, dot = segment.groups()
        if dot:
            found.append([])
        else:
            pieces = [quoted.replace('""', '"')] if quoted else plain.split("*")
            # A part may mix both, as in "Sales."*: the pieces that meet are one.
            here = found[-1]
            here[-1:] = [here[-1] + pieces[0], *pieces[1:]] if here else pieces
        position = segment.end()
    if any(not pieces for pieces in found):
        raise PatternError("has an empty part", expected)
    if len(found) != parts:
        count = f"{len(found)} part" + ("s" if len(found) > 1 else "")
        raise PatternError(f"has {count}", expected)
    # `**` means what `*` does.
    return Pattern(text, tuple(Part(_without_double_stars(pieces)) for pieces in found))


def _without_double_stars(pieces: list[str]) -> tuple[str, ...]:
    first, *rest = pieces
    if not rest:
        return (first,)
    last = rest.pop()
    return (first, *(piece for piece in rest if piece), last)


def _what_stands_at(text: str, position: int) -> str:
    if text[position] == '"':
        return "has a double quote that is not closed"
    return "has white space outside double quotes"


def quote_name(name: str) -> str:
    """A name as a pattern part that matches only it."""
    return '"' + name.replace('"', '""') + '"' if _NEEDS_QUOTES.search(name) or not name else name


def literal_pattern(*names: str) -> str:
    """The pattern text that matches exactly these names."""
    return ".".join(quote_name(name) for name in names)
