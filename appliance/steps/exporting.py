"""Writing a verified twin's tables as files, for ``attest``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance import __version__
from appliance.errors import WorkFailedError, WorkFailedForGoodError, WrongRequestError
from appliance.exports.stored import MANIFEST, ExportedTable, Manifest, read_manifest
from appliance.exports.writing import write_manifest
from appliance.postgres.building.as_in_source import names_as_in_source
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import DefinitionSettings, Plan, TableName, TargetFacts
from appliance.postgres.proof.parts import loads
from appliance.postgres.twin.export_stream import Format, copy_to_file, file_name, write_table
from appliance.steps.context import StepContext
from appliance.steps.run_files import VERIFIED, settings_of

_REPORT_EVERY_S = 0.5
_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""


class ExportResult(BaseModel):
    """What was exported. Counts only."""

    format: Format
    tables: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class _Relation:
    """What becomes one file: a table, or a partitioned one with all of its partitions."""

    name: TableName
    partitioned: bool
    rows: int
    """As verified."""


def write_export(context: StepContext, plan: Plan, target: TargetFacts) -> ExportResult:
    """Write every table of ``<twin>__next`` to the step's export folder, the manifest last.

    What an earlier attempt has completed stays; what it has not is written anew. Raises our errors, with no
    file of ours left in the folder.
    """
    folder, files = context.paths.export_dir, context.spec.workflow.files
    if folder is None or files is None:
        raise WrongRequestError("The step 'attest' was given no folder for files.")
    if (folder / MANIFEST).exists():
        return _result(read_manifest(folder))
    relations = _relations(context, plan, target)
    try:
        with _cleared(folder):
            tables = _write_all(context, target, relations, files.format, folder)
            manifest = Manifest(
                workflow=plan.workflow_id,
                run=plan.run_id,
                format=files.format,
                created_at=datetime.now(UTC),
                appliance_version=__version__,
                tables=tuple(tables),
            )
            write_manifest(folder, manifest)
    except OSError as error:
        raise WorkFailedError(
            "The files could not be written.",
            f"{error.strerror or type(error).__name__}, in this appliance's exports folder.",
            "Look at df -h; make room with: appliance exports list, appliance exports rm RUN.",
        ) from None
    return _result(manifest)


def _write_all(
    context: StepContext, target: TargetFacts, relations: list[_Relation], form: Format, folder: Path
) -> list[ExportedTable]:
    """All tables, in one snapshot. Row-level security would leave rows out: here it is an error instead."""
    number = context.plan().targets.index(target)
    settings = settings_of(number).read(context.run_dir)
    with closing(context.connect_target(target.connection, target.next_database)) as session:
        try:
            session.execute("SET row_security = off")
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        except psycopg.Error as error:
            raise database_failure("The twin could not be read for its files.", error) from None
        return [_write(context, session, settings, relation, form, folder) for relation in relations]


def _write(  # noqa: PLR0917
    context: StepContext,
    session: Connection[TupleRow],
    settings: DefinitionSettings,
    relation: _Relation,
    form: Format,
    folder: Path,
) -> ExportedTable:
    name = relation.name.qualified
    next_report = time.monotonic() + _REPORT_EVERY_S

    def report(rows: int, size: int) -> None:
        nonlocal next_report
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + _REPORT_EVERY_S
            context.progress(table=name, rows=rows, rows_expected=relation.rows, bytes=size)

    file = file_name(relation.name, form)
    try:
        here = settings.of(relation.name.schema_name, relation.name.name)
        session.execute(names_as_in_source(here).encode())
        columns = [row[0] for row in session.execute(_COLUMNS, [table_reference(relation.name)])]
        statement = copy_to_file(relation.name, form, only=not relation.partitioned)
        written = write_table(session, statement, form, folder / file, report)
    except psycopg.Error as error:
        raise database_failure("A table could not be exported.", error, table=name) from None
    if written.rows != relation.rows:
        raise WorkFailedForGoodError(
            f"The file of {name} has {written.rows:,} rows, and {relation.rows:,} were verified.",
            "Something else has written to the database that is being built.",
            "Start the run again.",
        )
    context.progress(
        table=name, rows=written.rows, rows_expected=written.rows, bytes=written.bytes, done=True
    )
    return ExportedTable(
        table=name,
        file=file,
        columns=tuple(columns),
        rows=written.rows,
        bytes=written.bytes,
        sha256=written.sha256,
    )


def _relations(context: StepContext, plan: Plan, target: TargetFacts) -> list[_Relation]:
    """In the order of their names, each with the rows that ``verify`` has found in it."""
    verified = VERIFIED.read(context.run_dir)
    (proof,) = [twin for twin in verified.twins if twin.database == target.next_database]
    rows_of = {table.table: table.rows for table in proof.tables}
    rows: dict[TableName, int] = {}
    roots: set[TableName] = set()
    for loaded in loads(plan):
        root = plan.tables[loaded.sources[0]].root
        name = root or loaded.relation
        rows[name] = rows.get(name, 0) + rows_of[loaded.relation.qualified]
        if root is not None:
            roots.add(root)
    return [
        _Relation(name, name in roots, rows[name]) for name in sorted(rows, key=lambda each: each.qualified)
    ]


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Without the files of an earlier attempt, and without ours if this one fails."""
    _clear(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            _clear(folder)
        raise


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _result(manifest: Manifest) -> ExportResult:
    return ExportResult(
        format=manifest.format, tables=len(manifest.tables), rows=manifest.rows, bytes=manifest.bytes
    )
