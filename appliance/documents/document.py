"""What a document is once it has been read: plain data, and the lines its keys stand on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from appliance.documents.problems import KeyPath, Places, Problem, WrongDocumentError, is_below, path_text

MAX_BYTES = 1024 * 1024
"""A workflow of a thousand tables with a mask for every column is about a third of this."""
MAX_NODES = 100_000
"""Keys, values, lists and mappings together, counted after aliases are expanded."""
MAX_DEPTH = 32
MAX_DIGITS = 40
"""A longer number stays text: none of ours is longer, and converting a huge one takes quadratic time."""

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and halves of surrogate pairs: no PostgreSQL text can hold them, and no UTF-8 file the latter."""


@dataclass(frozen=True)
class Document:
    """A document's data (dicts, lists, str, int, float, bool, None) and where each key of it stands."""

    data: Any
    source_name: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    plain: dict[KeyPath, str] = field(default_factory=dict)
    """What was written for each scalar that did not stay text: ``""`` for no value, ``1.10`` for 1.1."""
    problems: tuple[Problem, ...] = ()
    """Duplicate keys: reported together with whatever else is wrong, so never ignore them."""
    sources: dict[KeyPath, str] = field(default_factory=dict)
    """What set a key from outside of the document, where something did."""
    inserted: dict[KeyPath, str] = field(default_factory=dict)
    """Documents that stand in the place of a name: what lies below such a path is on a line of theirs."""

    def line_of(self, path: KeyPath) -> int | None:
        """The line (from 1) of a key, or of the nearest thing around it that has one; None without lines."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None

    def places(self) -> Places:
        """Where the keys stand, without the data."""
        lines = {path_text(path): line for path, line in self.lines.items() if path}
        return Places(
            self.source_name, lines, {path_text(path): name for path, name in self.inserted.items()}
        )

    def with_inserted(self, others: Mapping[KeyPath, Document]) -> Document:
        """The same with other documents' lines below these paths. The data is the caller's to put in."""
        lines = {
            (*path, *inner): line
            for path, other in others.items()
            for inner, line in other.lines.items()
            if inner
        }
        names = {path: other.source_name for path, other in others.items()}
        return replace(self, lines={**self.lines, **lines}, inserted={**self.inserted, **names})

    def problem(self, path: KeyPath, what: str, expected: str = "") -> Problem:
        """A problem at this place in this document."""
        if path in self.sources:
            return Problem(path, what, expected, None, self.sources[path])
        within = next((name for at, name in self.inserted.items() if is_below(path, at)), None)
        return Problem(path, what, expected, self.line_of(path), within or self.source_name)


def refuse(source: str, line: int | None, what: str, expected: str = "") -> NoReturn:
    """Give up at once, for what makes the rest unreadable."""
    raise WrongDocumentError([Problem((), what, expected, line, source)])


def unstorable(character: str) -> str:
    """What to say of a character that UNSTORABLE found."""
    return f"contains {'a NUL character' if character == chr(0) else 'half of a surrogate pair'}"


def scalar(text: str) -> str | int | float | bool | None:
    """What a plain scalar means: as in JSON, otherwise the text itself."""
    if len(text) <= MAX_DIGITS:
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
            return text[0] in "tT"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    return text
