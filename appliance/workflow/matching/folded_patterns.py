"""Patterns that forbid, compared as a person reads names: ``*.*.ssn`` means ``SSN`` and ``"ssn "`` too.

A workflow's own patterns are compared exactly as the database stores names. A prohibition that did the same
would be passed by a user who may name a column.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from appliance.workflow.matching.patterns import Part, Pattern, parse_pattern

_UNSEEN = {"Cf", "Mn", "Cc"}
"""Format characters (zero width, soft hyphen), marks that stand over a letter, and controls."""


@lru_cache(maxsize=65_536)
def folded(name: str) -> str:
    """A name without what the eye takes for the same: case, width, accents, what is not seen, outer space."""
    return _folded(name).strip()


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(each for each in apart if unicodedata.category(each) not in _UNSEEN)
    return unicodedata.normalize("NFKC", seen)


@dataclass(frozen=True)
class FoldedPattern:
    """A pattern whose parts and names are both folded; ``text`` is how it was written."""

    text: str
    pattern: Pattern

    def matches(self, *names: str) -> bool:
        """Whether these names match, part by part."""
        return self.pattern.matches(*(folded(name) for name in names))

    def matches_table(self, name: tuple[str, str]) -> bool:
        """Whether the first two parts match."""
        schema, table, *_ = self.pattern.parts
        return schema.matches(folded(name[0])) and table.matches(folded(name[1]))

    def matches_column(self, name: str) -> bool:
        """Whether the last part matches."""
        return self.pattern.parts[-1].matches(folded(name))


@lru_cache(maxsize=4_096)
def folded_pattern(text: str, parts: int) -> FoldedPattern:
    """Read a pattern of 2 or 3 parts. Raises PatternError."""
    written = parse_pattern(text, parts)
    return FoldedPattern(text, Pattern(text, tuple(_folded_part(part) for part in written.parts)))


def folded_patterns(texts: Iterable[str], parts: int) -> list[FoldedPattern]:
    """Several of them."""
    return [folded_pattern(text, parts) for text in texts]


def _folded_part(part: Part) -> Part:
    """Outer space goes at the ends of the whole part; beside a wildcard it may be inside of a name."""
    first, *rest = [_folded(piece) for piece in part.pieces]
    if not rest:
        return Part((first.strip(),))
    return Part((first.lstrip(), *rest[:-1], rest[-1].rstrip()))
