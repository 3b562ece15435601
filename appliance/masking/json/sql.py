"""The SQL that takes a jsonb document apart along a tree of paths and puts it together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from appliance.masking.expressions.sql_text import literal
from appliance.masking.json.paths import ANY_KEY, Branch

NULL = "'null'::jsonb"


@dataclass(frozen=True)
class Replacement:
    """How a value at the end of a path is replaced.

    ``text``: strings, numbers and booleans as text; ``number``: numbers; ``constant``: whatever is there;
    ``delete``: its key goes as well; ``keep``: nothing is.
    """

    kind: Literal["text", "number", "constant", "delete", "keep"]
    masked: Callable[[str], str] = str
    """From the SQL of a value (text, numeric, for a constant jsonb) to that of its replacement."""


def masked_document(document: str, tree: Branch[Replacement], name: str, *, only: bool = False) -> str:
    """The masked document; NULL for NULL. ``name`` is one that no column has.

    With ``only``, what no path leads to is left out. Every level is computed once and then called ``name``,
    which hides what the level above calls so: that keeps the SQL short, and a mask may mention its input as
    often as it likes.
    """
    return _named(_at(name, tree, only), document, name)


def _named(expression: str, value: str, name: str) -> str:
    """An expression over ``name``, which stands for a value of the level above."""
    return f"(SELECT {expression} FROM (SELECT {value} AS {name} OFFSET 0) AS appliance_level)"


def _at(name: str, tree: Branch[Replacement], only: bool) -> str:
    if tree.leaf is not None:
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE {_end(name, tree.leaf)} END"
    other = f"CASE WHEN {name} IS NOT NULL THEN {NULL} END" if only else name
    return (
        f"CASE jsonb_typeof({name}) WHEN 'object' THEN {_object(name, tree, only)}"
        f" WHEN 'array' THEN {_each(name, _member(name, tree, only))} ELSE {other} END"
    )


def _object(name: str, tree: Branch[Replacement], only: bool) -> str:
    """The object with the masked values in place of those it has."""
    if ANY_KEY in tree.children:
        return _every_key(name, tree.children[ANY_KEY], only)
    gone = [key for key, child in tree.children.items() if _is_deleted(child)]
    kept = f"({name} - ARRAY[{', '.join(map(literal, gone))}]::text[])" if gone else name
    parts = ["'{}'::jsonb" if only else kept]
    for key, child in tree.children.items():
        if _is_deleted(child):
            continue
        inside = f"({name} -> {literal(key)})"
        masked = masked_document(inside, child, name, only=only)
        parts.append(
            f"CASE WHEN {inside} IS NULL THEN '{{}}'::jsonb"
            f" ELSE jsonb_build_object({literal(key)}, {masked}) END"
        )
    return " || ".join(parts)


def _every_key(name: str, child: Branch[Replacement], only: bool) -> str:
    """The object with the value of each key masked."""
    if _is_deleted(child):
        return "'{}'::jsonb"
    masked = masked_document(name, child, name, only=only)
    return (
        f"(SELECT coalesce(jsonb_object_agg(appliance_entry.appliance_key, {masked}), '{{}}'::jsonb)"
        f" FROM jsonb_each({name}) AS appliance_entry (appliance_key, {name}))"
    )


def _is_deleted(tree: Branch[Replacement]) -> bool:
    return tree.leaf is not None and tree.leaf.kind == "delete"


def _member(name: str, tree: Branch[Replacement], only: bool) -> str:
    """One element of a list on the way. A list inside it is not gone through, so nothing of that stays."""
    return (
        f"CASE jsonb_typeof({name}) WHEN 'object' THEN {_object(name, tree, only)}"
        f" WHEN 'array' THEN {NULL} ELSE {NULL if only else name} END"
    )


def _each(name: str, masked: str) -> str:
    """Every element of a list, in order."""
    return (
        f"(SELECT coalesce(jsonb_agg({masked}), '[]'::jsonb)"
        f" FROM jsonb_array_elements({name}) AS appliance_list ({name}))"
    )


def _end(name: str, replacement: Replacement) -> str:
    if replacement.kind == "keep":
        return name
    if replacement.kind == "constant":
        return replacement.masked(name)
    scalar = _scalar(name, replacement)
    return f"CASE jsonb_typeof({name}) WHEN 'array' THEN {_each(name, scalar)} ELSE {scalar} END"


def _scalar(name: str, replacement: Replacement) -> str:
    if replacement.kind == "number":
        number = _named(f"to_jsonb({replacement.masked(name)})", f"{name}::numeric", name)
        return f"CASE jsonb_typeof({name}) WHEN 'number' THEN {number} ELSE {NULL} END"
    text = _named(f"to_jsonb({replacement.masked(name)})", f"{name} #>> '{{}}'", name)
    return f"CASE WHEN jsonb_typeof({name}) IN ('object', 'array', 'null') THEN {NULL} ELSE {text} END"
