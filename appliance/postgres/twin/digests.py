"""The digest of a twin: over its definitions, and over each table's rows in whatever order they stand.

Of each row its text in fixed settings is hashed (SHA-256), the hashes are sorted, and what they are together
is hashed again. Two databases with the same definitions and rows have the same digest, on whatever server of
one major version; one byte of one row more or less gives another. Computed on the twin's server: only hashes
and counts come here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.errors import ApplianceError
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.errors import database_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import TableName
from appliance.postgres.sessions.parallel_jobs import Job, run_jobs
from appliance.postgres.twin.found_names import with_names
from appliance.postgres.twin.groups import GroupSizes

SESSION = (
    "SET row_security = off; SET search_path = ''; SET \"DateStyle\" = 'ISO, YMD'; SET \"TimeZone\" = 'UTC';"
    " SET \"IntervalStyle\" = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex';"
    " SET lc_monetary = 'C'; SET xmloption = 'content'; SET client_encoding = 'UTF8'; SET work_mem = '64MB'"
)
"""What the text form of values depends on."""
_OURS = (
    "c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_'"  # noqa: S608
    f" AND n.nspname NOT IN ('information_schema', '{SCHEMA}'))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass"
    " AND d.objid = c.oid AND d.deptype = 'e')"
)
_TABLES = f"""
SELECT n.nspname::text, c.relname::text, c.relpages FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_OURS}
"""  # noqa: S608
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
   || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(c.prosrc, 'UTF8')), 'hex')
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


_ROW = "pg_catalog.sha256(pg_catalog.textsend(t::text))"
_TOO_LONG = ("54000", "XX000")
"""What servers say of a value that would be longer than a gigabyte."""
_COLUMNS = """
SELECT attname::text, atttypid = 'pg_catalog.bytea'::regtype FROM pg_catalog.pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


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

    def digest(session: Connection[TupleRow], name: TableName) -> None:
        found.append(_digest_table(session, name))

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

    def digest(session: Connection[TupleRow], name: TableName) -> None:
        try:
            found.digests[name.qualified] = _digest_table(session, name).sha256
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
    digest: Callable[[Connection[TupleRow], TableName], None],
    wanted: Callable[[str], bool],
) -> tuple[str, list[str]]:
    """Have the wanted tables digested; the definitions' digest, and the tables that are not wanted."""

    def opened() -> Connection[TupleRow]:
        session = open_session()
        session.execute(SESSION.encode())
        return session

    def job(name: TableName, pages: int) -> Job:
        return Job(name.qualified, lambda session: digest(session, name), rank=(-pages,))

    try:
        with opened() as session:
            tables = [
                (TableName(schema_name=schema, name=table), pages)
                for schema, table, pages in session.execute(_TABLES.encode())
            ]
            lines = [line for (line,) in session.execute(_DEFINITIONS.encode())]
    except psycopg.Error as error:
        raise database_failure("The twin's definitions could not be read for its digest.", error) from None
    jobs = [job(name, pages) for name, pages in tables if wanted(name.qualified)]
    run_jobs(jobs, opened, parallel)
    return _sha256(lines), [name.qualified for name, _ in tables if not wanted(name.qualified)]


def _digest_table(session: Connection[TupleRow], name: TableName) -> TableDigest:
    def hashed(row_hash: str) -> list[TupleRow]:
        query = _query(name, row_hash).encode()
        return with_names(session, lambda: session.execute(query).fetchall())

    try:
        try:
            parts = hashed(_ROW)
        except psycopg.Error as error:
            if error.sqlstate not in _TOO_LONG:
                raise
            parts = hashed(_column_by_column(session, name))
    except psycopg.Error as error:
        raise database_failure(
            "A table of the twin could not be read for its digest.", error, table=name.qualified
        ) from None
    lines = [f"{first} {rows} {digest}" for first, rows, digest in parts]
    return TableDigest(table=name.qualified, rows=sum(rows for _, rows, _ in parts), sha256=_sha256(lines))


def _query(name: TableName, row_hash: str) -> str:
    # In 256 parts by the first byte: one value in SQL holds at most a gigabyte.
    return (
        "SELECT pg_catalog.get_byte(h, 0), pg_catalog.count(*),"  # noqa: S608
        " pg_catalog.encode(pg_catalog.sha256(pg_catalog.string_agg(h, ''::bytea ORDER BY h)), 'hex')"
        f" FROM (SELECT {row_hash} AS h"
        f" FROM ONLY {table_reference(name)} AS t OFFSET 0) AS hashed GROUP BY 1 ORDER BY 1"
    )


def _column_by_column(session: Connection[TupleRow], name: TableName) -> str:
    """For a table with a row whose text would be longer than a value may be."""
    columns = session.execute(_COLUMNS, [table_reference(name)]).fetchall()
    hashes = [
        f"pg_catalog.sha256({column if is_bytes else f'pg_catalog.textsend({column}::text)'})"
        for column, is_bytes in ((f"t.{quoted(each)}", is_bytes) for each, is_bytes in columns)
    ]
    known = " || ".join(f"coalesce({each}, '\\x00'::bytea)" for each in hashes)
    return f"pg_catalog.sha256({known})"


def _sha256(lines: Iterable[str]) -> str:
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()
