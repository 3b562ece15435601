"""What a rehearsal found, as it is written to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockHeld(_Part):
    """The strongest lock of a statement on a table, and for how long it was held."""

    table: str
    mode: str
    held_ms: float


class Finding(_Part):
    """What the linter says of a statement."""

    rule: str
    line: int
    column: int = 0
    message: str
    help: str = ""


class Failure(_Part):
    """Why a statement failed; no value is in it."""

    sqlstate: str | None
    why: str


class TableSize(_Part):
    """A table that a statement locked: its bytes with indexes, before and after."""

    table: str
    bytes_before: int
    bytes_after: int


class StatementReport(_Part):
    """One statement, as it went."""

    file: str
    line: int
    statement: str
    ms: float
    in_transaction: bool
    """False for one that must not be in a transaction, or that several make up."""
    rows: int | None = None
    """How many the server says that it wrote."""
    locks: tuple[LockHeld, ...] = ()
    sizes: tuple[TableSize, ...] = ()
    rewrites: tuple[str, ...] = ()
    """Tables that were written anew."""
    reindexed: tuple[str, ...] = ()
    """Indexes that were built anew and were there before."""
    built: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    """Indexes and constraints that are new, and not valid."""
    dropped: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: Failure | None = None


class Blocked(_Part):
    """When a table's writers waited, or readers and writers both, in milliseconds since the beginning."""

    start_ms: float
    end_ms: float
    who: Literal["writers", "both"]


class TableReport(_Part):
    """A table that the migration locked."""

    table: str
    strongest: str
    held_ms: float
    """How long the strongest lock was held, at the longest stretch."""
    reader_blocked_ms: float
    writer_blocked_ms: float
    probed: bool
    """Whether probes tried it meanwhile; what was over before they could is as long as the lock was held."""
    rows_before: int | None
    """About how many, as the last ANALYZE counted them."""
    rows_in_source: int | None = None
    """About how many the source has, where the run left some out."""
    bytes_before: int
    bytes_after: int | None
    """None where the table is gone."""
    blocked: tuple[Blocked, ...] = ()


class CatalogChanges(_Part):
    """What a whole migration has made of the branch, where that is not known by statement."""

    rewrites: tuple[str, ...] = ()
    reindexed: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class Direction(_Part):
    """A migration, or its way back."""

    seconds: float
    statements: tuple[StatementReport, ...]
    tables: tuple[TableReport, ...]
    changes: CatalogChanges | None = None
    """Of a container, whose statements are seen from outside."""
    left_invalid: tuple[str, ...] = ()
    """What it has left invalid at its end."""
    stopped: bool = False
    """Ended because its time was over."""
    cancelled: bool = False
    """Ended on request: what there is, is what was seen until then."""
    failure: Failure | None = None
    """A failure of no single statement."""
    notes: tuple[str, ...] = ()


class SchemaComparison(_Part):
    """The schema before the migration and after its way back."""

    same: bool
    difference: tuple[str, ...] = ()


Verdict = Literal["passed", "failed", "above", "cancelled"]


class Rehearsal(_Part):
    """A migration as it went in a branch, with its verdict."""

    workflow: str
    twin: str
    branch: str
    kept: bool
    run: str
    """Of which run the rows are."""
    copy_of: str
    began_at: datetime
    up: Direction
    down: Direction | None = None
    schema_after_down: SchemaComparison | None = None
    verdict: Verdict = "passed"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    server_version: int | None = None
    """Of the server, as PostgreSQL numbers itself: 170004."""


def with_source_rows(rehearsal: Rehearsal, rows: Mapping[str, int]) -> Rehearsal:
    """The same, with about how many rows the source has of tables that the run left some out of."""

    def filled(direction: Direction) -> Direction:
        tables = tuple(
            each.model_copy(update={"rows_in_source": rows.get(each.table, each.rows_in_source)})
            for each in direction.tables
        )
        return direction.model_copy(update={"tables": tables})

    down = filled(rehearsal.down) if rehearsal.down is not None else None
    return rehearsal.model_copy(update={"up": filled(rehearsal.up), "down": down})
