"""What a source database looks like, as plain data: what rules are matched to and masks compiled for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class CatalogModel(BaseModel):
    """Frozen, and strict about keys, like everything that is written to a run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


TypeKind = Literal["base", "enum", "domain", "composite", "range", "multirange", "array"]


class Column(CatalogModel):
    """One column. Type names are as ``format_type`` prints them, schema if that is not pg_catalog."""

    schema_name: str
    table_name: str
    name: str
    position: int
    type: str
    """With modifier, e.g. ``character varying(60)``; what a masked expression is cast to."""
    base_type: str
    """Below any domain and without modifier, e.g. ``character varying``."""
    type_kind: TypeKind
    """Of the column's own type (``domain`` for a domain, whatever lies below it)."""
    base_kind: TypeKind
    """Below any domain."""
    type_modifier_length: int | None = None
    """Character limit of varchar(n) and char(n), also through a domain; None where there is none."""
    numeric_precision: int | None = None
    numeric_scale: int | None = None
    not_null: bool = False
    """Declared on the column, by a primary key, or by its domain."""
    generated: bool = False
    generated_from: tuple[str, ...] | None = None
    """For a generated column: the columns that its expression reads; None where that is not known."""
    identity: bool = False
    from_sequence: bool = False
    """A sequence of the table's own counts it: an identity, or serial."""
    unique_alone: bool = False
    """A unique or primary key (not partial) consists of this column only."""
    unique_partial: bool = False
    """Part of a partial or expression unique index."""
    enum_labels: tuple[str, ...] = ()
    domain_has_check: bool = False
    check_constraints: tuple[str, ...] = ()
    """Names of table CHECK constraints that mention the column."""
    binary_safe: bool = True
    """Its binary COPY form means the same in another database (no foreign type oids inside)."""


class ForeignKey(CatalogModel):
    """One foreign key of a table."""

    name: str
    columns: tuple[str, ...]
    to_schema: str
    to_table: str
    to_columns: tuple[str, ...]
    deferrable: bool = False
    validated: bool = True


class Table(CatalogModel):
    """A table that holds rows, ordinary or a leaf partition; or a partitioned one, which holds none."""

    schema_name: str
    name: str
    oid: int
    kind: Literal["table", "partitioned", "foreign", "unlogged"]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    root_schema: str | None = None
    root_name: str | None = None
    """The topmost partitioned parent, for a leaf partition; None for anything else."""
    ancestors: tuple[tuple[str, str], ...] = ()
    """Of a partition: (schema, name) of the partitioned tables between it and its root, the nearest first."""
    partition_key: tuple[str, ...] = ()
    """The columns that decide, at any level above, in which leaf a row stands; empty for no partition."""
    pages: int = 0
    """Size on disk now, in 8 KiB pages, without indexes and TOAST."""
    bytes: int = 0
    """Size on disk now with TOAST, without indexes."""
    estimated_rows: int = 0
    readable: bool = True
    """The role may SELECT every column."""
    ctid_readable: bool = True
    """The role may SELECT the table as such, and with it system columns; column grants do not give that."""
    row_security: bool = False
    """Row-level security would hide rows from the role that reads."""

    @property
    def qualified(self) -> str:
        """schema.table as people write it in a workflow (unquoted)."""
        return f"{self.schema_name}.{self.name}"

    @property
    def all_names(self) -> tuple[tuple[str, str], ...]:
        """(schema, name) pairs that patterns may match: its own, then those above it if it is a partition."""
        own = (self.schema_name, self.name)
        if self.root_schema is None or self.root_name is None:
            return (own,)
        return (own, *self.ancestors, (self.root_schema, self.root_name))


class NotCarried(CatalogModel):
    """Something of the source that the twin will not have, and why: listed in the plan, never silent."""

    kind: str
    name: str
    why: str


class Catalog(CatalogModel):
    """Everything planning needs to know of a source."""

    server_version: int
    """As ``server_version_num``, e.g. 150018."""
    database: str
    encoding: str
    locale_provider: str
    """``libc``, ``icu`` or ``builtin``."""
    collate: str
    ctype: str
    locale: str | None = None
    """The ICU or builtin locale, where the provider is one of them."""
    in_recovery: bool = False
    tables: tuple[Table, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()
    """(name, version), plpgsql left out."""
    not_carried: tuple[NotCarried, ...] = ()
