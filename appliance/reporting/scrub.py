"""Taking out of free text whatever could be a secret or a row's value, before anyone but the step sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable

GONE = "[removed]"
SHORTEST_SECRET = 3
"""A shorter password would take half of every word with it."""

LONGEST_LINE = 2000
"""Longer lines are cut: some of the shapes take quadratic time, and nobody reads on."""

_VALUE_LINES = re.compile(r"\b(DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LINE \d+):.*", re.IGNORECASE)
_SHAPES = (
    re.compile(r"\b\w+(?:\+\w+)?://\S+"),
    re.compile(r"\bpassword\s*[=:]\s*\S+", re.IGNORECASE),
    re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)*"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    re.compile(r"(?<![\w.])\+?\d(?:[ ().-]{0,2}\d){8,18}(?![\w.])"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}\b", re.IGNORECASE),
    re.compile(r"'(?:[^']|'')*'"),
    re.compile(r"=\((?:[^()]|\([^()]*\))*\)"),
)


class Scrubber:
    """Cleans text of the secrets it was told and of the shapes that personal data has."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        """The text without them; each leaves a mark, so that a reader sees that something was there."""
        if self._secrets:
            text = self._secrets.sub(GONE, text)
        return "\n".join(self._clean_line(line) for line in text.split("\n"))

    def _clean_line(self, text: str) -> str:
        if len(text) > LONGEST_LINE:
            text = text[:LONGEST_LINE] + "…"
        text = _VALUE_LINES.sub(lambda match: f"{match.group(1)}: {GONE}", text)
        for shape in _SHAPES:
            text = shape.sub(GONE, text)
        return text
