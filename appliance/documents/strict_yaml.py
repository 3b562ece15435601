"""The one reader of YAML and JSON: bounded, without surprises, and it remembers on which line a key stands.

A plain (unquoted) scalar means what the same letters mean in JSON; anything else is text exactly as
written. So ``no``, ``1:30``, ``0755``, ``1_000`` and ``2024-01-01``, which YAML 1.1 turns into false, 90,
493, 1000 and a date, stay as they are; only ``null``, ``~`` and an empty value are null, only ``true`` and
``false`` are booleans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from appliance.documents.document import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    UNSTORABLE,
    Document,
    refuse,
    scalar,
    unstorable,
)
from appliance.documents.json_text import load_json
from appliance.documents.problems import KeyPath, Problem

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["Document", "load", "read", "scalar"]

_QUOTES = "quotes around a value with : # { } [ ] , in it"
_SYNTAX = (
    ("quoted scalar; found unexpected end", True, "opens a quote that is never closed", "a quote at its end"),
    ("expected ':'", True, "is no key and no value", "a key, a colon and a value"),
    ("expected ',' or '}'", True, "opens a { that is not closed, or lacks a comma in it", "key: value pairs"),
    ("expected ',' or ']'", True, "opens a [ that is not closed, or lacks a comma in it", "values"),
    (
        "flow mapping; did not find",
        True,
        "opens a { that is not closed, or lacks a comma in it",
        "key: value",
    ),
    (
        "block mapping; did not find",
        False,
        "is indented unlike the keys above it, or has text behind a quote",
        "keys below each other",
    ),
    (
        "mapping values are not allowed",
        False,
        "has a colon in a value, or comes after a line that lacks one",
        _QUOTES,
    ),
    (
        "cannot start any token",
        False,
        "has a value that begins with a sign that YAML keeps for itself",
        _QUOTES,
    ),
)
"""The parser's words, whether it means the line where the thing begins, and what a person can do with."""
_DIRECTIVE = re.compile("^%", re.MULTILINE)
_STRING_TAG = "tag:yaml.org,2002:str"


def read(path: Path, *, max_bytes: int = MAX_BYTES, empty_is_allowed: bool = False) -> Document:
    """Read a YAML file (JSON if its name ends in .json), of a big one no more than shows that it is too big.

    A file of nothing but comments is an empty mapping where ``empty_is_allowed``. Raises WrongDocumentError
    for one that is missing, unreadable, too big or not a document.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        refuse(name, None, f"cannot be read: {error.strerror or type(error).__name__}", "a readable file")
    if empty_is_allowed and all(line.lstrip()[:1] in (b"", b"#") for line in raw[:max_bytes].split(b"\n")):
        return Document({}, name)
    return load(raw, name, max_bytes=max_bytes, as_json=path.suffix == ".json")


def load(
    text: str | bytes, source_name: str, *, max_bytes: int = MAX_BYTES, as_json: bool = False
) -> Document:
    """Read one document, a mapping, from text.

    Raises WrongDocumentError with the line; never shows what stands on it.
    """
    text = _decode(text, source_name, max_bytes)
    document = load_json(text, source_name) if as_json else _Builder(text, source_name).document()
    if not isinstance(document.data, dict):
        kind = "a list" if isinstance(document.data, list) else "a single value"
        refuse(source_name, document.line_of(()), f"is {kind}", "a mapping of keys to values")
    return document


def _decode(given: str | bytes, source: str, max_bytes: int) -> str:
    if len(given) > max_bytes:
        refuse(source, None, f"is larger than {max_bytes // 1024} KiB", "a document below that size")
    if isinstance(given, bytes):
        if given.startswith((b"\xff\xfe", b"\xfe\xff")):
            refuse(source, 1, "is UTF-16", "UTF-8: save the file again with that encoding")
        try:
            text = given.decode("utf-8")
        except UnicodeDecodeError as error:
            line = given.count(b"\n", 0, error.start) + 1
            refuse(source, line, f"byte {error.start} is not UTF-8", "UTF-8 text")
    else:
        text = given
    # Windows editors write the mark; it says nothing and means no harm.
    text = text.removeprefix("\ufeff")
    if found := UNSTORABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        refuse(source, line, unstorable(found.group()), "text that a database can store")
    if not text.strip():
        refuse(source, None, "is empty", "a mapping of keys to values")
    return text


@dataclass
class _Anchored:
    value: Any
    nodes: int
    plain: str | None


class _Builder:
    """Builds one document out of parser events, refusing what is dangerous before it is built."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.lines: dict[KeyPath, int] = {}
        self.plain: dict[KeyPath, str] = {}
        self.anchors: dict[str, _Anchored] = {}
        self.open_anchors: set[str] = set()
        self.nodes = 0
        self.problems: list[Problem] = []
        self.events: Iterator[Any] = iter(())

    def document(self) -> Document:
        if directive := _DIRECTIVE.search(self.text):
            # Checking many %TAG lines against each other takes quadratic time, and no one needs one.
            refuse(
                self.source, self.text.count("\n", 0, directive.start()) + 1, "begins with %", "no directives"
            )
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events = yaml.parse(self.text, Loader=loader)
        try:
            event = self._next()
            while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                event = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                refuse(self.source, None, "is empty", "a mapping of keys to values")
            data = self._node(event, ())
            self._next()
            if not isinstance(self._next(), yaml.StreamEndEvent):
                self._refuse_at(self.last, "a second document begins", "one document in a file")
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.YAMLError:
            found = yaml.reader.Reader.NON_PRINTABLE.search(self.text)
            line = self.text.count("\n", 0, found.start()) + 1 if found else None
            refuse(self.source, line, "holds a character that YAML does not allow", "printable text")
        return Document(data, self.source, self.lines, self.plain, tuple(self.problems))

    def _next(self) -> Any:
        self.last = next(self.events)
        return self.last

    def _refuse_at(self, event: Any, what: str, expected: str = "") -> NoReturn:
        refuse(self.source, event.start_mark.line + 1, what, expected)

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            refuse(self.source, None, "is not YAML")
        lines = self.text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if re.match(r"\s*\t", line):
            refuse(self.source, mark.line + 1, "is indented with a tab", "spaces")
        if "*" in line[max(mark.column - 1, 0) : mark.column + 1]:
            refuse(self.source, mark.line + 1, "begins a name with *", 'quotes around it, as in "*.*.ssn"')
        for words, at_context, what, expected in _SYNTAX:
            if words in f"{error.context}; {error.problem}":
                at = error.context_mark if at_context and error.context_mark else mark
                refuse(self.source, at.line + 1, what, expected)
        # The parser's own words may quote a character of the line, and the line may be a password's.
        problem = re.sub(r"'.*?'|\".*?\"", "…", error.problem or "not understood")
        refuse(self.source, mark.line + 1, f"is not YAML: {problem}", _QUOTES)

    def _count(self, event: Any, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self._refuse_at(event, f"holds more than {MAX_NODES:,} keys and values", "a smaller document")

    def _node(self, event: Any, path: KeyPath) -> Any:
        self.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        before = self.nodes
        self._count(event)
        if event.anchor:
            self.open_anchors.add(event.anchor)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path)
        else:
            if len(path) >= MAX_DEPTH:
                self._refuse_at(event, f"is nested deeper than {MAX_DEPTH} levels", "a flatter document")
            if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
                self._refuse_at(event, "has a YAML tag", "no tags")
            is_list = isinstance(event, yaml.SequenceStartEvent)
            value = self._list(path) if is_list else self._mapping(path)
        if event.anchor:
            self.open_anchors.discard(event.anchor)
            self.anchors[event.anchor] = _Anchored(value, self.nodes - before, self.plain.get(path))
        return value

    def _alias(self, event: Any, path: KeyPath) -> Any:
        if event.anchor in self.open_anchors:
            self._refuse_at(event, "is an alias of something it stands inside", "a value")
        if event.anchor not in self.anchors:
            self._refuse_at(event, "is an alias of nothing", "quotes, if a name begins with *")
        anchored = self.anchors[event.anchor]
        self._count(event, anchored.nodes)
        if anchored.plain is not None:
            self.plain[path] = anchored.plain
        return anchored.value

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if event.tag not in (None, "!", _STRING_TAG):
            self._refuse_at(event, "has a YAML tag", "a plain or quoted value")
        if found := UNSTORABLE.search(event.value):
            self._refuse_at(event, unstorable(found.group()), "text that a database can store")
        # Only the second of the two says that the scalar was quoted; the first that it may be read as a type.
        if event.tag is not None or not event.implicit[0]:
            return event.value
        value = scalar(event.value)
        if not isinstance(value, str):
            self.plain[path] = event.value
        return value

    def _list(self, path: KeyPath) -> list[JsonValue]:
        items: list[JsonValue] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, JsonValue]:
        mapping: dict[str, JsonValue] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            here = (*path, key)
            line = event.start_mark.line + 1
            if key in mapping:
                where = f"the same key stands on lines {self.lines[here]} and {line}"
                self.problems.append(Problem(here, where, "each key once", line, self.source))
                self._node(self._next(), (*path, -1))
                continue
            self.lines[here] = line
            mapping[key] = self._node(self._next(), here)
        return mapping

    def _key(self, event: Any) -> str:
        self._count(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse_at(event, "a key is not plain text", "text before the colon")
        if event.value == "<<" and event.implicit[0]:
            self._refuse_at(event, "is a merge key", "the keys written out")
        if event.tag not in (None, "!", _STRING_TAG) or UNSTORABLE.search(event.value):
            self._refuse_at(event, "a key has a tag or a character that is not text", "plain text")
        # Keys are always text, so that a table named `null` or `1` is one.
        return str(event.value)
