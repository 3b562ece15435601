"""What a column's type means to a mask: which family of values, how long, and how to cast a result to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from appliance.masking.expressions.sql_text import identifier, output_text
from appliance.workflow.catalog import Column

Kind = Literal[
    "text",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "bytea",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "time",
    "timetz",
    "point",
    "tsvector",
    "hstore",
    "xml",
    "range",
    "composite",
    "json",
    "jsonb",
    "boolean",
    "enum",
    "other",
]

INTEGERS: frozenset[Kind] = frozenset({"smallint", "integer", "bigint"})
FLOATS: frozenset[Kind] = frozenset({"real", "double"})
DATES: frozenset[Kind] = frozenset({"date", "timestamp", "timestamptz"})
TEXT: frozenset[Kind] = frozenset({"text"})
TIMES: frozenset[Kind] = frozenset({"time", "timetz"})
STRUCTURED: frozenset[Kind] = frozenset({"tsvector", "hstore", "xml", "range", "composite"})
PLAIN_KINDS: frozenset[Kind] = (
    TIMES | STRUCTURED | frozenset[Kind]({"other", "point", "cidr", "macaddr", "macaddr8"})
)
"""Of these a constant may be any text: planning asks the source whether it is a value."""
OWNED: frozenset[Kind] = frozenset({"enum", "other", "hstore", "composite"})
"""Types among which are those that users of the source own, with casts of their own."""
JSON: frozenset[Kind] = frozenset({"json", "jsonb"})

_KINDS: dict[str, Kind] = {
    "text": "text",
    "character varying": "text",
    "character": "text",
    "bpchar": "text",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "numeric": "numeric",
    "real": "real",
    "double precision": "double",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "uuid": "uuid",
    "bytea": "bytea",
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    "macaddr8": "macaddr8",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "point": "point",
    "tsvector": "tsvector",
    "xml": "xml",
    **dict.fromkeys(("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"), "range"),
    **dict.fromkeys(("int4multirange", "int8multirange", "nummultirange", "datemultirange"), "range"),
    **dict.fromkeys(("tsmultirange", "tstzmultirange"), "range"),
    "json": "json",
    "jsonb": "jsonb",
    "boolean": "boolean",
}
_WITH_MODIFIER = re.compile(r"(?P<before>[^\"(]*)\((?P<first>\d+)(?:,(?P<second>-?\d+))?\)(?P<after>[^\"]*)")


@dataclass(frozen=True)
class Shape:
    """A type as masks see it: the column's own, or for an array that of its elements."""

    kind: Kind
    cast: str
    """The SQL type, with modifier and below any domain, that a finished expression is cast to."""
    length: int | None = None
    """Characters that fit; None for no limit."""
    padded: bool = False
    """char(n): blanks at the end mean nothing."""
    folded: bool = False
    """citext: upper and lower case mean the same."""
    precision: int | None = None
    scale: int | None = None
    enum_labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, Shape], ...] = ()
    """Of a composite type: the names of its fields, and what each is."""
    checked: bool = False
    """A domain with a CHECK stands above it."""
    holds_checked: bool = False
    """A domain with a CHECK is in its type, which the source would evaluate to make a value of it."""
    array_cast: str | None = None
    """For an array: the array's own SQL type. All else describes the elements."""

    @property
    def is_array(self) -> bool:
        """Whether the column holds arrays of this."""
        return self.array_cast is not None


@dataclass(frozen=True)
class Value:
    """An SQL expression and the type it has: what a mask is applied to."""

    sql: str
    shape: Shape

    @property
    def text(self) -> str:
        """Its text form. Collation "C" everywhere: bytes decide, whatever a column's own collation says."""
        if self.shape.kind in OWNED:
            return f'({output_text(self.sql)} COLLATE "C")'
        return f'({self.sql}::text COLLATE "C")'

    @property
    def key_text(self) -> str:
        """Its text form for keyed masks, the same for values that the type takes to be equal."""
        if self.shape.folded:
            return f'(lower({self.sql}::text COLLATE "default") COLLATE "C")'
        return self.text


def column_value(column: Column) -> Value:
    """A column as the value of an expression over its table."""
    return Value(identifier(column.name), shape_of(column))


class _Type(NamedTuple):
    """What of a column its shape follows from."""

    type: str
    type_kind: str
    base_type: str
    base_kind: str
    type_modifier_length: int | None
    numeric_precision: int | None
    numeric_scale: int | None
    enum_labels: tuple[str, ...]
    domain_has_check: bool
    holds_checked: bool
    fields: tuple[Column, ...]


def shape_of(column: Column) -> Shape:
    """The shape of a column's type."""
    return _shape_of(
        _Type(
            column.type,
            column.type_kind,
            column.base_type,
            column.base_kind,
            column.type_modifier_length,
            column.numeric_precision,
            column.numeric_scale,
            column.enum_labels,
            column.domain_has_check,
            column.holds_checked,
            column.fields,
        )
    )


# Asked many times of each column, and a database has few types.
@lru_cache(maxsize=4096)
def _shape_of(column: _Type) -> Shape:
    shape = _plain_shape(column)
    inside = any(field.checked or field.holds_checked for _, field in shape.fields)
    return replace(shape, holds_checked=True) if column.holds_checked or inside else shape


def _plain_shape(column: _Type) -> Shape:
    if column.base_kind == "array":
        return _array_shape(column)
    if column.base_kind == "enum":
        own = column.base_type if column.type_kind == "domain" else column.type
        return Shape("enum", own, enum_labels=column.enum_labels)
    if column.base_kind not in ("base", "range", "multirange"):
        kind: Kind = "composite" if column.base_kind == "composite" else "other"
        own = column.type if column.type_kind != "domain" else column.base_type
        return Shape(kind, own, fields=_fields(column))
    shape = _named_shape(column.base_type)
    if shape.kind == "text" and not shape.folded:
        return _text_shape(column.base_type, column.type_modifier_length)
    if shape.kind == "numeric":
        return _numeric_shape(column.numeric_precision, column.numeric_scale)
    return replace(shape, cast=column.base_type if column.type_kind == "domain" else column.type)


def _fields(column: _Type) -> tuple[tuple[str, Shape], ...]:
    return tuple(
        (field.name, replace(shape_of(field), checked=field.domain_has_check)) for field in column.fields
    )


def _array_shape(column: _Type) -> Shape:
    array = column.type if column.type_kind == "array" else column.base_type
    element, precision, scale = _without_modifier(array.removesuffix("[]"))
    shape = _named_shape(element)
    if column.fields:
        shape = Shape("composite", element, fields=_fields(column))
    if shape.kind == "text" and not shape.folded:
        shape = _text_shape(element, precision)
    elif shape.kind == "numeric":
        shape = _numeric_shape(precision, scale)
    return replace(shape, array_cast=array)


def _named_shape(name: str) -> Shape:
    if name == "citext" or name.endswith(".citext"):
        return Shape("text", name, folded=True)
    if name == "hstore" or name.endswith(".hstore"):
        return Shape("hstore", name)
    return Shape(_KINDS.get(name, "other"), name)


def _text_shape(name: str, length: int | None) -> Shape:
    if name == "text":
        return Shape("text", "text")
    if name == "character varying":
        return Shape("text", name if length is None else f"{name}({length})", length=length)
    return Shape("text", "bpchar" if length is None else f"character({length})", length=length, padded=True)


def _numeric_shape(precision: int | None, scale: int | None) -> Shape:
    if precision is None:
        return Shape("numeric", "numeric")
    return Shape("numeric", f"numeric({precision},{scale or 0})", precision=precision, scale=scale or 0)


def _without_modifier(name: str) -> tuple[str, int | None, int | None]:
    """``numeric(10,2)`` as its name and the two numbers."""
    found = _WITH_MODIFIER.fullmatch(name)
    if found is None:
        return name, None, None
    second = found["second"]
    return found["before"] + found["after"], int(found["first"]), int(second) if second else None
