"""The digest of a twin: over its definitions, and over each table's rows in whatever order they stand.

Rows are hashed with SHA-256 in an order that follows from the rows alone (``row_digests``). Two databases
with the same definitions and rows have the same digest, on whatever server of one major version; one byte of
one row more or less gives another. Computed on the twin's server: only hashes and counts come here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.errors import ApplianceError
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.errors import database_failure
from appliance.postgres.no_encoding import rows_in
from appliance.postgres.plan import TableName
from appliance.postgres.sessions.parallel_jobs import Job, run_jobs
from appliance.postgres.twin.found_names import with_names
from appliance.postgres.twin.groups import GroupSizes
from appliance.postgres.twin.row_digests import (
    OURS_TABLES,
    SESSION,
    TOGETHER,
    ReadTable,
    digests_together,
    encoding_for,
    is_small,
    row_digests,
)

_OURS = (
    "c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_'"  # noqa: S608
    f" AND n.nspname NOT IN ('information_schema', '{SCHEMA}'))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass"
    " AND d.objid = c.oid AND d.deptype = 'e')"
)
# Without an encoding there is nothing to convert.
_BYTES = "CASE WHEN pg_catalog.getdatabaseencoding() = 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END"
_TABLES = f"{OURS_TABLES} WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_OURS}"
_DEFINITIONS = f"""
SELECT line FROM (
 SELECT 'relation ' || c.oid::regclass::text || ' ' || c.relkind::text AS line
  FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND {_OURS}
 UNION ALL
 SELECT 'column ' || c.oid::regclass::text || ' ' || pg_catalog.quote_ident(a.attname) || ' '
   || pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
   || a.attidentity::text || a.attgenerated::text
   || coalesce(' default ' || pg_catalog.pg_get_expr(e.adbin, e.adrelid), '')
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OURS}
 UNION ALL
 SELECT 'constraint ' || c.oid::regclass::text || ' ' || pg_catalog.quote_ident(k.conname) || ' '
   || pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid WHERE {_OURS}
 UNION ALL
 SELECT 'index ' || pg_catalog.pg_get_indexdef(i.indexrelid)
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid WHERE {_OURS}
 UNION ALL
 SELECT 'view ' || c.oid::regclass::text || ' ' || pg_catalog.pg_get_viewdef(c.oid)
  FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('v', 'm') AND {_OURS}
 UNION ALL
 SELECT 'trigger ' || pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
  WHERE {_OURS}
 UNION ALL
 SELECT 'function ' || c.oid::regprocedure::text || ' '
   || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(c.prosrc, {_BYTES})), 'hex')
  FROM (SELECT *, pronamespace AS relnamespace FROM pg_catalog.pg_proc) AS c
  WHERE {_OURS.replace("pg_class'::regclass", "pg_proc'::regclass")}
 UNION ALL
 SELECT 'enum ' || c.oid::regtype::text || ' ' || pg_catalog.quote_literal(l.enumlabel)
   || ' ' || pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY l.enumsortorder)
  FROM (SELECT *, typnamespace AS relnamespace FROM pg_catalog.pg_type) AS c
  JOIN pg_catalog.pg_enum AS l ON l.enumtypid = c.oid
  WHERE {_OURS.replace("pg_class'::regclass", "pg_type'::regclass")}
) AS found ORDER BY line COLLATE "C"
"""  # noqa: S608


_Parts = list[tuple[int, str]] | None


class TableDigest(BaseModel):
    """One table's rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows: int
    sha256: str


class TwinDigest(BaseModel):
    """One database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    definitions_sha256: str
    tables: tuple[TableDigest, ...]

    @property
    def sha256(self) -> str:
        """Over all of it: a line of JSON for the definitions, then one for each table by name."""
        lines = [json.dumps(["definitions", self.definitions_sha256])]
        lines += [json.dumps([each.table, each.rows, each.sha256]) for each in self.tables]
        return _sha256(lines)


class TwinDigests(BaseModel):
    """``digests.json``: those of all twins of a run, and the groups that were counted in the first one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    twins: tuple[TwinDigest, ...]
    groups: tuple[GroupSizes, ...] = ()


@dataclass
class StandingTwin:
    """What a twin is now, that its users may have changed."""

    definitions_sha256: str
    digests: dict[str, str] = field(default_factory=dict)
    """Of the tables that were asked for, and are there."""
    others: tuple[str, ...] = ()
    """Tables that are there, and were not asked for."""
    unread: dict[str, ApplianceError] = field(default_factory=dict)
    """Tables that could not be read, and why."""


def digest_twin(
    connection: str, open_session: Callable[[], Connection[TupleRow]], parallel: int
) -> TwinDigest:
    """Read a whole database for its digest, in up to ``parallel`` sessions. Raises WorkFailedError."""
    found: list[TableDigest] = []

    def digest(session: Connection[TupleRow], table: ReadTable, known: _Parts) -> None:
        found.append(_digest_table(session, table, known))

    definitions, _ = _read(open_session, parallel, digest, lambda _: True)
    return TwinDigest(
        connection=connection,
        definitions_sha256=definitions,
        tables=tuple(sorted(found, key=lambda each: (each.table, each.sha256))),
    )


def standing_twin(
    open_session: Callable[[], Connection[TupleRow]], parallel: int, wanted: Collection[str]
) -> StandingTwin:
    """Look at a twin that is in use: the digests of these tables, and which others there are.

    A table that cannot be read is named, and stops nothing. Raises WorkFailedError.
    """
    found = StandingTwin("")

    def digest(session: Connection[TupleRow], table: ReadTable, known: _Parts) -> None:
        name = table.name
        try:
            found.digests[name.qualified] = _digest_table(session, table, known).sha256
        except ApplianceError as error:
            if session.closed:
                raise
            found.unread[name.qualified] = error

    found.definitions_sha256, others = _read(open_session, parallel, digest, wanted.__contains__)
    found.others = tuple(sorted(others))
    return found


def _read(
    open_session: Callable[[], Connection[TupleRow]],
    parallel: int,
    digest: Callable[[Connection[TupleRow], ReadTable, _Parts], None],
    wanted: Callable[[str], bool],
) -> tuple[str, list[str]]:
    """Have the wanted tables digested; the definitions' digest, and the tables that are not wanted."""

    def opened() -> Connection[TupleRow]:
        session = open_session()
        session.execute(f"{SESSION}; SET client_encoding = 'UTF8'".encode())
        return session

    def opened_for_rows() -> Connection[TupleRow]:
        session = open_session()
        session.execute(f"{SESSION}; SET client_encoding = '{encoding_for(session)}'".encode())
        return session

    def job(some: Sequence[ReadTable]) -> Job:
        def run(session: Connection[TupleRow]) -> None:
            for table, known in zip(some, _known(session, some), strict=True):
                digest(session, table, known)

        return Job(some[0].name.qualified, run, rank=(-sum(table.pages for table in some),))

    try:
        with opened() as session:
            tables = [
                ReadTable(TableName(schema_name=schema, name=table), pages, plain, tuple(key), correlation)
                for schema, table, pages, plain, key, correlation in session.execute(_TABLES.encode())
            ]
            lines = [line for (line,) in rows_in(session, _DEFINITIONS)]
    except psycopg.Error as error:
        raise database_failure("The twin's definitions could not be read for its digest.", error) from None
    read = [table for table in tables if wanted(table.name.qualified)]
    small = [table for table in read if is_small(table)]
    several = [small[at : at + TOGETHER] for at in range(0, len(small), TOGETHER)]
    alone = [[table] for table in read if not is_small(table)]
    run_jobs([job(some) for some in (*alone, *several)], opened_for_rows, parallel)
    names = [table.name.qualified for table in tables]
    return _sha256(lines), [name for name in names if not wanted(name)]


def _known(session: Connection[TupleRow], some: Sequence[ReadTable]) -> Sequence[_Parts]:
    """What can be had of several tables in one round trip; what is in the way is met again alone."""
    if len(some) > 1:
        try:
            return digests_together(session, some)
        except psycopg.Error as error:
            if session.closed:
                what = "The twin's tables could not be read for its digest."
                raise database_failure(what, error) from None
    return [None for _ in some]


def _digest_table(session: Connection[TupleRow], table: ReadTable, known: _Parts) -> TableDigest:
    try:
        parts = known if known is not None else with_names(session, lambda: row_digests(session, table))
    except psycopg.Error as error:
        raise database_failure(
            "A table of the twin could not be read for its digest.", error, table=table.name.qualified
        ) from None
    lines = [f"{rows} {digest}" for rows, digest in parts]
    return TableDigest(table=table.name.qualified, rows=sum(rows for rows, _ in parts), sha256=_sha256(lines))


def _sha256(lines: Iterable[str]) -> str:
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()
