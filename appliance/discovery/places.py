"""Where in a column values stand, and the SQL of their texts: whole, each element, each leaf of a document.

Only built-in functions and the types' own output functions are called. ``r`` is a row of the sample.
"""

from __future__ import annotations

from typing import Literal

from appliance.discovery.value_shapes import KNOWN, LONGEST
from appliance.masking.expressions.sql_text import identifier, output_text
from appliance.masking.json.guard import is_jsonb
from appliance.masking.shape import DATES, INTEGERS, shape_of
from appliance.workflow.catalog import Column, Table

Mode = Literal["text", "number", "year", "bytes"]

_ELEMENTS = 50
"""Of an array."""
LEAVES = 200
"""Of a document."""
_DEEPEST = 8
_LARGEST = 1_000_000
"""Bytes of a document, of which only smaller ones are taken apart."""
_OUTPUT_ONLY = frozenset(
    ("hstore", "ltree", "xml", "tsvector", "citext", "name", "jsonpath", "macaddr", "cidr", "inet")
)
"""Types whose text says all, besides the well-known."""
_WHOLE_ARRAYS = frozenset(("json", "jsonb", "other", "enum", "composite"))
"""Arrays whose text is looked at as one. Of composites unnest would give the first field alone."""
_NOT_READ = frozenset(("boolean", "enum", "uuid", "real", "double"))


def mode_of(column: Column) -> Mode | None:
    """How a column's values are looked at; None for those that are not, by their type."""
    shape = shape_of(column)
    if shape.is_array or shape.kind in ("text", "json", "jsonb", "inet"):
        return "text"
    if shape.kind in INTEGERS | {"numeric"}:
        return "number"
    if shape.kind in DATES:
        return "year"
    if shape.kind == "bytea":
        return "bytes"
    if shape.kind in _NOT_READ:
        return None
    own_output = column.base_kind in ("composite", "range", "multirange")
    return "text" if own_output or bare_type(column) in _OUTPUT_ONLY else None


def bare_type(column: Column) -> str:
    """The type's name without its schema and its modifier."""
    return column.base_type.rpartition(".")[2].partition("(")[0]


def is_looked_at(table: Table, column: Column) -> bool:
    """Whether values are read: not of what a sequence counts, what refers to another, or what is computed."""
    refers = any(column.name in key.columns for key in table.foreign_keys)
    counted = column.from_sequence or (refers and mode_of(column) == "number")
    return mode_of(column) is not None and not counted and not column.generated


def values_sql(column: Column, place: int, encoding: str) -> str:
    """A SELECT of (place, path, mode, value) for one row of the sample."""
    shape, sql = shape_of(column), f"r.{identifier(column.name)}"
    mode = mode_of(column)
    if is_document(column):
        return _leaves(sql, place, as_json=shape.kind == "json", encoding=encoding)
    if shape.is_array and shape.kind not in _WHOLE_ARRAYS:
        element = "e.x::text" if shape.kind == "text" and not shape.folded else output_text("e.x")
        source = f"(SELECT u.x FROM unnest({sql}) AS u (x) LIMIT {_ELEMENTS}) AS e"
        return f"SELECT {place}, '[*]', 'text', {short(element)} FROM {source}"
    return f"SELECT {place}, '', '{mode}', {_scalar(column, sql)}"


def _scalar(column: Column, sql: str) -> str:
    shape = shape_of(column)
    if shape.kind in DATES and not shape.is_array:
        return (
            f"coalesce(lpad(extract(year FROM {sql})::text, 4, '0'), CASE WHEN {sql} IS NOT NULL THEN '' END)"
        )
    if shape.kind == "bytea" and not shape.is_array:
        return f"encode(substring({sql} FROM 1 FOR 16), 'hex')"
    if shape.kind == "text" and not shape.folded and not shape.is_array:
        return short(f"{sql}::text")
    return short(output_text(sql))


def short(text: str) -> str:
    """So much of a text as is looked at."""
    return f"left({text}, {LONGEST})"


def is_document(column: Column) -> bool:
    """Whether it holds one document a row."""
    shape = shape_of(column)
    return shape.kind in ("json", "jsonb") and not shape.is_array


def document_sql(sql: str, *, as_json: bool, encoding: str) -> str:
    """A document as jsonb; NULL for one that is too large to be taken apart."""
    small = f"octet_length({sql}::text) <= {_LARGEST}" if as_json else f"pg_column_size({sql}) <= {_LARGEST}"
    fit = f"{small} AND ({is_jsonb(sql, encoding)})" if as_json else small
    return f"CASE WHEN {fit} THEN {sql}::jsonb END"


def field_sql(key: str) -> tuple[str, str]:
    """Whether a key looks like a field's name, and whether it is a person's."""
    known = f'{KNOWN}::jsonb ? lower({key} COLLATE "default")'
    return f"{key} ~ '^[A-Za-z_][A-Za-z_-]{{0,30}}[0-9]{{0,2}}$'", known


def _leaves(sql: str, place: int, *, as_json: bool, encoding: str) -> str:
    """Every text and number of a document, and every key that does not look like a field's name."""
    document = document_sql(sql, as_json=as_json, encoding=encoding)
    field, known = field_sql("m.key")
    step = (
        "SELECT w.path || '.' || m.shown, m.value FROM ("
        f"SELECT m.key, m.value, CASE WHEN {field} AND NOT {known} THEN m.key ELSE '*' END AS shown"
        " FROM jsonb_each(CASE WHEN jsonb_typeof(w.value) = 'object' THEN w.value END)"
        " AS m (key, value)) AS m"
        " UNION ALL SELECT w.path || '.*', to_jsonb(m.key)"
        " FROM jsonb_object_keys(CASE WHEN jsonb_typeof(w.value) = 'object' THEN w.value END) AS m (key)"
        f" WHERE NOT ({field}) OR {known}"
        " UNION ALL SELECT w.path || '[*]', a.value"
        " FROM jsonb_array_elements(CASE WHEN jsonb_typeof(w.value) = 'array' THEN w.value END) AS a (value)"
    )
    return (
        f"SELECT {place}, l.path, 'text', {short('l.text')} FROM ("
        "WITH RECURSIVE walk (path, value, depth) AS ("
        f"SELECT ''::text, {document}, 0 UNION ALL SELECT n.path, n.value, w.depth + 1 FROM walk AS w"
        f" CROSS JOIN LATERAL ({step}) AS n (path, value) WHERE w.depth < {_DEEPEST})"
        " SELECT k.path, k.value #>> '{}' AS text FROM walk AS k"
        f" WHERE jsonb_typeof(k.value) IN ('string', 'number') LIMIT {LEAVES}) AS l"
    )
