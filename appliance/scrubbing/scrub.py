"""Taking out of free text whatever could be a secret or a row's value, before anyone but the step sees it.

Everything in the outbox, every line of a step's output and every diagnostic passes here. It removes the
secrets it was given, the values that PostgreSQL and Python put into their messages (DETAIL, HINT and CONTEXT
lines, quoted text, an exception's own words), and anything shaped like personal data. It keeps what a report
needs to be acted on: names of tables and columns, SQLSTATEs, classes, places in the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from appliance.contract.fields import ScrubbedText
from appliance.scrubbing.secret_forms import SHORTEST_SECRET, secret_forms
from appliance.scrubbing.shapes import GONE, opens_quote, scrub_advice, scrub_line

__all__ = ["GONE", "Scrubber", "scrub_fields"]

LONGEST_LINE = 2000
"""Longer lines are cut, at a blank if possible: no one reads on, and a shape's time stays bounded."""

LONGEST_TEXT = 256 * 1024

ADVICE = frozenset({"next_step"})
"""The keys whose text says what to do next. Our own code writes it, never a server or a row."""
FREE_TEXT = (
    frozenset(
        {"what", "why", "problem", "log_tail", "text", "statement", "message", "help", "reasons", "notes"}
    )
    | ADVICE
)
"""The keys of an event, at any depth, that hold free text."""

_VALUES_FOLLOW = re.compile(
    r"(?:(?:\b|(?<=\\n))(?:DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LINE \d++|D[ÉE]TAIL ?"
    r"|DETALLE|SUGERENCIA|ASTUCE|TIPP|KONTEXT|ANWEISUNG)"
    r"|(?:^|(?<=: ))(?i:detail|hint|context|statement|query|command was|parameters?)):"
)
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(
    r"(?P<lead>[\s|+-]*+)(?P<name>(?:\w++\.)++[A-Z]\w*+|[A-Z]\w*?(?:Error|Exception|Warning|Violation|Failure|Interrupt|Exit))"
    r"(?=: |:$)"
)
_NO_ADVICE = re.compile(r"\A\s*+[(\[]\s*+['\"]|(?m:^\s*+\w*(?:Error|Violation|Exception)\()")
"""Arguments of an exception, or the exception itself, as Python shows them."""
_FRAME = re.compile(
    r"\s++File \"(?:[^\"/]*+/)*+(?P<file>[\w.-]++|<\w++>)\", line (?P<line>\d++), in (?P<name>[\w.<>]++)$"
)
_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85]")
_CLASS = re.compile(r"[\s|+-]*+[\w.]*+")
_NEW_RECORD = re.compile(
    r"Traceback \(most recent|\s++File \"|During handling of|The above exception"
    r"|(?:pg_\w++|psql): |Next: |\{\""
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:|(?:DEBUG|INFO|LOG|NOTICE|WARNING|ERROR|FATAL|PANIC|CRITICAL)\b"
)


class Scrubber:
    """Cleans text of the secrets it was given and of the shapes that personal data has.

    ``secrets`` go wherever they stand, also encoded as in URLs, JSON or SQL. ``names`` (hosts) and ``roles``
    go where they stand as words of their own: a host called staging is no reason to hide what staging-twin
    did. ``own_words`` are the reader's own: no name that is one of them goes. A secret goes always.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        names: Iterable[str] = (),
        *,
        roles: Iterable[str] = (),
        own_words: Collection[str] = frozenset(),
    ) -> None:
        known = {
            form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in secret_forms(secret)
        }
        spared = {word.casefold() for word in own_words}
        places = {name for name in names if len(name) >= SHORTEST_SECRET and name.casefold() not in spared}
        people = {name for name in roles if len(name) >= SHORTEST_SECRET and name.casefold() not in spared}
        secret = _any_of(known, r"", r"")
        self._known = _both(secret, _as_words(places | people))
        self._known_in_advice = _both(secret, _as_words(places))

    def clean(self, text: str) -> str:
        """The text without them; each leaves a mark, so that a reader sees that something was there."""
        clean_line = self.stream()
        text = self._without_known(text[:LONGEST_TEXT])
        cleaned: list[str] = []
        for line in _LINE_ENDS.split(text):
            shown = clean_line(line)
            if shown != GONE or cleaned[-1:] != [GONE]:
                cleaned.append(shown)
        return "\n".join(cleaned)

    def mark(self, text: str) -> ScrubbedText:
        """The cleaned text, as the only kind of free text that may leave the appliance."""
        return ScrubbedText.mark(self.clean(text))

    def clean_advice(self, text: str) -> str:
        """The same for what to do next: without it the words are of no use, and no value ever stands there.

        Secrets, addresses and whatever has the shape of personal data go. Names and quoted words stay. What
        reads like the message of a server or of an exception is no advice, and is cleaned as one.
        """
        text = text[:LONGEST_TEXT]
        if _NO_ADVICE.search(text) or _VALUES_FOLLOW.search(text):
            return self.clean(text)
        for pattern in self._known_in_advice:
            text = pattern.sub(GONE, text)
        return "\n".join(scrub_advice(_cut(line)) for line in _LINE_ENDS.split(text))

    def mark_advice(self, text: str) -> ScrubbedText:
        """Cleaned advice, as it may leave the appliance."""
        return ScrubbedText.mark(self.clean_advice(text))

    def stream(self) -> Callable[[str], str]:
        """A function that cleans one line after the other, and knows when a value goes on over several."""
        return _Lines(self._without_known)

    def _without_known(self, text: str) -> str:
        for pattern in self._known:
            text = pattern.sub(GONE, text)
        return text


class _Lines:
    """Cleans a stream of lines. After one that shows values, lines are values until a new record begins."""

    def __init__(self, without_known: Callable[[str], str]) -> None:
        self._without_known = without_known
        self._in_values = False
        self._in_traceback = False

    def __call__(self, line: str) -> str:
        line = _cut(self._without_known(line))
        values = _VALUES_FOLLOW.search(line)
        if self._in_values and not _NEW_RECORD.match(line) and not (values and values.start() == 0):
            return GONE if line.strip() else ""
        self._in_values = False
        if self._in_traceback and line.strip() and not line[0].isspace() and line[0] not in "|+":
            self._in_traceback = False
            return self._only_class(_CLASS.match(line), line)
        if line.lstrip(" |+-").startswith(_TRACEBACK):
            self._in_traceback = True
            return line
        if values:
            self._in_values = True
            return f"{scrub_line(line[: values.start()])}{values.group()} {GONE}"
        if exception := _EXCEPTION.match(line):
            return self._only_class(exception, line)
        if frame := _FRAME.match(line):
            line = f"  File {frame['file']}, line {frame['line']}, in {frame['name']}"
        else:
            self._in_values = opens_quote(line)
        return scrub_line(line)

    def _only_class(self, shown: re.Match[str] | None, line: str) -> str:
        """An exception's class; its own words may be anything, over any number of lines."""
        prefix = shown.group() if shown else ""
        self._in_values = len(line) > len(prefix)
        return f"{scrub_line(prefix)}: {GONE}" if self._in_values else scrub_line(prefix)


def scrub_fields(payload: Any, scrubber: Scrubber) -> Any:
    """An event's data with every free text in it cleaned, at whatever depth. Nothing is changed in place."""
    if isinstance(payload, dict):
        return {key: _scrub_field(key, value, scrubber) for key, value in payload.items()}
    return (
        [scrub_fields(each, scrubber) for each in payload] if isinstance(payload, list | tuple) else payload
    )


def _scrub_field(key: str, value: Any, scrubber: Scrubber) -> Any:
    if key not in FREE_TEXT:
        return scrub_fields(value, scrubber)
    return _cleaned(value, scrubber.mark_advice if key in ADVICE else scrubber.mark)


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    return [_cleaned(each, clean) for each in value] if isinstance(value, list | tuple) else value


def _cut(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    # Half of a number has no shape any more.
    kept = line[: LONGEST_LINE - 2].rpartition(" ")[0].rstrip("0123456789 ()./-+")
    return (kept or GONE) + " …"


def _as_words(names: set[str]) -> re.Pattern[str] | None:
    return _any_of(names, r"(?<!\w)(?<!\w-)", r"(?!-?\w)")


def _both(*patterns: re.Pattern[str] | None) -> list[re.Pattern[str]]:
    return [pattern for pattern in patterns if pattern is not None]


def _any_of(words: set[str], before: str, after: str) -> re.Pattern[str] | None:
    if not words:
        return None
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"{before}(?:{'|'.join(map(re.escape, longest_first))}){after}")
