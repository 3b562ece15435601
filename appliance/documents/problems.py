"""What is wrong with a document: every problem at once, each with its file, line and key path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from appliance.errors import WrongRequestError

KeyPath = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
SHOWN_PROBLEMS = 100
"""More are counted, not printed: no one reads on, and a hostile document must not fill a log."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``what`` and ``expected`` hold no secret and no value out of a row."""

    path: KeyPath
    what: str
    expected: str = ""
    line: int | None = None
    """Counted from 1; None where the document came without lines (JSON over the wire)."""
    source: str = ""

    def text(self) -> str:
        """``file:line: key.path: what is wrong; expected …``, leaving out what is not known."""
        where = ":".join([self.source or "document", *([str(self.line)] if self.line else [])])
        key = f" {path_text(self.path)}:" if self.path else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        return printable(f"{where}:{key} {self.what}{expected}")


@dataclass(frozen=True)
class Places:
    """Where the keys of a document stand, in a form that can be stored beside the model made from it.

    ``lines`` maps ``path_text`` of a key path to its line.
    """

    source: str = ""
    lines: dict[str, int] = field(default_factory=dict)
    inserted: dict[str, str] = field(default_factory=dict)
    """Other documents that stand in the place of a name, by the ``path_text`` of that place."""

    def problem(self, path: KeyPath, what: str, expected: str = "") -> Problem:
        """A problem at this place, on the line of the nearest key around it that has one."""
        around = [path_text(path[:length]) for length in range(len(path), 0, -1)]
        line = next((self.lines[each] for each in around if each in self.lines), None)
        # The place itself is on a line of the document that has the name.
        within = next((self.inserted[each] for each in around[1:] if each in self.inserted), None)
        return Problem(path, what, expected, line, within or self.source)


class WrongDocumentError(WrongRequestError):
    """A document was refused; ``problems`` has all that is wrong with it, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem], next_step: str = "") -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        shown = [problem.text() for problem in self.problems[:SHOWN_PROBLEMS]]
        left_out = len(self.problems) - len(shown)
        if left_out:
            shown.append(f"… and {left_out} more")
        super().__init__("\n".join(shown), "", next_step)


def is_below(path: KeyPath, place: KeyPath) -> bool:
    """Whether a path leads to something within what stands at another one."""
    return len(path) > len(place) and path[: len(place)] == place


def printable(text: str) -> str:
    """Text without what could move a terminal's cursor or turn its direction: such characters as escapes.

    Names in messages come from documents and databases that others may have written.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def path_text(path: Sequence[str | int]) -> str:
    """A key path as people read it: ``deliver[0].twin.connection``, ``masks."public.customer.email"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to a mistyped one; None if none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word[:200].casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None
