"""The plan of a run: what is read, how each column leaves the source, where it goes, and in which pieces.

Written by the ``plan`` step as ``plan.json`` and read by every later one. It holds SQL text and names,
never a key, a password or a value out of a row.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.masking.compiled import Binding, CompiledColumn
from appliance.workflow.catalog import NotCarried
from appliance.workflow.drift import Drift


class PlanModel(BaseModel):
    """Frozen, and strict about keys, like everything that is written to a run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableName(PlanModel):
    """A table by schema and name, as the catalog has them (unquoted)."""

    schema_name: str
    name: str

    @property
    def qualified(self) -> str:
        """schema.table as people write it."""
        return f"{self.schema_name}.{self.name}"


Settings = tuple[tuple[str, str], ...]
"""Names and values of a session's settings."""


class OwnerSettings(PlanModel):
    """What the sessions of an owner have set."""

    settings: Settings
    tables: tuple[TableName, ...]
    """The tables and materialised views of owners who have it so."""


class DefinitionSettings(PlanModel):
    """What indexes, checks, generated columns and views are evaluated under: as a session on the source."""

    common: Settings = ()
    owners: tuple[OwnerSettings, ...] = ()
    """Those whose sessions have set something else than ``common``."""

    def of(self, schema_name: str | None, name: str) -> Settings:
        """For a table or materialised view."""
        return self._of_owners.get((schema_name or "", name), self.common)

    @cached_property
    def _of_owners(self) -> dict[tuple[str, str], Settings]:
        return {
            (table.schema_name, table.name): owner.settings for owner in self.owners for table in owner.tables
        }


NO_SETTINGS = DefinitionSettings()


class SourceFacts(PlanModel):
    """What the target has to know of the source to build a database like it."""

    connection: str
    database: str
    server_version: int
    """As ``server_version_num``, e.g. 150018."""
    encoding: str
    locale_provider: str
    """``libc``, ``icu`` or ``builtin``."""
    collate: str
    ctype: str
    locale: str | None = None
    icu_rules: str | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    in_recovery: bool = False
    settings: DefinitionSettings = NO_SETTINGS


class TargetFacts(PlanModel):
    """One twin to build: where, under which names, and with which settings of the source it can have."""

    delivery: int
    """Index into the workflow's ``deliver``."""
    connection: str
    database: str
    """The twin's name."""
    next_database: str
    """Built aside under this name (``<twin>__next``, shortened where a name may not be that long; without a
    twin ``<database>-<workflow>__files``)."""
    prev_database: str
    """The former twin after the swap."""
    server_version: int
    encoding: str
    locale_provider: str
    collate: str
    ctype: str
    locale: str | None = None
    twin_exists: bool = False
    copied_by: Literal["clone", "copy"] = "copy"
    """How a branch of the twin is made there: at once and without space, or file by file."""
    scratch: bool = False
    """Built for files alone: ``next_database`` is dropped when they are written, and never the twin."""
    missing_extensions: tuple[str, ...] = ()
    """Used by the source, not available on the target, and not needed by a selected table."""
    tried_extensions: tuple[str, ...] = ()
    """Such as the server lets its role create, though the catalog says that only a superuser may."""
    refused_extensions: tuple[str, ...] = ()
    """Such as the server does not create, though the catalog says that its role may."""


class PlannedTable(PlanModel):
    """One table (or leaf partition) that is copied."""

    schema_name: str
    name: str
    root: TableName | None = None
    """The topmost partitioned parent of a leaf partition."""
    load_into: TableName
    """Where rows are loaded: the table itself, or its root where a mask touches the partition key."""
    columns: tuple[CompiledColumn, ...]
    """In table order, without generated columns: the target computes those from the masked values."""
    row_key: tuple[str, ...] = ()
    """A primary or unique key without NULL that is copied: pairs the twin's rows with the source's, also
    where it is masked, since a mask can be computed again."""
    order_by: tuple[str, ...] = ()
    """Masked columns by which the twin's rows are to stand; none where they stand as in the source."""
    where_sql: str | None = None
    """A boolean expression over the table (aliased ``t``), or None for all rows."""
    erased_sql: str | None = None
    """True for a row about an erased subject, over the same alias: it is not copied. It reads a key, so it
    stands in no session without keys; None where no subject was erased."""
    apart: bool = False
    """``where_sql`` holds free SQL of an author: it runs only in a session that no key is bound in."""
    read_path: str = ""
    """The ``search_path`` under which the source reads it, as SQL: where what its indexes call needs one."""
    hypertable: bool = False
    """Its rows stand in chunks, which inherit from it and are read with it."""
    unplanned: bool = False
    """It is copied whole and as it is, and no query on it can be planned: it is read without one."""
    format: Literal["binary", "text"]
    estimated_rows: int
    """For all rows of the table, before ``where_sql``; never negative."""
    bytes: int
    """Size on the source's disk now, with TOAST, without indexes."""
    pages: int

    @property
    def qualified(self) -> str:
        """schema.table as people write it."""
        return f"{self.schema_name}.{self.name}"

    @property
    def filtered(self) -> bool:
        """Whether some of its rows may not be copied."""
        return self.where_sql is not None or self.erased_sql is not None

    @property
    def reads_others(self) -> bool:
        """Whether other tables are read with it: by its filter, for its rows' subjects, or its chunks."""
        return self.filtered or self.hypertable or any(column.lookups for column in self.columns)

    @property
    def masked_columns(self) -> tuple[CompiledColumn, ...]:
        """The columns that a mask replaces."""
        return tuple(column for column in self.columns if column.mask is not None)


class CopyItem(PlanModel):
    """One COPY: a whole table, or a range of its pages."""

    table: int
    """Index into ``Plan.tables``."""
    part: int = 0
    """Which piece of the table, from 0."""
    parts: int = 1
    first_page: int | None = None
    """First page (ctid block) read; None reads from the beginning."""
    end_page: int | None = None
    """First page that is no longer read; None reads to the end, also what was added since planning."""
    ctids: str | None = None
    """While copying: the places of the rows that free SQL has chosen, as an array; never in a plan."""

    @property
    def key(self) -> str:
        """What the target's ledger calls the item: stable through retries of the same run."""
        return f"{self.table}/{self.part}"


class Shard(PlanModel):
    """What one ``copy`` step takes, in order."""

    number: int
    target: int
    """Index into ``Plan.targets``."""
    items: tuple[CopyItem, ...]
    estimated_bytes: int


class Plan(PlanModel):
    """Everything later steps need to know."""

    run_id: str
    workflow_id: str
    created_at: datetime
    source: SourceFacts
    targets: tuple[TargetFacts, ...]
    tables: tuple[PlannedTable, ...]
    shards: tuple[Shard, ...]
    parallel: int
    """How many ``copy`` steps may run at a time, and jobs that index building may use."""
    key_name: str = ""
    """Under which name the source's mask keys are derived; the connection's, unless its ``mask_key`` says."""
    epoch: int = 1
    """The generation of those keys."""
    bindings: tuple[Binding, ...]
    """Every binding any column needs, each once."""
    left_out_sql: str | None = None
    """What counts, on the source, the rows of filtered tables and why some are left out (``left_out``); None
    where no table is filtered."""
    left_out: tuple[TableName, ...] = ()
    """Tables of the source that the workflow does not select, partitioned ones too: empty in the twin."""
    not_carried: tuple[NotCarried, ...] = ()
    warnings: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    """Settings of the source that the target cannot give, and what it gives instead."""
    drift: Drift = Drift()
    """What has changed in the source since the workflow's last verified run."""

    def table_name(self, item: CopyItem) -> str:
        """schema.table of an item."""
        return self.tables[item.table].qualified

    @property
    def estimated_rows(self) -> int:
        """Of all tables, before row filters."""
        return sum(table.estimated_rows for table in self.tables)


class Snapshot(PlanModel):
    """``snapshot.json``: the exported snapshot that every reading step imports."""

    snapshot_id: str
    """As ``pg_export_snapshot()`` named it, e.g. ``00000003-0000001B-1``."""
    taken_at: datetime
    """``now()`` of the source, in UTC."""
    server_version: int
    in_recovery: bool
    system_identifier: str | None = None
    backend_pid: int
    """Of the session that holds it."""
