"""The SQL that takes a jsonb document apart along a tree of paths and puts it together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from appliance.masking.json_paths import Branch
from appliance.masking.sql_text import literal

NULL = "'null'::jsonb"


@dataclass(frozen=True)
class Replacement:
    """How a value at the end of a path is replaced.

    ``text``: strings, numbers and booleans as text; ``number``: numbers; ``constant``: whatever is there.
    """

    kind: Literal["text", "number", "constant"]
    masked: Callable[[str], str]
    """From the SQL of a value (text, numeric, for a constant jsonb) to that of its replacement."""


def masked_document(document: str, tree: Branch[Replacement], element: str) -> str:
    """The masked document; NULL for NULL. ``element`` is a name that no column has."""
    if tree.leaf is not None:
        return f"CASE WHEN {document} IS NULL THEN NULL ELSE {_end(document, tree.leaf, element)} END"
    return (
        f"CASE jsonb_typeof({document}) WHEN 'object' THEN {_object(document, tree, element)}"
        f" WHEN 'array' THEN {_each(document, _member(element, tree), element)} ELSE {document} END"
    )


def _object(document: str, tree: Branch[Replacement], element: str) -> str:
    """The object with the masked values in place of those it has."""
    parts = [document]
    for key, child in tree.children.items():
        name = literal(key)
        inside = f"({document} -> {name})"
        masked = masked_document(inside, child, element)
        parts.append(
            f"CASE WHEN {inside} IS NULL THEN '{{}}'::jsonb ELSE jsonb_build_object({name}, {masked}) END"
        )
    return " || ".join(parts)


def _member(element: str, tree: Branch[Replacement]) -> str:
    """One element of a list on the way. A list inside it is not gone through, so nothing of that stays."""
    return (
        f"CASE jsonb_typeof({element}) WHEN 'object' THEN {_object(element, tree, element)}"
        f" WHEN 'array' THEN {NULL} ELSE {element} END"
    )


def _each(document: str, masked: str, element: str) -> str:
    """Every element of a list, in order. Inside, ``element`` is the innermost list's."""
    return (
        f"(SELECT coalesce(jsonb_agg({masked}), '[]'::jsonb)"
        f" FROM jsonb_array_elements({document}) AS appliance_list ({element}))"
    )


def _end(document: str, replacement: Replacement, element: str) -> str:
    if replacement.kind == "constant":
        return replacement.masked(document)
    each = _each(document, _scalar(element, replacement), element)
    alone = _scalar(document, replacement)
    return f"CASE jsonb_typeof({document}) WHEN 'array' THEN {each} ELSE {alone} END"


def _scalar(value: str, replacement: Replacement) -> str:
    if replacement.kind == "number":
        number = replacement.masked(f"({value})::numeric")
        return f"CASE jsonb_typeof({value}) WHEN 'number' THEN to_jsonb({number}) ELSE {NULL} END"
    text = replacement.masked(f"({value} #>> '{{}}')")
    return (
        f"CASE WHEN jsonb_typeof({value}) IN ('object', 'array', 'null') THEN {NULL}"
        f" ELSE to_jsonb({text}) END"
    )
