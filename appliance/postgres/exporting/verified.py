"""The database that files are written from: proven, not public yet, seen by all formats in one snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedForGoodError
from appliance.exports.manifest import ExportedFile, ExportedTable
from appliance.postgres.building.as_in_source import names_as_in_source
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.errors import database_failure
from appliance.postgres.exporting.files import WrittenFile
from appliance.postgres.exporting.relations import Relation
from appliance.postgres.plan import DefinitionSettings

_REPORT_EVERY_S = 0.5
_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""


@dataclass(frozen=True)
class Progress:
    """How far a table is."""

    table: str
    rows: int
    rows_expected: int
    bytes: int
    done: bool = False


@dataclass
class VerifiedDatabase:
    """A session in the database, its snapshot, and the folder that files go to."""

    session: Connection[TupleRow]
    snapshot: str
    """As other sessions import it."""
    settings: DefinitionSettings
    folder: Path
    tell: Callable[[Progress], None]
    _next_report: float = field(default=0.0, repr=False)

    def columns(self, relation: Relation) -> tuple[str, ...]:
        """The columns of a table, read as the source evaluates what belongs to it."""
        self.session.execute(self.path_of(relation).encode())
        found = self.session.execute(_COLUMNS, [table_reference(relation.name)]).fetchall()
        return tuple(row[0] for row in found)

    def path_of(self, relation: Relation) -> str:
        """A statement for any session that is to read it."""
        return names_as_in_source(self.settings.of(relation.name.schema_name, relation.name.name))

    def report(self, relation: Relation, rows: int, size: int) -> None:
        """Tell how far it is, a few times a second."""
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + _REPORT_EVERY_S
            self.tell(Progress(relation.name.qualified, rows, relation.rows, size))

    def table(
        self,
        relation: Relation,
        columns: tuple[str, ...],
        written: Sequence[WrittenFile],
        types: tuple[str, ...] = (),
    ) -> tuple[ExportedTable, tuple[ExportedFile, ...]]:
        """The manifest's entries for a table's own files, which must hold what was verified."""
        name = relation.name.qualified
        rows = sum(each.rows or 0 for each in written)
        check_rows(relation, rows)
        size = sum(each.bytes for each in written)
        self.tell(Progress(name, rows, rows, size, done=True))
        files = tuple(
            ExportedFile(file=each.name, bytes=each.bytes, sha256=each.sha256, table=name, rows=each.rows)
            for each in written
        )
        return ExportedTable(table=name, columns=columns, rows=rows, types=types), files


@contextmanager
def snapshot_of(session: Connection[TupleRow]) -> Iterator[str]:
    """One snapshot for the length of a block. Row-level security, which leaves rows out, is an error."""
    try:
        session.execute("SET row_security = off")
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = session.execute("SELECT pg_export_snapshot()").fetchone()
    except psycopg.Error as error:
        raise database_failure("The database could not be read for its files.", error) from None
    yield str(row[0]) if row else ""


@contextmanager
def reading(relation: Relation) -> Iterator[None]:
    """psycopg errors in the block as one of ours, with the table."""
    try:
        yield
    except psycopg.Error as error:
        table = relation.name.qualified
        raise database_failure("A table could not be exported.", error, table=table) from None


def check_rows(relation: Relation, rows: int) -> None:
    """Raise WorkFailedForGoodError where there are other rows than those that were verified."""
    if rows != relation.rows:
        raise WorkFailedForGoodError(
            f"The file of {relation.name.qualified} has {rows:,} rows, and {relation.rows:,} were verified.",
            "Something else has written to the database that is being built.",
            "Start the run again.",
        )
