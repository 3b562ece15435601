"""The digest of a table's rows: SHA-256 over all of them, whatever order they stand in on the disk.

A table with a primary key of numbers or dates is read in its order, in chunks of ``CHUNK`` rows that are
hashed as one: setting up a digest costs more than a row of it. Of any other table each row is hashed, and the
hashes are sorted. Which of the two, and in which form a row is hashed, follows from the table's definition
alone, so that equal tables have equal digests. Nothing depends on a collation or on a hash that is not
cryptographic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.identifiers import quoted
from appliance.postgres.no_encoding import client_encoding_for
from appliance.postgres.plan import TableName

CHUNK = 4096
"""Rows that are hashed together: a part of what a digest is."""
LONGEST_ROW = 1000
"""Of a row with more bytes its SHA-256 stands in the chunk, so that no chunk becomes large."""
IN_ORDER = 0.3
"""The least correlation of key and place at which reading by the index does not mean a page for each row."""
TOGETHER = 50
"""So many small tables are read in one round trip."""
_FEW_PAGES = 16
SMALL_PAGES = 16_384
"""A table of so few pages (128 MiB) stays in memory, wherever its rows stand."""

SESSION = (
    "SET row_security = off; SET search_path = ''; SET \"DateStyle\" = 'ISO, YMD'; SET \"TimeZone\" = 'UTC';"
    " SET \"IntervalStyle\" = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex';"
    " SET lc_monetary = 'C'; SET xmloption = 'content'; SET work_mem = '64MB'"
)
"""What the text form of values depends on, but for the encoding."""

# Types of the server's own, of which the binary form is the same in every database.
_ELEMENTS = (
    *(
        "bool",
        "bytea",
        '"char"',
        "name",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "money",
        "text",
    ),
    *("varchar", "bpchar", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "json"),
    *(
        "jsonb",
        "bit",
        "varbit",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "point",
        "lseg",
        "path",
        "box",
        "polygon",
    ),
    *("line", "circle", "tsvector", "tsquery", "int4range", "int8range", "numrange", "daterange", "tsrange"),
    "tstzrange",
)
_PLAIN = ",".join(name for element in _ELEMENTS for name in (element, f"{element}[]")).replace('"', r"\"")
_KEYS = "int2,int4,int8,date,timestamp,timestamptz"
OURS_TABLES = f"""
SELECT n.nspname::text, c.relname::text, c.relpages,
 coalesce((SELECT pg_catalog.bool_and(a.atttypid = ANY ('{{{_PLAIN}}}'::regtype[]))
  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), true),
 coalesce(k.columns, '{{}}'),
 (SELECT s.correlation FROM pg_catalog.pg_stats AS s
  WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = k.columns[1] AND NOT s.inherited)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
 SELECT pg_catalog.array_agg(a.attname::text ORDER BY m.place) AS columns
 FROM pg_catalog.pg_index AS i
 CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS m(number, place)
 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = m.number
 WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND m.place <= i.indnkeyatts
 HAVING pg_catalog.bool_and(a.atttypid = ANY ('{{{_KEYS}}}'::regtype[]))
) AS k ON true
"""  # noqa: S608
"""Every table ``c`` of schema ``n``, with what ``ReadTable`` is made of; a WHERE follows."""

# Of a number of columns, with which the binary form of a row begins, these four bytes are none.
_LONG = r"'\xffffffff'::bytea"
_TOO_LONG = ("54000", "XX000")
"""What servers say of a value that would be longer than a gigabyte."""
_COLUMNS = """
SELECT attname::text, atttypid = 'pg_catalog.bytea'::regtype FROM pg_catalog.pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@dataclass(frozen=True)
class ReadTable:
    """A table, and how it is read."""

    name: TableName
    pages: int = 0
    plain: bool = False
    """All its types have a binary form that is the same in every database."""
    key: tuple[str, ...] = ()
    """The columns of its primary key, where their order is the same on every server."""
    correlation: float | None = None
    """Of the key's first column with the place of the rows, as the server has estimated it."""

    @property
    def by_index(self) -> bool:
        """Whether the rows stand so that reading them by the key's index is quick."""
        return self.pages <= SMALL_PAGES or abs(self.correlation or 0.0) >= IN_ORDER


def row_digests(session: Connection[TupleRow], table: ReadTable) -> list[tuple[int, str]]:
    """The rows of each part of a table with their digest, in an order of their own. Raises psycopg errors.

    The session must be in autocommit, with ``SESSION`` run in it.
    """
    try:
        if table.key:
            with session.transaction():
                # One snapshot for all chunks: the users of a twin may be writing to it.
                session.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
                    " SET LOCAL max_parallel_workers_per_gather = 0"
                )
                return list(_by_index(session, table)) if table.by_index else _by_sort(session, table)
        return _by_hash(session, table, _row_hash(table))
    except psycopg.Error as error:
        if error.sqlstate not in _TOO_LONG:
            raise
    return _by_hash(session, table, _column_by_column(session, table.name))


def encoding_for(session: Connection[TupleRow]) -> str:
    """The encoding in which values are hashed: UTF-8, unless the database knows none of its own."""
    return client_encoding_for(session.info.parameter_status("server_encoding"))


def is_small(table: ReadTable) -> bool:
    """Whether a table may be read with others, in one round trip."""
    return table.pages <= _FEW_PAGES


def digests_together(
    session: Connection[TupleRow], tables: Sequence[ReadTable]
) -> list[list[tuple[int, str]] | None]:
    """``row_digests`` of each of some small tables; of one that has grown large, nothing.

    Raises psycopg errors, whichever table is at fault.
    """
    script = [_chunk(each, "") if each.key else _hashes(each, _row_hash(each)) for each in tables]
    cursor = session.execute(";\n".join(script).encode())
    found: list[list[tuple[int, str]] | None] = []
    for table in tables:
        rows = [(row[0], row[1].hex()) for row in cursor.fetchall() if row[0]]
        found.append(None if table.key and rows and rows[0][0] == CHUNK else rows)
        cursor.nextset()
    return found


def _row(table: ReadTable) -> str:
    # The whole row, also where one of its columns is called t.
    return "pg_catalog.record_send(t.*)" if table.plain else "pg_catalog.textsend((t.*)::text)"


def _row_hash(table: ReadTable) -> str:
    return f"pg_catalog.sha256({_row(table)})"


def _hashed(table: ReadTable, order: str = "") -> str:
    """A chunk of rows ``b`` as one digest; the length of each sets it apart from its neighbours."""
    whole = "b" if table.plain else "pg_catalog.int4send(pg_catalog.octet_length(b)) || b"
    row = (
        f"CASE WHEN pg_catalog.octet_length(b) > {LONGEST_ROW} THEN {_LONG} || pg_catalog.sha256(b)"
        f" ELSE {whole} END"
    )
    return f"pg_catalog.sha256(pg_catalog.string_agg({row}, ''::bytea{order}))"


def _by_index(session: Connection[TupleRow], table: ReadTable) -> Iterator[tuple[int, str]]:
    """Chunk by chunk. Where one ends is remembered as the place of its last row: no value comes here."""
    session.execute("SET LOCAL enable_sort = off")
    rows, last = CHUNK, b""
    while rows == CHUNK:
        ((rows, digest, last),) = session.execute(_chunk(table, last.decode()).encode())
        if rows:
            yield rows, digest.hex()


def _chunk(table: ReadTable, last: str) -> str:
    """Rows, digest and last place of the first chunk, or of the one after the row that stands at ``last``."""
    source = f"ONLY {table_reference(table.name)}"
    key = [quoted(each) for each in table.key]
    ours = ", ".join(f"t.{each}" for each in key)
    after = ", ".join(
        f"(SELECT r.{each} FROM {source} AS r WHERE r.ctid = '{last}'::tid)"  # noqa: S608
        for each in key
    )
    return (
        f"SELECT pg_catalog.count(*), {_hashed(table)},"  # noqa: S608
        " pg_catalog.textsend((pg_catalog.array_agg(c))[pg_catalog.count(*)]::text)"
        f" FROM (SELECT t.ctid AS c, {_row(table)} AS b FROM {source} AS t"
        + (f" WHERE ({ours}) > ({after})" if last else "")
        + f" ORDER BY {ours} LIMIT {CHUNK}) AS chunk"
    )


def _by_sort(session: Connection[TupleRow], table: ReadTable) -> list[tuple[int, str]]:
    """The same chunks, with all rows read as they stand and sorted."""
    # A chunk is whole in a sorted group; a table of hashes would hold all of them at a time.
    session.execute("SET LOCAL enable_hashagg = off")
    ours = ", ".join(f"t.{quoted(each)}" for each in table.key)
    query = (
        f"SELECT pg_catalog.count(*), {_hashed(table, ' ORDER BY o')}"  # noqa: S608
        f" FROM (SELECT pg_catalog.row_number() OVER (ORDER BY {ours}) - 1 AS o, {_row(table)} AS b"
        f" FROM ONLY {table_reference(table.name)} AS t) AS rows GROUP BY o / {CHUNK} ORDER BY o / {CHUNK}"
    )
    return [(rows, digest.hex()) for rows, digest in session.execute(query.encode())]


def _by_hash(session: Connection[TupleRow], table: ReadTable, row_hash: str) -> list[tuple[int, str]]:
    return [(rows, digest.hex()) for rows, digest in session.execute(_hashes(table, row_hash).encode())]


def _hashes(table: ReadTable, row_hash: str) -> str:
    # In 256 parts by the first byte: one value in SQL holds at most a gigabyte.
    return (
        "SELECT pg_catalog.count(*),"  # noqa: S608
        " pg_catalog.sha256(pg_catalog.string_agg(h, ''::bytea ORDER BY h))"
        f" FROM (SELECT {row_hash} AS h FROM ONLY {table_reference(table.name)} AS t OFFSET 0) AS hashed"
        " GROUP BY pg_catalog.get_byte(h, 0) ORDER BY pg_catalog.get_byte(h, 0)"
    )


def _column_by_column(session: Connection[TupleRow], name: TableName) -> str:
    """For a table with a row whose bytes would be more than a value may have."""
    columns = session.execute(_COLUMNS, [table_reference(name)]).fetchall()
    hashes = [
        f"pg_catalog.sha256({column if is_bytes else f'pg_catalog.textsend({column}::text)'})"
        for column, is_bytes in ((f"t.{quoted(each)}", is_bytes) for each, is_bytes in columns)
    ]
    known = " || ".join(f"coalesce({each}, '\\x00'::bytea)" for each in hashes)
    return f"pg_catalog.sha256({known})"
