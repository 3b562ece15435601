"""The line of a workflow that a failed run is about, as far as its words say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from appliance.documents import strict_yaml
from appliance.documents.problems import WrongDocumentError

_DOTTED = re.compile(r"[^\W\d][\w$-]*(?:\.(?:[\w$*-]+|\"[^\"]{1,63}\"))+")
_COLUMN_PARTS = 3
_Path = tuple[str | int, ...]


def line_about(text: str, words: Iterable[str], table: str = "") -> int | None:
    """The line to begin at; None where neither the failure's words nor its table lead to one.

    What is to be mended in connections.yaml stands on no line of the workflow.
    """
    words = list(words)
    if any("connections.yaml" in each or "connections check" in each for each in words):
        return None
    try:
        document = strict_yaml.load(text, "workflow")
    except WrongDocumentError:
        return None
    if not isinstance(document.data, dict):
        return None
    names = list(dict.fromkeys(name for each in words for name in _DOTTED.findall(each)))
    for name in (*names, table):
        path = _key(document.data, name) or _pattern(document.data, name.replace('"', ""))
        if path:
            return document.line_of(path)
    # What nothing covers belongs below masks; a table that is too much, to the choice of tables.
    place = "masks" if any(name.count(".") == _COLUMN_PARTS - 1 for name in names) else "tables"
    return document.line_of((place,)) if (names or table) and place in document.data else None


def _key(data: dict[str, Any], name: str) -> _Path | None:
    """``limits.memory_mb`` as a path of the document: as much of it as there is, from its first key on."""
    path: list[str | int] = []
    here: Any = data
    for part in name.split("."):
        if not isinstance(here, dict) or part not in here:
            break
        path.append(part)
        here = here[part]
    return tuple(path) or None


def _pattern(data: dict[str, Any], name: str) -> _Path | None:
    """The pattern that decides a column or chooses a table: the longest that fits, as the most specific."""
    fitting = [(pattern, path) for pattern, path in _patterns(data) if _fits(name, pattern)]
    return max(fitting, key=lambda each: len(each[0].replace("*", "")))[1] if fitting else None


def _fits(name: str, pattern: str) -> bool:
    """Part by part: a pattern of tables fits no column."""
    return bool(name) and name.count(".") == pattern.count(".") and fnmatchcase(name, pattern)


def _patterns(data: dict[str, Any]) -> Iterator[tuple[str, _Path]]:
    for section in ("masks", "rows"):
        under = data.get(section)
        for pattern in under if isinstance(under, dict) else ():
            yield str(pattern), (section, pattern)
    kept = data.get("keep")
    for number, entry in enumerate(kept if isinstance(kept, list) else ()):
        yield str(entry.get("column", "") if isinstance(entry, dict) else entry), ("keep", number)
    tables = data.get("tables")
    chosen = tables.get("include") if isinstance(tables, dict) else None
    for number, entry in enumerate(chosen if isinstance(chosen, list) else ()):
        yield str(entry), ("tables", "include", number)
