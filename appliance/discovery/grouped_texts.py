"""The texts of many rows, equal ones together and counted: what the looks at kept columns go over.

The same places as in a scan, got at in a fraction of the time: a document gives its leaves with the names of
their fields alone, and whether a name is a field's or a person's is asked once of each, not of each leaf.
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.discovery.places import (
    LEAVES,
    document_sql,
    field_sql,
    is_document,
    short,
    values_sql,
)
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.shape import shape_of
from appliance.workflow.catalog import Column

_FIELD = "field"
"""The mode of a document's leaf until its field's name has been looked at."""


def texts_sql(column: Column, place: int, encoding: str) -> str:
    """A SELECT of (place, path, mode, value) for one row ``r``; what ``grouped`` takes, and nothing else."""
    return (_fields if is_document(column) else values_sql)(column, place, encoding)


def from_rows(rows: str, values: Iterable[str]) -> str:
    """All texts of a query of rows, by what ``texts_sql`` gives for its columns."""
    return (
        f"SELECT a.place, a.path, a.mode, a.value FROM ({rows}) AS r"
        f" CROSS JOIN LATERAL ({' UNION ALL '.join(values)}) AS a (place, path, mode, value)"
    )


def grouped(texts: str) -> str:
    """(place, path, mode, value, n): equal texts once, and of documents those keys that name no field."""
    field, known = field_sql("k.path")
    # As a document's leaf, neither is anybody's data.
    datum = f"g.mode <> '{_FIELD}' OR g.value NOT IN ('true', 'false')"
    return (
        'WITH appliance_texts AS MATERIALIZED (SELECT a.place, a.path COLLATE "C" AS path, a.mode,'
        f' a.value COLLATE "C" AS value, count(*) AS n FROM ({texts}) AS a'
        f" WHERE a.value IS NOT NULL OR a.mode = '{_FIELD}' GROUP BY 1, 2, 3, 4),"
        f" appliance_keys AS MATERIALIZED (SELECT k.*, {field} AND NOT {known} AS named FROM"
        " (SELECT g.place, g.path, sum(g.n) AS n FROM appliance_texts AS g"
        f" WHERE g.mode = '{_FIELD}' GROUP BY 1, 2 OFFSET 0) AS k)"
        " SELECT g.place, CASE WHEN k.named IS FALSE THEN '*' ELSE g.path END AS path,"
        f" CASE g.mode WHEN '{_FIELD}' THEN 'text' ELSE g.mode END AS mode, g.value, g.n"
        f" FROM appliance_texts AS g LEFT JOIN appliance_keys AS k ON g.mode = '{_FIELD}'"
        f" AND k.place = g.place AND k.path = g.path WHERE g.value IS NOT NULL AND ({datum})"
        f" UNION ALL SELECT k.place, '.*', 'text', {short('k.path')}, k.n"
        " FROM appliance_keys AS k WHERE NOT k.named"
    )


def _fields(column: Column, place: int, encoding: str) -> str:
    """A document's leaves, each with its field's name; a field without a text of its own gives NULL.

    Most documents are flat, and their leaves are had for a tenth of what a path through all levels costs.
    """
    sql, as_json = f"r.{identifier(column.name)}", shape_of(column).kind == "json"
    deep = "CASE WHEN NOT j.flat THEN j.doc END"
    members = f"jsonb_path_query({deep}, 'strict $.** ? (@.type() == \"object\").keyvalue()', '{{}}', true)"
    elements = f"jsonb_path_query({deep}, 'strict $.** ? (@.type() == \"array\")[*]', '{{}}', true)"
    document = document_sql(sql, as_json=as_json, encoding=encoding)
    flat = "jsonb_typeof(d.doc) = 'object' AND substr(d.doc::text, 2) !~ '[[{]'"
    leaf, of_member, of_element = (_is_datum(each) for each in ("j.doc", "m.x -> 'value'", "e.x"))
    leaves = (
        f"SELECT e.key, '{_FIELD}', e.value"
        " FROM jsonb_each_text(CASE WHEN j.flat THEN j.doc END) AS e (key, value)",
        f"SELECT m.x ->> 'key', '{_FIELD}', CASE WHEN {of_member} THEN m.x ->> 'value' END"
        f" FROM {members} AS m (x)",
        f"SELECT '[*]', 'text', e.x #>> '{{}}' FROM {elements} AS e (x) WHERE {of_element}",
        f"SELECT '', 'text', j.doc #>> '{{}}' WHERE {leaf}",
    )
    return (
        f"SELECT {place}, l.path, l.mode, {short('l.text')} FROM (SELECT f.path, f.mode, f.text FROM"
        f" (SELECT d.doc, {flat} AS flat FROM (SELECT {document} AS doc OFFSET 0) AS d OFFSET 0) AS j"
        f" CROSS JOIN LATERAL ({' UNION ALL '.join(leaves)}) AS f (path, mode, text) LIMIT {LEAVES}) AS l"
    )


def _is_datum(document: str) -> str:
    return f"jsonb_typeof({document}) IN ('string', 'number')"
