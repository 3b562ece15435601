"""Rows of the store as the types that their readers expect, made as they come out of it.

A query's columns are the fields of a frozen dataclass. A field whose column holds JSON says so in its type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

Value = str | int | float | None
"""What a column holds."""
RowT = TypeVar("RowT")


class Lenient(dict[str, Any]):
    """JSON that came from an appliance: a key that was left out reads None."""

    def __missing__(self, key: str) -> None:
        return None


def from_json(text: str | None) -> Lenient:
    """Stored JSON as ``Lenient``; empty where there is none."""
    return cast("Lenient", json.loads(text, object_hook=Lenient)) if text else Lenient()


@dataclass(frozen=True)
class Stored:
    """In an annotation: how the column's text becomes the field's value. NULL comes as None."""

    decode: Callable[[str | None], Any]


ReportedJson = Annotated[dict[str, Any], Stored(from_json)]
"""What an appliance reported, as ``Lenient``; empty where it has not."""
DocumentJson = Annotated[dict[str, Any], Stored(lambda text: json.loads(text or "{}"))]
"""A document of a person, which may hold anything."""


@cache
def _decoders(shape: type[object]) -> dict[str, Callable[[str | None], Any]]:
    return {
        name: note.decode
        for name, hint in get_type_hints(shape, include_extras=True).items()
        if get_origin(hint) is Annotated
        for note in get_args(hint)[1:]
        if isinstance(note, Stored)
    }


def rows_of(shape: type[RowT], columns: Sequence[str], values: Iterable[Sequence[Any]]) -> list[RowT]:
    """One ``shape`` a row. Raises TypeError where the columns are not its fields."""
    decoders = _decoders(cast("Hashable", shape))
    found = []
    for row in values:
        fields = dict(zip(columns, row, strict=True))
        for name, decode in decoders.items():
            if name in fields:
                fields[name] = decode(fields[name])
        found.append(shape(**fields))
    return found
