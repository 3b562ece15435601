"""A rule of the database that is built which masked rows may break; how to ask for some tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

WANTED = """
WITH RECURSIVE wanted AS (
    SELECT c.oid, w.place FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY
        AS w (schema_name, name, place)
    JOIN pg_namespace AS n ON n.nspname = w.schema_name
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
)
"""
"""The tables that ``asked_for`` names, each with its place among them, from 1."""
# A type may stand below a domain, in an array, in a composite type or in a range.
USED_TYPES = f"""{WANTED}, used AS (
    SELECT w.place, a.attname, a.atttypid AS oid
    FROM wanted AS w JOIN pg_attribute AS a ON a.attrelid = w.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    UNION
    SELECT used.place, used.attname, made.oid FROM used JOIN pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
        UNION ALL SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL SELECT f.atttypid FROM pg_attribute AS f
                  WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
    ) AS made WHERE made.oid <> 0
)
"""  # noqa: S608
"""``used``: each column that a row is written with, by ``place`` and ``attname``, and the types in it."""
TYPES = f"""{WANTED}
SELECT w.place, a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM wanted AS w JOIN pg_attribute AS a ON a.attrelid = w.oid WHERE a.attnum > 0 AND NOT a.attisdropped
"""  # noqa: S608


@dataclass(frozen=True)
class Computed:
    """A generated column."""

    name: str
    expression: str


@dataclass(frozen=True)
class LateRule:
    """A CHECK of a table, all those of the types of one of its columns, or what else a row must satisfy."""

    table: int
    """Its place among the plan's tables."""
    names: tuple[str, ...]
    """Of checks, of a generated column, or of the table whose partitions must take every row."""
    expression: str
    """Of a type's for people alone: taking up a value holds it to all of them."""
    columns: tuple[str, ...]
    """That it is about, without generated ones, each with a value from the source."""
    types: tuple[str, ...]
    computed: tuple[Computed, ...] = ()
    kind: Literal["check", "type", "generated", "partitions"] = "check"
    whole_row: bool = False

    @property
    def of_type(self) -> bool:
        """Taking up a value of the column's type is what is tried."""
        return self.kind == "type"


def asked_for(tables: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    """Parameters of queries that begin with ``WANTED``."""
    return {"schemas": [schema for schema, _ in tables], "names": [name for _, name in tables]}
