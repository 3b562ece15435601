"""Pages about the documents that people write, made from the JSON Schemas of their models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Schema = dict[str, Any]

_FORMATS = {"path": "a path", "password": "text"}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "null": "`null`",
}
_MASKS = "MaskSpec"
"""Its forms stand on the page about masks."""


@dataclass(frozen=True)
class DocumentPage:
    """A document of one kind, and what its page says before the tables."""

    title: str
    opening: str
    schema: Schema
    command: str
    example_at: str = ""
    """The key under which one example of the whole stands, where the document is a mapping of names."""
    instead: tuple[str, ...] = ()
    """Keys that are written instead of another one, and so are not in the example beside it."""


def document_page(page: DocumentPage) -> str:
    """The whole page, in Markdown: an example, and a table of keys for the document and each part of it."""
    parts = [
        f"# {page.title}",
        f"*Made by `make docs` from the model; do not edit.* `{page.command}` prints it as a JSON Schema.",
        page.opening.strip(),
        f"```yaml\n{_example(page)}```",
    ]
    for heading, described in _sections(page.schema):
        if heading:
            parts.append(f"## {heading}")
        if heading and (meaning := described.get("description")):
            parts.append(_one_line(meaning))
        parts.append(_table(described, heading))
    return "\n\n".join(parts) + "\n"


def _example(page: DocumentPage) -> str:
    described = next(iter(page.schema["$defs"].values())) if page.example_at else page.schema
    shown = {key: value for key, value in described["properties"].items() if key not in page.instead}
    values = {key: value["examples"][0] for key, value in shown.items()}
    values = {key: value.strip("'") if isinstance(value, str) else value for key, value in values.items()}
    document = {page.example_at: values} if page.example_at else values
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _sections(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The document itself under no heading, then each part under the key path that leads to it."""
    waiting = [("", schema)]
    while waiting:
        heading, described = waiting.pop(0)
        if "properties" in described:
            yield heading, described
        for key, value in _keys(described):
            path = f"{heading}.{key}" if heading else key
            waiting += [(path + mark, _part(name, schema)) for name, mark in _parts(value) if name != _MASKS]
            for option in value.get("oneOf", []):
                part = _part(option["$ref"].rsplit("/", 1)[1], schema)
                waiting.append((f"{path} of type {part['properties']['type']['const']}", part))


def _keys(described: Schema) -> Iterator[tuple[str, Schema]]:
    yield from described.get("properties", {}).items()
    if isinstance(inner := described.get("additionalProperties"), dict):
        yield "NAME", inner


def _part(name: str, schema: Schema) -> Schema:
    part: Schema = schema["$defs"][name]
    # Of one that has a short form too, the full one.
    full: Schema = next((form for form in part.get("anyOf", []) if "properties" in form), {})
    return {**part, **full}


def _parts(value: Schema) -> Iterator[tuple[str, str]]:
    """The models that a key leads to, each with what the key path needs to get there."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[1], ""
    for option in value.get("anyOf", []):
        yield from _parts(option)
    if "items" in value:
        yield from ((name, "[]" + mark) for name, mark in _parts(value["items"]))
    if isinstance(inner := value.get("additionalProperties"), dict):
        yield from ((name, ".PATTERN" + mark) for name, mark in _parts(inner))
    for inner in value.get("patternProperties", {}).values():
        yield from ((name, ".NAME" + mark) for name, mark in _parts(inner))


def _table(described: Schema, heading: str) -> str:
    if "properties" not in described:
        return ""
    needed = described.get("required", [])
    rows = ["| key | takes | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in described["properties"].items():
        path = f"{heading}.{key}" if heading else key
        default = "required" if key in needed else _default(value)
        rows.append(f"| `{key}` | {_takes(value, path)} | {default} | {_one_line(value['description'])} |")
    return "\n".join(rows)


def _default(value: Schema) -> str:
    if "default" not in value or isinstance(value["default"], dict):
        return ""
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`"


def _takes(value: Schema, path: str) -> str:
    """What a key takes, in words; a part of its own as a link to its section."""
    if options := value.get("anyOf"):
        return ", or ".join(_takes(option, path) for option in options)
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return "[a mask](../masks.md)" if name == _MASKS else f"[mapping](#{_anchor(path)})"
    if words := value.get("enum", [value["const"]] if "const" in value else []):
        return ", ".join(dict.fromkeys(f"`{'null' if word is None else word}`" for word in words))
    return _takes_any(value, path)


def _takes_any(value: Schema, path: str) -> str:
    """The same for what is neither a choice nor a part: a list, a mapping, or a value within bounds."""
    if "items" in value:
        return f"list of {_takes(value['items'], path + '[]')}"
    if isinstance(inner := value.get("additionalProperties"), dict):
        return f"mapping of patterns to {_takes(inner, path + '.PATTERN')}"
    kind = value["type"]
    if isinstance(kind, list):
        # Text that needs no quotes, whatever it looks like.
        return _TYPES[kind[0]]
    return _FORMATS.get(value.get("format", ""), _TYPES[kind]) + _bounds(value)


def _bounds(value: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "more than", "maximum": "to", "maxLength": "up to"}
    said = [f"{word} {value[bound]:,}" for bound, word in words.items() if bound in value]
    if "maxLength" in value:
        said.append("characters")
    return " " + " ".join(said) if said else ""


def _anchor(heading: str) -> str:
    """The link that a page's reader makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
