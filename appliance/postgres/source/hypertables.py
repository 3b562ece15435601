"""Hypertables of TimescaleDB, which look like tables of PostgreSQL and hold no row themselves.

Their rows stand in chunks: tables that inherit from them, which TimescaleDB makes, compresses and drops by
itself and describes in tables of its own. Copied one by one they would be torn from that description, so a
hypertable is read with all of its chunks, and an ordinary table holds its rows in the twin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.workflow.catalog import NotCarried, Table

_IS_THERE = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
# Its own catalog: readable for everybody, and of the same columns in every version there is.
_HYPERTABLES = """
WITH RECURSIVE hypertables AS (
    SELECT c.oid FROM _timescaledb_catalog.hypertable AS h
    JOIN pg_namespace AS n ON n.nspname = h.schema_name
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = h.table_name
), chunks AS (
    SELECT i.inhparent AS hypertable, i.inhrelid AS oid
    FROM pg_inherits AS i JOIN hypertables AS h ON h.oid = i.inhparent
), kept AS (
    SELECT oid FROM chunks
    UNION SELECT c.oid FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
        AND c.relnamespace = to_regnamespace('_timescaledb_internal')
        AND NOT EXISTS (SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT h.oid, h.oid IN (SELECT oid FROM kept), sum(greatest(c.relpages, 0)), sum(greatest(c.reltuples, 0))
FROM hypertables AS h LEFT JOIN chunks ON chunks.hypertable = h.oid
LEFT JOIN pg_class AS c ON c.oid = chunks.oid
GROUP BY h.oid
UNION ALL SELECT k.oid, true, NULL, NULL FROM kept AS k WHERE k.oid NOT IN (SELECT oid FROM hypertables)
"""


@dataclass(frozen=True)
class Extent:
    """What the last VACUUM or ANALYZE noted of all chunks of a hypertable; of compressed ones nothing."""

    pages: int
    rows: int


@dataclass(frozen=True)
class Hypertables:
    """By oid."""

    extents: dict[int, Extent] = field(default_factory=dict)
    """Those that people know."""
    kept: frozenset[int] = frozenset()
    """Chunks, and all other relations that TimescaleDB has made for itself."""
    is_there: bool = False
    """The extension is installed."""

    def not_carried(self, tables: Iterable[Table]) -> tuple[NotCarried, ...]:
        """What becomes of hypertables."""
        return tuple(
            NotCarried(kind="hypertable", name=table.qualified, why="An ordinary table has its rows.")
            for table in tables
            if table.oid in self.extents
        )

    def with_extents(self, tables: Iterable[Table], block: int) -> tuple[Table, ...]:
        """The tables, and of hypertables what their chunks come to.

        They have no pages of their own: a range of pages would be one of every chunk.
        """
        return tuple(
            table.model_copy(
                update={"pages": 0, "bytes": extent.pages * block, "estimated_rows": extent.rows}
            )
            if (extent := self.extents.get(table.oid))
            else table
            for table in tables
        )


def read_hypertables(source: Connection[TupleRow]) -> Hypertables:
    """Nothing where the extension is not installed. Raises psycopg errors."""
    if source.execute(_IS_THERE).fetchone() != (True,):
        return Hypertables()
    rows = source.execute(_HYPERTABLES).fetchall()
    return Hypertables(
        extents={
            oid: Extent(int(pages or 0), int(tuples or 0)) for oid, kept, pages, tuples in rows if not kept
        },
        kept=frozenset(oid for oid, kept, *_ in rows if kept),
        is_there=True,
    )


SEEDS = """
UNION ALL
SELECT 'pg_extension'::regclass, oid, 'the extension timescaledb',
    'a process of its own enters each database that has it, which could then not be swapped'
FROM pg_extension WHERE extname = 'timescaledb'
UNION ALL
SELECT 'pg_class'::regclass, c.oid, 'the table ' || n.nspname || '.' || c.relname,
    'TimescaleDB keeps it for itself'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ANY (%(kept)s::oid[])
"""
"""For ``find_left_behind``, where the extension is there; with ``kept``, oids."""
