"""Write a table of a finished twin to a gzipped file, row by row, so that memory stays bounded.

CSV is PostgreSQL's own. For JSON lines the server makes each row's object, and ``COPY`` passes it on as the
one field of a CSV row whose delimiter and quote are control characters: those, JSON escapes.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import quote

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.plan import TableName

Format = Literal["csv", "jsonl"]

_LEVEL = 4
"""Of zlib. The default, 6, takes twice the time and saves a few percent."""
_BUFFER = 256 * 1024
_LONGEST_NAME = 200
"""Bytes; a file system takes 255."""


@dataclass(frozen=True)
class Written:
    rows: int
    bytes: int
    """Of the file."""
    sha256: str


def copy_to_file(table: TableName, form: Format, *, only: bool) -> str:
    """The ``COPY`` of a whole relation; ``only`` leaves out its children's rows."""
    source = f"{'ONLY ' if only else ''}{table_reference(table)}"
    if form == "csv":
        return f"COPY (SELECT * FROM {source}) TO STDOUT (FORMAT csv, HEADER)"  # noqa: S608
    # Blanks between the tokens of a json value may be line breaks; inside a string they cannot be.
    row = r"translate(row_to_json(t)::text, E'\n\r', '  ')"
    return (
        f"COPY (SELECT {row} FROM {source} AS t) TO STDOUT"  # noqa: S608 - quoted by psycopg
        r" (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')"
    )


def file_name(table: TableName, form: Format) -> str:
    """``schema.table.csv.gz``: safe on every file system, and no two tables share one."""
    stem = ".".join(_plain(part) for part in (table.schema_name, table.name))
    if len(stem.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
        stem = f"{stem.encode()[: _LONGEST_NAME - 17].decode(errors='ignore')}~{digest}"
    return f"{stem}.{form}.gz"


def write_table(
    session: Connection[TupleRow],
    statement: str,
    form: Format,
    path: Path,
    on_rows: Callable[[int, int], None],
) -> Written:
    """Stream one ``COPY`` into ``path`` (made, or made anew), on the disk before this returns.

    ``on_rows(rows, bytes)`` is called now and then with the totals so far. Raises psycopg errors and OSError;
    the file is then incomplete.
    """
    header = 1 if form == "csv" else 0
    rows = -header
    with _GzipFile(path) as file, session.cursor() as cursor:
        waiting: list[bytes] = []
        size = 0
        with cursor.copy(statement.encode()) as copy:
            for row in copy:
                waiting.append(bytes(row))
                size += len(row)
                rows += 1
                if size >= _BUFFER:
                    file.write(b"".join(waiting))
                    waiting, size = [], 0
                    on_rows(rows, file.written)
        file.write(b"".join(waiting))
    return Written(rows, file.written, file.sha256)


class _GzipFile:
    """A gzip file that knows its own digest. It says nothing of when and as what it was written."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self._digest = hashlib.sha256()
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._put(self._packer.compress(data))

    def __enter__(self) -> _GzipFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._put(self._packer.flush())
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def _put(self, packed: bytes) -> None:
        self.written += len(packed)
        self._digest.update(packed)
        rest = memoryview(packed)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]


def _plain(name: str) -> str:
    """Letters, digits, ``_`` and ``-`` of every script as they are; all else as ``%XX``."""
    return "".join(each if each.isalnum() or each in "_-" else _escaped(each) for each in name)


def _escaped(character: str) -> str:
    return quote(character, safe="") if character != "." else "%2E"
