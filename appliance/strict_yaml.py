"""The one reader of YAML and JSON: bounded, without surprises, and it remembers on which line a key stands.

A plain (unquoted) scalar means what the same letters mean in JSON; anything else is text exactly as
written. So ``no``, ``1:30``, ``0755``, ``1_000`` and ``2024-01-01``, which YAML 1.1 turns into false, 90,
493, 1000 and a date, stay as they are; only ``null``, ``~`` and an empty value are null, only ``true`` and
``false`` are booleans.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from appliance.problems import DocumentWrong, KeyPath, Problem

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
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_QUOTES = "quotes around a value with : # { } [ ] , in it"
_STRING_TAG = "tag:yaml.org,2002:str"


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

    def line_of(self, path: KeyPath) -> int | None:
        """The line (from 1) of a key, or of the nearest thing around it that has one; None without lines."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None

    def problem(self, path: KeyPath, what: str, expected: str = "") -> Problem:
        """A problem at this place in this document."""
        if path in self.sources:
            return Problem(path, what, expected, None, self.sources[path])
        return Problem(path, what, expected, self.line_of(path), self.source_name)


def read(path: Path, *, max_bytes: int = MAX_BYTES, empty_is_allowed: bool = False) -> Document:
    """Read a YAML file (JSON if its name ends in .json); its size is looked at before a byte of it is read.

    A file of nothing but comments is an empty mapping where ``empty_is_allowed``. Raises DocumentWrong for
    one that is missing, unreadable, too big or not a document.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        _refuse(name, None, f"cannot be read: {error.strerror or type(error).__name__}", "a readable file")
    if empty_is_allowed and all(line.lstrip()[:1] in (b"", b"#") for line in raw[:max_bytes].split(b"\n")):
        return Document({}, name)
    return load(raw, name, max_bytes=max_bytes, as_json=path.suffix == ".json")


def load(
    text: str | bytes, source_name: str, *, max_bytes: int = MAX_BYTES, as_json: bool = False
) -> Document:
    """Read one document, a mapping, from text.

    Raises DocumentWrong with the line; never shows what stands on it.
    """
    text = _decode(text, source_name, max_bytes)
    document = _load_json(text, source_name) if as_json else _Builder(text, source_name).document()
    if not isinstance(document.data, dict):
        kind = "a list" if isinstance(document.data, list) else "a single value"
        _refuse(source_name, document.line_of(()), f"is {kind}", "a mapping of keys to values")
    return document


def _refuse(source: str, line: int | None, what: str, expected: str = "") -> NoReturn:
    raise DocumentWrong([Problem((), what, expected, line, source)])


def _decode(given: str | bytes, source: str, max_bytes: int) -> str:
    if len(given) > max_bytes:
        _refuse(source, None, f"is larger than {max_bytes // 1024} KiB", "a document below that size")
    if isinstance(given, bytes):
        if given.startswith((b"\xff\xfe", b"\xfe\xff")):
            _refuse(source, 1, "is UTF-16", "UTF-8: save the file again with that encoding")
        try:
            text = given.decode("utf-8")
        except UnicodeDecodeError as error:
            line = given.count(b"\n", 0, error.start) + 1
            _refuse(source, line, f"byte {error.start} is not UTF-8", "UTF-8 text")
    else:
        text = given
    # Windows editors write the mark; it says nothing and means no harm.
    text = text.removeprefix("\ufeff")
    if found := _UNSTORABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        _refuse(source, line, _unstorable(found.group()), "text that a database can store")
    if not text.strip():
        _refuse(source, None, "is empty", "a mapping of keys to values")
    return text


def _unstorable(character: str) -> str:
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
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events = yaml.parse(self.text, Loader=loader)
        try:
            event = self._next()
            while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                event = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                _refuse(self.source, None, "is empty", "a mapping of keys to values")
            data = self._node(event, ())
            self._next()
            if not isinstance(self._next(), yaml.StreamEndEvent):
                self._refuse_at(self.last, "a second document begins", "one document in a file")
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.YAMLError:
            _refuse(self.source, None, "holds a character that YAML does not allow", "printable text")
        return Document(data, self.source, self.lines, self.plain, tuple(self.problems))

    def _next(self) -> Any:
        self.last = next(self.events)
        return self.last

    def _refuse_at(self, event: Any, what: str, expected: str = "") -> NoReturn:
        _refuse(self.source, event.start_mark.line + 1, what, expected)

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            _refuse(self.source, None, "is not YAML")
        lines = self.text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if re.match(r"\s*\t", line):
            _refuse(self.source, mark.line + 1, "is indented with a tab", "spaces")
        if "*" in line[max(mark.column - 1, 0) : mark.column + 1]:
            _refuse(self.source, mark.line + 1, "begins a name with *", 'quotes around it, as in "*.*.ssn"')
        # The parser's own words may quote a character of the line, and the line may be a password's.
        problem = re.sub(r"'.*?'|\".*?\"", "…", error.problem or "not understood")
        _refuse(self.source, mark.line + 1, f"is not YAML: {problem}", _QUOTES)

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
        if found := _UNSTORABLE.search(event.value):
            self._refuse_at(event, _unstorable(found.group()), "text that a database can store")
        # Only the second of the two says that the scalar was quoted; the first that it may be read as a type.
        if event.tag is not None or not event.implicit[0]:
            return event.value
        value = scalar(event.value)
        if not isinstance(value, str):
            self.plain[path] = event.value
        return value

    def _list(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
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
        if event.tag not in (None, "!", _STRING_TAG) or _UNSTORABLE.search(event.value):
            self._refuse_at(event, "a key has a tag or a character that is not text", "plain text")
        # Keys are always text, so that a table named `null` or `1` is one.
        return str(event.value)


def _load_json(text: str, source: str) -> Document:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(items)
        if len(mapping) < len(items):
            _refuse(source, None, "the same key stands twice in one object", "each key once")
        return mapping

    def number(literal: str) -> Any:
        value = scalar(literal)
        if isinstance(value, str):
            _refuse(source, None, "holds a number that is out of range", "a smaller number")
        return value

    def constant(_: str) -> NoReturn:
        _refuse(source, None, "holds NaN or Infinity", "a number")

    try:
        data = json.loads(
            text, object_pairs_hook=pairs, parse_int=number, parse_float=number, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        _refuse(source, error.lineno, f"is not JSON: {error.msg}")
    except RecursionError:
        _refuse(source, None, f"is nested deeper than {MAX_DEPTH} levels", "a flatter document")
    _check_json(data, source)
    return Document(data, source)


def _check_json(data: Any, source: str) -> None:
    """Refuse what YAML would be refused for; without recursion, so that depth cannot hurt."""
    waiting: list[tuple[Any, int]] = [(data, 0)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            _refuse(source, None, f"holds more than {MAX_NODES:,} keys and values", "a smaller document")
        if isinstance(value, str) and (found := _UNSTORABLE.search(value)):
            _refuse(source, None, _unstorable(found.group()), "text that a database can store")
        if isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                _refuse(source, None, f"is nested deeper than {MAX_DEPTH} levels", "a flatter document")
            children = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            waiting.extend((child, depth + 1) for child in children)
