"""Each table of a verified database as Parquet: its values decide the types, then its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import adbc_driver_manager

from appliance.exports.manifest import ExportedFile, ExportedFormat, ExportedTable
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.exporting.files import file_stem
from appliance.postgres.exporting.parquet_files import ArrowSession, driver_failure, write_parquet_files
from appliance.postgres.exporting.parquet_types import (
    COLUMNS,
    ParquetColumn,
    SourceColumn,
    decide,
    measure_sql,
    measures,
    select_sql,
)
from appliance.postgres.exporting.relations import Relation
from appliance.postgres.exporting.verified import VerifiedDatabase, reading

OpenArrow = Callable[[str], ArrowSession]
"""Opens a session in an exported snapshot of the database."""


def write_parquet(
    database: VerifiedDatabase, relations: Sequence[Relation], open_arrow: OpenArrow, rows_per_file: int
) -> ExportedFormat:
    """Each table's files. Raises our errors and OSError."""
    try:
        session = open_arrow(database.snapshot)
    except adbc_driver_manager.Error as error:
        raise driver_failure("The database could not be read for its files.", error) from None
    try:
        found = [_write(database, relation, session, rows_per_file) for relation in relations]
    finally:
        session.close()
    return ExportedFormat(
        format="parquet",
        compression="zstd",
        tables=tuple(table for table, _ in found),
        files=tuple(file for _, files in found for file in files),
    )


def _write(
    database: VerifiedDatabase, relation: Relation, session: ArrowSession, rows_per_file: int
) -> tuple[ExportedTable, tuple[ExportedFile, ...]]:
    source = f"{relation.only}{table_reference(relation.name)}"
    columns = _columns(database, relation, source)
    if not columns:
        # A file of no columns cannot say how many rows it has.
        return ExportedTable(table=relation.name.qualified, columns=(), rows=relation.rows), ()
    try:
        session.execute(database.path_of(relation))
        written = write_parquet_files(
            session,
            select_sql(columns, source),
            columns,
            database.folder,
            file_stem(relation.name),
            rows_per_file,
            partial(database.report, relation),
        )
    except adbc_driver_manager.Error as error:
        table = relation.name.qualified
        raise driver_failure("A table could not be exported.", error, table=table) from None
    names, types = tuple(each.name for each in columns), tuple(each.shown for each in columns)
    return database.table(relation, names, written, types)


def _columns(database: VerifiedDatabase, relation: Relation, source: str) -> tuple[ParquetColumn, ...]:
    with reading(relation):
        database.columns(relation)
        rows = database.session.execute(COLUMNS.encode(), [table_reference(relation.name)]).fetchall()
        columns = [SourceColumn(*row[1:]) for row in rows]
        found = measures(columns)
        values = database.session.execute(measure_sql(found, source).encode()).fetchone() if found else ()
    return decide(columns, found, values or ())
