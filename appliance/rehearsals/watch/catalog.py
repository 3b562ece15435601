"""What tables, indexes and constraints a branch has at a moment, and what is different a statement later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

_USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_RELATIONS = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode::bigint,
    coalesce(i.indrelid, 0)::bigint, coalesce(i.indisvalid, true), c.reltuples::bigint
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND c.relpersistence <> 't' AND {_USERS}
"""  # noqa: S608
_CONSTRAINTS = f"""
SELECT k.oid::bigint, k.conname || ' on ' || n.nspname || '.' || c.relname, k.convalidated
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND {_USERS}
"""  # noqa: S608
_WRITES = """
SELECT CASE WHEN pg_catalog.current_setting('track_counts')::boolean THEN
    pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(c) +
        pg_catalog.pg_stat_get_xact_tuples_updated(c) + pg_catalog.pg_stat_get_xact_tuples_deleted(c))::int8
END FROM pg_catalog.unnest(ARRAY['pg_catalog.pg_class', 'pg_catalog.pg_index', 'pg_catalog.pg_constraint',
    'pg_catalog.pg_namespace']::pg_catalog.regclass[]) AS c
"""
_SIZES = "SELECT oid::bigint, coalesce(pg_total_relation_size(oid), 0) FROM unnest(%s::oid[]) AS oid"

TABLE_KINDS = frozenset({"r", "p", "m"})
_HEAPS = frozenset({"r", "m"})


@dataclass(frozen=True)
class Relation:
    """A table, a materialised view or an index."""

    oid: int
    schema: str
    table: str
    """Its own name, in its schema."""
    kind: str
    filenode: int
    of_table: int
    """Of an index: its table."""
    valid: bool
    rows: int
    """As the last ANALYZE counted them; negative where there was none."""

    @property
    def name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table."""

    name: str
    validated: bool


@dataclass(frozen=True)
class CatalogState:
    """All of a branch's own, by their oids."""

    relations: dict[int, Relation]
    constraints: dict[int, Constraint]

    def tables(self) -> dict[int, Relation]:
        """Those that hold rows, or are partitioned."""
        return {oid: each for oid, each in self.relations.items() if each.kind in TABLE_KINDS}

    def invalid(self) -> frozenset[str]:
        """The indexes and constraints that are not valid."""
        indexes = {f"index {each.name}" for each in self.relations.values() if not each.valid}
        constraints = {f"constraint {each.name}" for each in self.constraints.values() if not each.validated}
        return frozenset(indexes | constraints)


@dataclass(frozen=True)
class Changes:
    """What a statement has made of one state."""

    rewrites: tuple[str, ...]
    reindexed: tuple[str, ...]
    built: tuple[str, ...]
    validated: tuple[str, ...]
    invalid: tuple[str, ...]
    dropped: tuple[str, ...]


def read_state(session: Connection[TupleRow]) -> CatalogState:
    """As the session sees it: its own transaction's changes, too. Raises psycopg errors."""
    relations = {row[0]: Relation(*row) for row in session.execute(_RELATIONS).fetchall()}
    constraints = {oid: Constraint(*rest) for oid, *rest in session.execute(_CONSTRAINTS).fetchall()}
    return CatalogState(relations, constraints)


def catalog_writes(session: Connection[TupleRow]) -> int | None:
    """A number that grows in a transaction with whatever ``read_state`` would see; None where none is kept.

    The state of thousands of tables is read for a statement only that has changed it.
    """
    row = session.execute(_WRITES).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else None


def read_sizes(session: Connection[TupleRow], tables: Iterable[int]) -> dict[int, int]:
    """Bytes of tables, with their indexes and what is stored beside them. Raises psycopg errors."""
    return {oid: int(size) for oid, size in session.execute(_SIZES, [list(tables)]).fetchall()}


def changes(before: CatalogState, after: CatalogState, *, emptied: bool = False) -> Changes:
    """What is different; ``emptied`` for TRUNCATE, which gives a table new files and writes no row."""
    old, new = before.relations, after.relations
    kept = [(old[oid], new[oid]) for oid in new if oid in old]
    moved = {here.oid for was, here in kept if was.filenode != here.filenode}
    rewritten = {oid for oid in moved if new[oid].kind in _HEAPS} - ({*moved} if emptied else set())
    fresh = [each for oid, each in new.items() if oid not in old]
    indexes = [each for each in fresh if each.kind in {"i", "I"}]
    constraints = {oid: each for oid, each in after.constraints.items() if oid not in before.constraints}
    was_invalid = {oid for oid, each in before.constraints.items() if not each.validated}
    validated = [
        f"constraint {each.name}"
        for oid, each in after.constraints.items()
        if oid in was_invalid and each.validated
    ]
    validated += [f"index {here.name}" for was, here in kept if here.valid and not was.valid]
    gone = [f"{_kind(each)} {each.name}" for oid, each in old.items() if oid not in new]
    gone += [
        f"constraint {each.name}" for oid, each in before.constraints.items() if oid not in after.constraints
    ]
    return Changes(
        rewrites=_names(new[oid].name for oid in rewritten),
        reindexed=_names(
            new[oid].name
            for oid in moved
            if new[oid].kind == "i" and new[oid].of_table not in moved and not emptied
        ),
        built=_names(
            [f"index {each.name}" for each in indexes if each.valid]
            + [f"constraint {each.name}" for each in constraints.values() if each.validated]
            + [f"table {each.name}" for each in fresh if each.kind in TABLE_KINDS]
        ),
        validated=_names(validated),
        invalid=_names(
            [f"index {each.name}" for each in indexes if not each.valid]
            + [f"constraint {each.name}" for each in constraints.values() if not each.validated]
        ),
        dropped=_names(gone),
    )


def _kind(relation: Relation) -> str:
    return "table" if relation.kind in TABLE_KINDS else "index"


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
