"""Neutral values: what stands in an undecided column and that may not be NULL."""

from __future__ import annotations

from appliance.masking.expressions.sql_text import literal
from appliance.masking.shape import shape_of
from appliance.workflow.catalog import Column

_BY_KIND = {
    "text": "",
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "numeric": "0",
    "real": "0",
    "double": "0",
    "date": "1970-01-01",
    "timestamp": "1970-01-01 00:00:00",
    "timestamptz": "1970-01-01 00:00:00+00",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "bytea": "",
    "inet": "0.0.0.0",  # noqa: S104
    "json": "{}",
    "jsonb": "{}",
    "boolean": "false",
}
_BY_NAME = {
    "time without time zone": "00:00:00",
    "time with time zone": "00:00:00+00",
    "interval": "0",
    "cidr": "0.0.0.0/0",
    "macaddr": "00:00:00:00:00:00",
    "macaddr8": "00:00:00:00:00:00:00:00",
    "money": "0",
    "bit varying": "",
    "tsvector": "",
    "tsquery": "",
    "xml": "",
    "point": "(0,0)",
    "box": "(0,0),(0,0)",
    "circle": "<(0,0),0>",
    "lseg": "[(0,0),(0,0)]",
    "path": "[(0,0)]",
    "polygon": "((0,0))",
    "line": "{1,0,0}",
    "name": "",
    "pg_lsn": "0/0",
    "hstore": "",
    "ltree": "",
}


def neutral_value(column: Column) -> str | None:
    """An SQL literal of the column's type that says nothing; None where no such value is known.

    For ``unlisted: null`` on a NOT NULL column. Equal in all rows, so of no use for a unique one.
    """
    shape = shape_of(column)
    cast = shape.array_cast or shape.cast
    if shape.is_array:
        return f"'{{}}'::{cast}"
    if shape.kind == "enum":
        return f"{literal(shape.enum_labels[0])}::{cast}" if shape.enum_labels else None
    if column.base_kind in ("range", "multirange"):
        text = "empty" if column.base_kind == "range" else "{}"
        return f"'{text}'::{cast}"
    text_form = _BY_KIND.get(shape.kind)
    if text_form is None:
        name = column.base_type.rpartition(".")[2]
        text_form = _BY_NAME.get(name)
    if text_form is None and column.base_type in ("bit", '"bit"'):
        # Zeros for as many bits as the type has: the cast adds them on the right.
        return f"B'0'::{cast}"
    return None if text_form is None else f"'{text_form}'::{cast}"
