"""What a column's type is made of: domains unwrapped, lengths, labels, whether its binary form travels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.no_encoding import rows_in
from appliance.postgres.source import catalog_queries
from appliance.workflow.catalog import TypeKind

# Types numbered by hand keep their numbers in every version and database; everything above may differ.
_FIRST_GENERATED_OID = 10000
# Their binary form is the number of an object, which is another one elsewhere.
_OBJECT_NUMBER_TYPES = frozenset(
    {
        *("regproc", "regprocedure", "regoper", "regoperator", "regclass", "regtype", "regrole"),
        *("regnamespace", "regconfig", "regdictionary", "regcollation"),
    }
)
_LENGTH_TYPES = frozenset({"character varying", "character"})
_KINDS: dict[str, TypeKind] = {
    "b": "base",
    "e": "enum",
    "d": "domain",
    "c": "composite",
    "r": "range",
    "m": "multirange",
}


@dataclass(frozen=True)
class TypeFacts:
    """One (type, modifier) pair as columns have it; the fields are those of ``catalog.Column``."""

    type: str
    base_type: str
    type_kind: TypeKind
    base_kind: TypeKind
    type_modifier_length: int | None
    numeric_precision: int | None
    numeric_scale: int | None
    not_null: bool
    enum_labels: tuple[str, ...]
    domain_has_check: bool
    holds_checked: bool
    binary_safe: bool


@dataclass(frozen=True)
class _Type:
    oid: int
    kind: str
    name: str
    base: int
    modifier: int
    not_null: bool
    element: int
    has_binary: bool
    builtin: bool
    subtype: int
    has_check: bool
    labels: tuple[str, ...]


def _type(row: tuple[Any, ...]) -> _Type:
    values: tuple[Any, ...] = (*row[:-1], tuple(row[-1]))
    return _Type(*values)


def read_types(
    connection: Connection[TupleRow], used: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], TypeFacts]:
    """The facts of every (type oid, type modifier) pair."""
    pairs = sorted(set(used))
    rows = rows_in(connection, catalog_queries.TYPES, [sorted({oid for oid, _ in pairs})])
    types = {row[0]: _type(row) for row in rows}
    below = {pair: _unwrap(types, *pair) for pair in pairs}
    wanted = sorted({*pairs, *((base.oid, -1) for base, _, _, _ in below.values())})
    names = {
        (oid, modifier): name
        for oid, modifier, name in connection.execute(
            catalog_queries.TYPE_NAMES, [[oid for oid, _ in wanted], [modifier for _, modifier in wanted]]
        )
    }

    @cache
    def travels(oid: int) -> bool:
        one = types[oid]
        if one.kind == "d":
            return travels(one.base)
        if one.kind == "c" or not one.has_binary:
            return False
        if one.element:
            return one.element < _FIRST_GENERATED_OID and travels(one.element)
        if one.subtype:
            return travels(one.subtype)
        return not (one.builtin and one.name in _OBJECT_NUMBER_TYPES)

    @cache
    def holds_checked(oid: int) -> bool:
        one = types[oid]
        return any(
            _unwrap(types, inner, -1)[3] or holds_checked(_unwrap(types, inner, -1)[0].oid)
            for inner in (one.element, one.subtype)
            if inner
        )

    result: dict[tuple[int, int], TypeFacts] = {}
    for pair in pairs:
        base, modifier, not_null, has_check = below[pair]
        # char(n) without its n is bpchar to the server: "character" alone would mean character(1).
        base_name = (
            names[base.oid, -1].replace("bpchar", "character") if base.builtin else names[base.oid, -1]
        )
        precision, scale = _numeric(base_name, modifier)
        result[pair] = TypeFacts(
            type=names[pair],
            base_type=base_name,
            type_kind=_kind(types[pair[0]]),
            base_kind=_kind(base),
            type_modifier_length=modifier - 4 if base_name in _LENGTH_TYPES and modifier >= 4 else None,
            numeric_precision=precision,
            numeric_scale=scale,
            not_null=not_null,
            enum_labels=base.labels,
            domain_has_check=has_check,
            holds_checked=holds_checked(base.oid),
            binary_safe=travels(pair[0]),
        )
    return result


def _unwrap(types: dict[int, _Type], oid: int, modifier: int) -> tuple[_Type, int, bool, bool]:
    """The type below all domains, its modifier, and whether a domain above it forbids NULL or has a CHECK."""
    one, not_null, has_check = types[oid], False, False
    while one.kind == "d":
        not_null, has_check, modifier = not_null or one.not_null, has_check or one.has_check, one.modifier
        one = types[one.base]
    return one, modifier, not_null, has_check


def _kind(one: _Type) -> TypeKind:
    return "array" if one.element else _KINDS.get(one.kind, "base")


def _numeric(name: str, modifier: int) -> tuple[int | None, int | None]:
    if name != "numeric" or modifier < 4:
        return None, None
    packed: Any = modifier - 4
    # The scale is an 11-bit signed number (it may be negative since PostgreSQL 15).
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 0x400) - 0x400
