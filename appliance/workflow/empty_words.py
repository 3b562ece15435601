"""Places where nothing at all is written, and null is a word of ours."""

from __future__ import annotations

from appliance.documents.document import Document
from appliance.documents.problems import KeyPath, Problem


def empty_words(document: Document) -> list[Problem]:
    """Where null is a word of ours, nothing at all is more likely a forgotten value: refuse it."""
    problems = []
    for path, written in document.plain.items():
        is_mask = _is_mask(path) or (path[0] == "use" and _is_mask(path[2:]))
        if written in ("", "~") and (is_mask or path == ("unlisted",)):
            expected = "a mask's name, or null to write NULL" if is_mask else "halt, null or keep"
            problems.append(document.problem(path, "has no value", expected))
    return problems


def _is_mask(path: KeyPath) -> bool:
    return path[:1] == ("masks",) and (len(path) == 2 or path[2:] == ("mask",))
