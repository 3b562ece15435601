"""Write a table of a finished twin to a gzipped file, row by row, so that memory stays bounded.

CSV is PostgreSQL's own. For JSON lines the server makes each row's object, and ``COPY`` passes it on as the
one field of a CSV row whose delimiter and quote are control characters: those, JSON escapes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.exports.manifest import ExportedFile, ExportedFormat, ExportedTable
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.exporting.files import HashedFile, WrittenFile, file_stem
from appliance.postgres.exporting.relations import Relation
from appliance.postgres.exporting.verified import VerifiedDatabase, reading

TextFormat = Literal["csv", "jsonl"]

_LEVEL = 4
"""Of zlib. The default, 6, takes twice the time and saves a few percent."""
_BUFFER = 256 * 1024


def write_text(database: VerifiedDatabase, relations: Sequence[Relation], form: TextFormat) -> ExportedFormat:
    """Each table's file. Raises our errors and OSError."""
    found = [_write(database, relation, form) for relation in relations]
    return ExportedFormat(
        format=form,
        compression="gzip",
        tables=tuple(table for table, _ in found),
        files=tuple(file for _, files in found for file in files),
    )


def _write(
    database: VerifiedDatabase, relation: Relation, form: TextFormat
) -> tuple[ExportedTable, tuple[ExportedFile, ...]]:
    path = database.folder / f"{file_stem(relation.name)}.{form}.gz"
    with reading(relation):
        columns = database.columns(relation)
        statement = copy_to_file(relation, form)
        written = write_table(database.session, statement, form, path, partial(database.report, relation))
    return database.table(relation, columns, [written])


def copy_to_file(relation: Relation, form: TextFormat) -> str:
    """The ``COPY`` of a whole table."""
    source = f"{relation.only}{table_reference(relation.name)}"
    if form == "csv":
        return f"COPY (SELECT * FROM {source}) TO STDOUT (FORMAT csv, HEADER)"  # noqa: S608
    # Blanks between the tokens of a json value may be line breaks; inside a string they cannot be.
    row = r"translate(row_to_json(t.*)::text, E'\n\r', '  ')"
    return (
        f"COPY (SELECT {row} FROM {source} AS t) TO STDOUT"  # noqa: S608 - quoted by psycopg
        r" (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')"
    )


def write_table(
    session: Connection[TupleRow],
    statement: str,
    form: TextFormat,
    path: Path,
    on_rows: Callable[[int, int], None],
) -> WrittenFile:
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
                    on_rows(rows, file.file.written)
        file.write(b"".join(waiting))
    return WrittenFile(path.name, rows, file.file.written, file.file.sha256)


class _GzipFile:
    """A gzip file. It says nothing of when and as what it was written."""

    def __init__(self, path: Path) -> None:
        self.file = HashedFile(path)
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> None:
        self.file.write(self._packer.compress(data))

    def __enter__(self) -> _GzipFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.file.write(self._packer.flush())
        finally:
            self.file.end(whole=error is None)
