"""What people who use data are shown: twins, branches, exports, buckets, how fresh, what was masked how.

Apart from what reads it, which the status service loads only when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Place:
    """Where a database is."""

    connection: str
    database: str
    host: str | None
    """None where the connection is not known any more."""
    port: int | None
    sslmode: str | None = None


@dataclass(frozen=True)
class TwinOffer:
    """The newest twin of a delivery."""

    at: Place
    run: str
    made_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class BranchOffer:
    """A branch that its time lets stand."""

    at: Place
    run: str
    made_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True)
class ExportOffer:
    """Files that can be fetched."""

    run: str
    created_at: datetime
    formats: tuple[str, ...]
    tables: int
    rows: int
    files: int
    bytes: int
    restorable: bool
    """Whether an archive is among them."""
    expires_at: datetime | None


@dataclass(frozen=True)
class BucketOffer:
    """A delivery in a bucket."""

    place: str
    """CONNECTION/FOLDER/."""
    run: str
    made_at: datetime


@dataclass(frozen=True)
class ColumnOffer:
    """One column: which mask replaced it; None where it was copied as it is."""

    name: str
    type: str
    mask: str | None
    options: str = ""
    because: str = ""
    """Of a kept one, where the workflow says why."""


@dataclass(frozen=True)
class TableOffer:
    """One table of the newest run."""

    table: str
    rows: int | None
    left_out: int
    """Rows that filters left out."""
    columns: tuple[ColumnOffer, ...]


@dataclass(frozen=True)
class WorkflowOffer:
    """All that was made from one workflow."""

    id: str
    title: str
    source: str
    run: str | None
    """The newest that was proven and released."""
    as_of: datetime | None
    """The moment of the source that it copied."""
    receipt: int | None
    tables: tuple[TableOffer, ...]
    not_carried: tuple[str, ...]
    """What of the source is left out, and why."""
    twins: tuple[TwinOffer, ...]
    branches: tuple[BranchOffer, ...]
    exports: tuple[ExportOffer, ...]
    buckets: tuple[BucketOffer, ...]


@dataclass(frozen=True)
class DataOffers:
    """Everything, for whom."""

    version: str
    now: datetime
    person: str | None
    """Whose token was shown; None for the appliance's own people."""
    expires_at: datetime | None
    """When that token expires."""
    workflows: tuple[WorkflowOffer, ...]
