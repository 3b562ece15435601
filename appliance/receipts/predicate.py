"""What a receipt says of a run. Names, numbers and digests; never a value out of a row.

The layout has a version. A receipt is kept for years: a field is added as optional, and anything else is a
new version beside this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from appliance.receipts.chain import ChainLink, ReceiptModel, Sha256

RUN_TYPE = "urn:appliance:receipt:run:v1"
ROTATION_TYPE = "urn:appliance:receipt:key-rotation:v1"


class PresetFacts(ReceiptModel):
    """A named set of rules that the run followed besides the document's own."""

    name: str
    version: int | None = Field(default=None, description="The dashboard's number; null for a file.")
    digest_keyed: Sha256 = Field(
        description="Of its rules, keyed: equal for the same ones, on this appliance alone."
    )


class WorkflowFacts(ReceiptModel):
    """Which document the run followed."""

    id: str
    title: str = ""
    digest: Sha256 = Field(description="Of the document as JSON with sorted keys.")
    digest_keyed: bool = Field(
        default=False,
        description="The digest is keyed: the document was written here and holds conditions or SQL, whose"
        " values could be guessed from a plain one.",
    )
    origin: Literal["local", "cloud"] = Field(description="Written here, or sent by the dashboard.")
    presets: tuple[PresetFacts, ...] = Field(
        default=(), description="In their order; the digest of the document covers them too."
    )


class AskedBy(ReceiptModel):
    """Who or what asked for the run."""

    kind: Literal["schedule", "dashboard", "operator", "command line", "unknown"]
    user: str | None = Field(default=None, description="The user of this machine, on the command line.")


class SourceFacts(ReceiptModel):
    """The database that was read: never its address."""

    connection: str
    identity: str = Field(description="A keyed digest: the same database, the same digest; here alone.")
    server_version: int
    standby: bool = False


class SnapshotFacts(ReceiptModel):
    """The moment of the source that was copied."""

    id: str
    taken_at: datetime


class OriginalsFound(ReceiptModel):
    """Originals of a masked column that stand in a column that is kept, as the source counted them."""

    masked: str = Field(description="schema.table.column.")
    places: int
    texts: int = Field(description="Of the kept column, that were compared.")


class KeptLook(ReceiptModel):
    """What was seen in a column that is kept."""

    values: int = Field(description="Looked at in the twin.")
    looks_personal: int = 0
    kind: str | None = Field(default=None, description="Of what looks personal.")
    compared: int = Field(default=0, description="Texts that the source compared with masked originals.")
    originals: tuple[OriginalsFound, ...] = ()
    not_looked_at: str | None = None
    not_compared: str | None = None


class AlternativeFacts(ReceiptModel):
    """What was done to some rows of a column. Of the condition only a digest, as of a row filter's."""

    mask: str | None = Field(description="Null where the rows were copied as they are.")
    options: dict[str, JsonValue] = Field(default_factory=dict)
    when_keyed: Sha256 | None = Field(
        default=None, description="Of the condition, keyed; null for all rows that no condition has taken."
    )


class MaskedColumn(ReceiptModel):
    """What was done to a column, what its mask promises, and what came of proving it."""

    column: str
    type: str
    mask: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    rule: str | None = Field(description="The workflow's pattern; null where nothing named the column.")
    preset: str | None = Field(default=None, description="The name of the preset whose pattern it is.")
    promise: str = Field(description="How it can be proven, as docs/receipts.md explains.")
    keeps_distinct: bool = False
    compared: int | None = Field(default=None, description="Values looked at; null where none was proven.")
    equal: int | None = Field(default=None, description="Values that are what the mask gave for their row.")
    outside: int | None = None
    follows: str | None = Field(
        default=None, description="The column that it refers to, whose mask and rule these are."
    )
    subjects: tuple[str, ...] = Field(
        default=(),
        description="Whose keys it was drawn from instead of its own values, and the columns that say whose.",
    )
    alternatives: tuple[AlternativeFacts, ...] = Field(
        default=(), description="Of a column that is masked by conditions over its row: each of its masks."
    )
    look: KeptLook | None = Field(
        default=None, description="At the rows that such a column keeps; null where it keeps none."
    )


class KeptColumn(ReceiptModel):
    """A column that was copied as it is, and by whose word."""

    column: str
    type: str
    rule: str | None = Field(
        description="The workflow's pattern; null where `unlisted: keep` let it through."
    )
    preset: str | None = Field(default=None, description="The name of the preset whose pattern it is.")
    because: str | None = None
    look: KeptLook | None = Field(default=None, description="Null where the run did not come so far.")


class TableFacts(ReceiptModel):
    """One table, or one partition."""

    table: str
    rows_source: int | None = Field(default=None, description="Rows that the source sent in the snapshot.")
    rows_twin: int | None = None
    gathered: int | None = Field(default=None, description="Rows of the source that were compared.")
    searched: int | None = Field(default=None, description="Rows of the twin that were searched.")
    left_out: int = Field(default=0, description="Rows that filters, and the keys behind them, left out.")
    filtered: bool = False
    masked: tuple[MaskedColumn, ...] = ()
    kept: tuple[KeptColumn, ...] = ()


class RowFilterFacts(ReceiptModel):
    """Which rows a pattern lets through. Of a condition only a digest: authors write values into them."""

    tables: str
    last_days: int | None = None
    by: str | None = None
    where_keyed: Sha256 | None = Field(
        default=None, description="Of the condition, keyed: equal for the same one, on this appliance alone."
    )
    where_sha256: Sha256 | None = Field(
        default=None,
        description="Of the condition, plain: in receipts of earlier releases only.",
    )


class TableChanged(ReceiptModel):
    """What the workflow's own SQL did to one table."""

    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rewritten: bool = Field(default=False, description="Emptied or written anew: rows were not counted.")


class AfterLoadFacts(ReceiptModel):
    """SQL that the workflow ran in one twin, after the proof, before the digest. Names and numbers only."""

    database: str = Field(description="As it was called before it was published.")
    pieces: int
    sql_keyed: Sha256 = Field(description="Of its text, keyed: equal for the same SQL, here alone.")
    counted: bool = Field(description="False where the server counts no changes (track_counts).")
    changes: tuple[TableChanged, ...] = ()
    made: tuple[str, ...] = Field(default=(), description="Tables that there were not before.")
    dropped: tuple[str, ...] = ()
    constraints_dropped: tuple[str, ...] = ()


class NotCarriedFacts(ReceiptModel):
    """Something of the source that the twin does not have."""

    kind: str
    name: str
    why: str


class TwinTable(ReceiptModel):
    """The digest of one table's rows."""

    table: str
    rows: int
    sha256: Sha256


class TwinFacts(ReceiptModel):
    """One twin: the digest of the whole, and what it is made of."""

    connection: str
    sha256: Sha256
    definitions_sha256: Sha256
    tables: tuple[TwinTable, ...]


class ImageFacts(ReceiptModel):
    """A container image that steps ran in."""

    name: str
    id: str


class BucketFacts(ReceiptModel):
    """A place in a bucket that the run's files are delivered to once the receipt is signed."""

    connection: str
    folder: str = Field(description="What the names of its objects begin with.")
    formats: tuple[str, ...]


class GroupFacts(ReceiptModel):
    """How many rows of a table share the values of some columns: its k-anonymity over them."""

    table: str
    columns: tuple[str, ...]
    k: int = Field(description="Groups of fewer rows count as small.")
    smallest: int | None = Field(description="Rows of the smallest group; null for an empty table.")
    rows: int
    rows_below: int = Field(description="Rows in small groups.")


Outcome = Literal["released", "failed", "cancelled"]


class RunPredicate(ReceiptModel):
    """One run of a workflow."""

    link: ChainLink
    outcome: Outcome = Field(
        description="`released`: proven, and signed before it was public. `failed`, `cancelled`: it had"
        " touched a target and was not published, or not everywhere."
    )
    failed_step: str | None = None
    run: str
    workflow: WorkflowFacts
    asked_by: AskedBy
    policy_digest: Sha256
    release: str
    images: tuple[ImageFacts, ...] = Field(default=(), description="None: it ran without containers.")
    key_name: str = Field(description="Under which name the source's mask keys are derived.")
    key_epoch: int
    source: SourceFacts | None = None
    snapshot: SnapshotFacts | None = None
    catalogue_digest: Sha256 | None = Field(
        default=None, description="Over the tables that were read and their columns."
    )
    tables: tuple[TableFacts, ...] = ()
    rows: tuple[RowFilterFacts, ...] = Field(default=(), description="The subset, where there was one.")
    groups: tuple[GroupFacts, ...] = ()
    after_load: tuple[AfterLoadFacts, ...] = Field(
        default=(), description="What the workflow's own SQL changed, for each twin; none: it has none."
    )
    not_carried: tuple[NotCarriedFacts, ...] = ()
    twins: tuple[TwinFacts, ...] = ()
    buckets: tuple[BucketFacts, ...] = Field(
        default=(), description="Where its files go besides. What they are is among the subjects."
    )
    began_at: datetime

    @property
    def masked_columns(self) -> int:
        """Of all tables."""
        return sum(len(table.masked) for table in self.tables)

    @property
    def kept_columns(self) -> int:
        """Of all tables."""
        return sum(len(table.kept) for table in self.tables)

    @property
    def twin_rows(self) -> int:
        """Rows of all tables in a twin."""
        return sum(table.rows_twin or 0 for table in self.tables)


class RotationPredicate(ReceiptModel):
    """From here on another key signs. Signed by both, so that trust in one carries to the other."""

    link: ChainLink
    old_key: str = Field(description="Public, as PEM.")
    new_key: str = Field(description="Public, as PEM.")
