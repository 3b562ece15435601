"""Write a query's rows to Parquet files: the driver reads Arrow batches out of COPY, and they are packed.

Memory stays bounded however many or wide the rows are: a group of rows is packed when it has been read, and a
file ends where its next group would be too large. The libraries are an extra, imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote, urlencode

import adbc_driver_manager
from adbc_driver_postgresql import StatementOptions, dbapi
from arro3.compute import cast as convert
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_flatten
from arro3.io import write_parquet
from psycopg import sql

from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError
from appliance.postgres.exporting.files import HashedFile, WrittenFile
from appliance.postgres.exporting.parquet_types import Kind, ParquetColumn
from appliance.postgres.sessions.connect import SESSION_SETTINGS, WRITE_SETTINGS

_BATCH_BYTES = 4 * 2**20
_GROUP_BYTES = 32 * 2**20
"""Of one group of rows, before it is packed; a reader holds as much in memory, too."""
_GROUP_ROWS = 122_880
"""At most: DuckDB's own, and large enough for every reader."""
_COMPRESSION = "zstd(3)"
SUFFIX = ".parquet"


class ArrowSession:
    """A session of the driver's, in the snapshot of another one."""

    def __init__(self, parameters: Mapping[str, str], before: Sequence[str]) -> None:
        # Names and paths, no secret: the password is in its pass file.
        given = urlencode(dict(parameters), quote_via=quote)
        self._connection = dbapi.connect(f"postgresql:///?{given}", autocommit=True)
        try:
            for statement in before:
                self.execute(statement)
        except BaseException:
            self._connection.close()
            raise

    def execute(self, statement: str) -> None:
        """A statement without rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    @contextlib.contextmanager
    def batches(self, query: str) -> Iterator[RecordBatchReader]:
        """The rows of a query, a few MB at a time."""
        with self._connection.cursor() as cursor:
            options = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
            cursor.adbc_statement.set_options(**options)
            cursor.execute(query)
            yield RecordBatchReader.from_stream(cursor.fetch_arrow())

    def close(self) -> None:
        """End it; a session that is broken already is no error."""
        with contextlib.suppress(adbc_driver_manager.Error):
            self._connection.close()


def statements_before(snapshot: str) -> list[str]:
    """What makes a session of the driver's see the snapshot, and values as every session of ours does."""
    settings = {**SESSION_SETTINGS, **WRITE_SETTINGS, "row_security": "off", "client_encoding": "UTF8"}
    calls = ", ".join(
        f"pg_catalog.set_config({_literal(name)}, {_literal(value)}, false)"
        for name, value in settings.items()
    )
    return [
        f"SELECT {calls}",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        f"SET TRANSACTION SNAPSHOT {_literal(snapshot)}",
    ]


def _literal(text: str) -> str:
    return sql.Literal(text).as_string(None)


def driver_failure(
    what: str, error: adbc_driver_manager.Error, *, table: str | None = None
) -> ApplianceError:
    """One of our errors, without the driver's own text: it can quote values."""
    state = error.sqlstate if error.sqlstate and error.sqlstate != "00000" else None
    named = f"{what} Table: {table}." if table else what
    why = f"The driver reports {type(error).__name__}" + (f" (SQLSTATE {state})." if state else ".")
    return WorkFailedError(
        named,
        why,
        "Run it again; if it happens again, look at the server's log.",
        sqlstate=state,
        table=table,
    )


def write_parquet_files(  # noqa: PLR0917
    session: ArrowSession,
    query: str,
    columns: Sequence[ParquetColumn],
    folder: Path,
    stem: str,
    rows_per_file: int,
    on_rows: Callable[[int, int], None],
) -> list[WrittenFile]:
    """Write ``stem.parquet``, or ``stem.0001.parquet`` and so on: each is on the disk before this returns.

    ``on_rows(rows, bytes)`` is called now and then with the totals so far. Raises the driver's errors,
    OSError, and WorkFailedForGoodError for a value that its column cannot hold.
    """
    written: list[WrittenFile] = []
    with session.batches(query) as reader:
        source = _Rows(reader, columns)
        while not written or source.more():
            before = sum(each.bytes for each in written)
            writer = _Writer(source, folder / f"{stem}.{len(written) + 1:04}{SUFFIX}", before, on_rows)
            written.append(writer.write(rows_per_file))
    if len(written) > 1:
        return written
    (folder / written[0].name).rename(folder / f"{stem}{SUFFIX}")
    return [replace(written[0], name=f"{stem}{SUFFIX}")]


class _Rows:
    """The rows of a query in the types of the file, given away in pieces of any size."""

    def __init__(self, reader: RecordBatchReader, columns: Sequence[ParquetColumn]) -> None:
        self._reader = iter(reader)
        self._columns = columns
        # Without the driver's notes on PostgreSQL's types, which mean something else to some readers.
        self.schema = Schema(
            [
                Field(each.name, _type(each, reader.schema.field(place).type))
                for place, each in enumerate(columns)
            ]
        )
        self.given = 0
        """Rows that were given away."""
        self._next: RecordBatch | None = None

    def more(self) -> bool:
        """Whether any row is left."""
        return self._peek() is not None

    def row_bytes(self) -> float:
        """Of the next rows, about."""
        batch = self._peek()
        return max(batch.nbytes / batch.num_rows, 1) if batch is not None else 1

    def take(self, most: int) -> RecordBatch | None:
        """The next rows, at most so many."""
        batch = self._peek()
        if batch is None:
            return None
        self._next = None
        if batch.num_rows > most:
            batch, self._next = batch.slice(0, most), batch.slice(most)
        self.given += batch.num_rows
        arrays = [
            _as(batch.column(place), column, self.schema.field(place).type)
            for place, column in enumerate(self._columns)
        ]
        return RecordBatch.from_arrays(arrays, schema=self.schema)

    def _peek(self) -> RecordBatch | None:
        while self._next is None or self._next.num_rows == 0:
            self._next = next(self._reader, None)
            if self._next is None:
                return None
        return self._next


class _Writer:
    """One file: what the library writes to, and where it takes its rows from."""

    def __init__(self, source: _Rows, path: Path, before: int, on_rows: Callable[[int, int], None]) -> None:
        self._source = source
        self._path = path
        self._before = before
        self._on_rows = on_rows
        self._file = HashedFile(path)
        self._error: BaseException | None = None

    def write(self, most: int) -> WrittenFile:
        """Write the next rows, at most so many."""
        group = max(1, min(_GROUP_ROWS, most, int(_GROUP_BYTES / self._source.row_bytes())))
        first, whole = self._source.given, False
        try:
            reader = RecordBatchReader.from_batches(
                self._source.schema, self._noted(self._batches(most, group))
            )
            write_parquet(
                reader,
                cast("IO[bytes]", _Target(self._file, self._note)),
                compression=_COMPRESSION,
                max_row_group_size=group,
                created_by="appliance",
            )
            whole = True
        except BaseException as error:
            # The library wraps what its source and its target raise.
            raise (self._error or error) from None
        finally:
            self._file.end(whole=whole)
        return WrittenFile(self._path.name, self._source.given - first, self._file.written, self._file.sha256)

    def _batches(self, most: int, group: int) -> Iterator[RecordBatch]:
        rows, in_group, held = 0, 0, 0
        while rows < most and (batch := self._source.take(min(most - rows, group - in_group))) is not None:
            rows += batch.num_rows
            in_group = (in_group + batch.num_rows) % group
            held = held + batch.nbytes if in_group else 0
            yield batch
            self._on_rows(self._source.given, self._before + self._file.written)
            if held >= 2 * _GROUP_BYTES:
                # Later rows are wider than the first ones: another file begins, with groups of its own.
                return

    def _noted(self, batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
        try:
            yield from batches
        except BaseException as error:
            self._note(error)
            raise

    def _note(self, error: BaseException) -> None:
        self._error = self._error or error


class _Target:
    """A file as the library wants it: it asks for ``seek`` and never calls it."""

    def __init__(self, file: HashedFile, on_error: Callable[[OSError], None]) -> None:
        self._file = file
        self._on_error = on_error

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._on_error(error)
            raise

    def flush(self) -> None:
        """Nothing is held back."""

    def seek(self, *place: int) -> int:
        raise OSError(f"A file is written from its beginning to its end, and not at {place}.")


def _type(column: ParquetColumn, read: DataType) -> DataType:
    value = read.value_type if column.is_list else read
    assert value is not None  # noqa: S101 - a list has one
    if column.kind is Kind.DECIMAL:
        value = DataType.decimal128(column.precision, column.scale)
    elif column.kind is Kind.DICTIONARY:
        value = DataType.dictionary(DataType.int32(), value)
    return DataType.list(Field("element", value)) if column.is_list else value


def _as(values: Array, column: ParquetColumn, wanted: DataType) -> Array:
    if not column.is_list and column.kind in (Kind.AS_READ, Kind.TEXT):
        return values
    made = convert(values, wanted)
    if column.kind is Kind.DECIMAL and _nulls(made, column) != _nulls(values, column):
        raise WorkFailedForGoodError(
            f"A number in the column {column.name} does not fit {column.shown}.",
            "Its type was chosen by the largest number that was found.",
            "Report this line to the appliance's maintainers.",
        )
    return made


def _nulls(values: Array, column: ParquetColumn) -> int:
    """Where a value was not understood, a NULL has taken its place."""
    return list_flatten(values).null_count if column.is_list else values.null_count
