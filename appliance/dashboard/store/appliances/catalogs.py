"""Catalogs of connections, plans that were asked for, and the columns at which runs were refused.

A catalog comes in parts and counts once all are here; until then, and where a part was lost, the one before
it is shown. Beside it stands since when each column has been as it is, to say what is new.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from appliance.contract.catalog import (
    CatalogReported,
    ColumnsUncovered,
    PlanReported,
    ReportedTable,
    UncoveredColumn,
)
from appliance.dashboard.store.appliances.rows import KnownCatalog, StoredCatalog
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Stored
from appliance.workflow.matching.patterns import literal_pattern

MAX_CONNECTIONS = 100
"""Of one appliance: it keeps no more catalogs than these."""
UNCOVERED_RUNS = 50
"""Of one appliance, whose lists are kept."""
AT_FIRST = 0.0
"""Since when a column is there that the first scan has found."""


@dataclass(frozen=True)
class StoredPlan:
    """A plan that was asked for, and when it was made."""

    plan: Annotated[PlanReported, Stored(PlanReported.from_wire)]
    at: float


class ColumnTimes(TypedDict):
    """By pattern: of which type a column is, and since when; and when those went that are not there."""

    columns: dict[str, tuple[str, float]]
    gone: dict[str, float]


@dataclass(frozen=True)
class SourceCatalog:
    """A connection's columns as an appliance last reported them."""

    appliance_id: str
    connection: str
    scanned_at: float
    tables: tuple[ReportedTable, ...]
    tables_total: int
    since: dict[str, float] = field(default_factory=dict)
    """By pattern: when the column was first seen as it is now; 0 for what the first scan has found."""
    gone: dict[str, float] = field(default_factory=dict)
    """Columns that are not there any more, and since when."""

    @property
    def columns_total(self) -> int:
        """Of all of its tables."""
        return sum(len(table.columns) for table in self.tables)


def apply(
    session: Session,
    appliance_id: str,
    data: CatalogReported | PlanReported | ColumnsUncovered,
    at: float,
    ordinal: int,
) -> None:
    """Take an event."""
    if isinstance(data, CatalogReported):
        _take_part(session, appliance_id, data, at, ordinal)
    elif isinstance(data, PlanReported):
        session.run(
            "INSERT INTO planned (appliance_id, workflow_id, command_id, ordinal, at, data)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (appliance_id, workflow_id) DO UPDATE SET"
            " command_id = excluded.command_id, ordinal = excluded.ordinal, at = excluded.at,"
            " data = excluded.data WHERE excluded.ordinal > planned.ordinal",
            appliance_id,
            data.workflow,
            str(data.command_id),
            ordinal,
            at,
            data.to_wire(),
        )
    else:
        session.run(
            "INSERT INTO uncovered (appliance_id, run_id, part, at, data) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (appliance_id, run_id, part) DO UPDATE SET data = excluded.data, at = excluded.at",
            appliance_id,
            data.run_id,
            data.part,
            at,
            data.to_wire(),
        )
        session.run(
            "DELETE FROM uncovered WHERE appliance_id = ? AND run_id NOT IN (SELECT x.run_id FROM"
            " (SELECT run_id, max(at) AS newest FROM uncovered WHERE appliance_id = ? GROUP BY run_id"
            " ORDER BY newest DESC LIMIT ?) x)",
            appliance_id,
            appliance_id,
            UNCOVERED_RUNS,
        )


def known(session: Session, appliance_id: str = "") -> list[KnownCatalog]:
    """Every catalog there is, without its tables, with the appliance's name."""
    return session.all(
        KnownCatalog,
        "SELECT c.appliance_id, a.name AS appliance_name, c.connection, c.scanned_at, c.tables, c.columns,"
        " c.tables_total FROM catalog c JOIN appliance a ON a.id = c.appliance_id"
        " WHERE a.revoked_at IS NULL AND (? = '' OR c.appliance_id = ?) ORDER BY a.name, c.connection",
        appliance_id,
        appliance_id,
    )


def catalog(session: Session, appliance_id: str, connection: str) -> SourceCatalog | None:
    """A connection's catalog; None where none has come."""
    row = session.one(
        StoredCatalog,
        "SELECT scan_id, scanned_at, tables_total, since FROM catalog"
        " WHERE appliance_id = ? AND connection = ?",
        appliance_id,
        connection,
    )
    if row is None:
        return None
    tables: list[ReportedTable] = []
    for part in _parts(session, appliance_id, row.scan_id):
        tables += part.tables
    times: ColumnTimes = json.loads(row.since)
    return SourceCatalog(
        appliance_id,
        connection,
        row.scanned_at,
        tuple(tables),
        row.tables_total,
        {name: at for name, (_, at) in times["columns"].items()},
        times["gone"],
    )


def plan(session: Session, appliance_id: str, workflow_id: str) -> StoredPlan | None:
    """The newest plan of a workflow that was asked for there, and when it was made."""
    return session.one(
        StoredPlan,
        "SELECT data AS plan, at FROM planned WHERE appliance_id = ? AND workflow_id = ?",
        appliance_id,
        workflow_id,
    )


def uncovered(session: Session, appliance_id: str, run_id: str) -> tuple[UncoveredColumn, ...]:
    """The columns at which a run was refused; none unless all of them are here."""
    found = session.column(
        str,
        "SELECT data FROM uncovered WHERE appliance_id = ? AND run_id = ? ORDER BY part",
        appliance_id,
        run_id,
    )
    parts = [ColumnsUncovered.from_wire(text) for text in found]
    if not parts or len(parts) != parts[0].parts:
        return ()
    return tuple(column for part in parts for column in part.columns)


def _take_part(session: Session, appliance_id: str, data: CatalogReported, at: float, ordinal: int) -> None:
    scan_id = str(data.scan_id)
    present = session.value(
        int,
        "SELECT ordinal FROM catalog WHERE appliance_id = ? AND connection = ?",
        appliance_id,
        data.connection,
    )
    held = session.count("SELECT count(*) FROM catalog WHERE appliance_id = ?", appliance_id)
    if present > ordinal if present is not None else held >= MAX_CONNECTIONS:
        return
    session.run(
        "INSERT INTO catalog_part (appliance_id, scan_id, part, connection, ordinal, received_at, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (appliance_id, scan_id, part) DO NOTHING",
        appliance_id,
        scan_id,
        data.part,
        data.connection,
        ordinal,
        time.time(),
        data.to_wire(),
    )
    count = session.count(
        "SELECT count(*) FROM catalog_part WHERE appliance_id = ? AND scan_id = ?", appliance_id, scan_id
    )
    if count == data.parts:
        _complete(session, appliance_id, data, at, ordinal)


def _complete(session: Session, appliance_id: str, data: CatalogReported, at: float, ordinal: int) -> None:
    """All parts are here: they take the place of what was known, of which only the times stay."""
    scan_id = str(data.scan_id)
    before = session.value(
        str,
        "SELECT since FROM catalog WHERE appliance_id = ? AND connection = ?",
        appliance_id,
        data.connection,
    )
    tables = [table for part in _parts(session, appliance_id, scan_id) for table in part.tables]
    session.run(
        "INSERT INTO catalog (appliance_id, connection, scan_id, ordinal, scanned_at, tables, columns,"
        " tables_total, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, connection) DO UPDATE SET scan_id = excluded.scan_id,"
        " ordinal = excluded.ordinal, scanned_at = excluded.scanned_at, tables = excluded.tables,"
        " columns = excluded.columns, tables_total = excluded.tables_total, since = excluded.since",
        appliance_id,
        data.connection,
        scan_id,
        ordinal,
        at,
        len(tables),
        sum(len(table.columns) for table in tables),
        data.tables_total,
        json.dumps(_times(tables, json.loads(before) if before else None, at)),
    )
    session.run(
        "DELETE FROM catalog_part WHERE appliance_id = ? AND connection = ? AND scan_id <> ?",
        appliance_id,
        data.connection,
        scan_id,
    )


def _times(tables: list[ReportedTable], before: ColumnTimes | None, at: float) -> ColumnTimes:
    """Since when each column is of its type, and which have gone; nothing is new to a first scan."""
    former = before["columns"] if before else {}
    columns: dict[str, tuple[str, float]] = {}
    new = at if before else AT_FIRST
    for table in tables:
        for column in table.columns:
            name = literal_pattern(table.schema_name, table.name, column.name)
            kind, since = former.get(name, ("", new))
            columns[name] = (column.type, since if kind == column.type else new)
    gone = dict(before["gone"]) if before else {}
    gone |= {name: at for name in former if name not in columns and name not in gone}
    kept = sorted(((when, name) for name, when in gone.items() if name not in columns), reverse=True)
    return {"columns": columns, "gone": {name: when for when, name in kept[:500]}}


def _parts(session: Session, appliance_id: str, scan_id: str) -> list[CatalogReported]:
    found = session.column(
        str,
        "SELECT data FROM catalog_part WHERE appliance_id = ? AND scan_id = ? ORDER BY part",
        appliance_id,
        scan_id,
    )
    return [CatalogReported.from_wire(text) for text in found]
