"""JSON under the same bounds as YAML: for documents that come over the wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from appliance.documents.document import (
    MAX_DEPTH,
    MAX_NODES,
    UNSTORABLE,
    Document,
    refuse,
    scalar,
    unstorable,
)

if TYPE_CHECKING:
    from pydantic import JsonValue


def load_json(text: str, source: str) -> Document:
    """Read one JSON document. Raises WrongDocumentError."""

    def pairs(items: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        mapping: dict[str, JsonValue] = {}
        for key, value in items:
            if key in mapping:
                refuse(source, None, f"the key {key[:60]!a} stands twice in one object", "each key once")
            mapping[key] = value
        return mapping

    def number(literal: str) -> JsonValue:
        value = scalar(literal)
        if isinstance(value, str):
            refuse(source, None, "holds a number that is out of range", "a smaller number")
        return value

    def constant(_: str) -> NoReturn:
        refuse(source, None, "holds NaN or Infinity", "a number")

    try:
        data = json.loads(
            text, object_pairs_hook=pairs, parse_int=number, parse_float=number, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        refuse(source, error.lineno, f"is not JSON: {error.msg}")
    except RecursionError:
        refuse(source, None, f"is nested deeper than {MAX_DEPTH} levels", "a flatter document")
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
            refuse(source, None, f"holds more than {MAX_NODES:,} keys and values", "a smaller document")
        if isinstance(value, str) and (found := UNSTORABLE.search(value)):
            refuse(source, None, unstorable(found.group()), "text that a database can store")
        if isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                refuse(source, None, f"is nested deeper than {MAX_DEPTH} levels", "a flatter document")
            children = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            waiting.extend((child, depth + 1) for child in children)
