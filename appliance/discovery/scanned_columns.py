"""What the last scan of a connection saw, kept to look at a workflow without a database.

Names, types, keys, findings with their evidence; no value, and no label of an enum, which could be one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.discovery.findings import Finding, Scan
from appliance.durable import write_file
from appliance.workflow.catalog import Catalog, Table


class ScannedColumns(BaseModel):
    """The catalog as it was, and what was found in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    catalog: Catalog
    findings: tuple[Finding, ...]


def columns_file(scans: Path, connection: str) -> Path:
    """Where it lies, among the results of scans."""
    return scans / f"{connection}.columns.json"


def keep_columns(path: Path, scan: Scan, catalog: Catalog, *, whole: bool) -> ScannedColumns:
    """Keep it; the scan of a part of the tables beside what is known of the others."""
    former = None if whole else read_columns(path)
    found = {finding.place: finding for finding in (*(former.findings if former else ()), *scan.findings)}
    kept = ScannedColumns(
        at=datetime.now(UTC), catalog=_names_and_types(catalog), findings=tuple(found.values())
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    write_file(path, kept.model_dump_json(exclude_defaults=True), durable=False, mode=0o600)
    return kept


def read_columns(path: Path) -> ScannedColumns | None:
    """What is kept; None where there is nothing that this release can read."""
    try:
        return ScannedColumns.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _names_and_types(catalog: Catalog) -> Catalog:
    tables = tuple(_without_labels(table) for table in catalog.tables)
    return catalog.model_copy(update={"tables": tables, "not_carried": (), "view_columns": ()})


def _without_labels(table: Table) -> Table:
    if not any(column.enum_labels for column in table.columns):
        return table
    columns = tuple(column.model_copy(update={"enum_labels": ()}) for column in table.columns)
    return table.model_copy(update={"columns": columns})
