"""What a source database looks like, as plain data: what rules are matched to and masks compiled for."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict


class CatalogModel(BaseModel):
    """Frozen, and strict about keys, like everything that is written to a run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


TypeKind = Literal["base", "enum", "domain", "composite", "range", "multirange", "array"]


class Ancestor(CatalogModel):
    """A table that another one INHERITS from, directly or further up; not what partitions belong to."""

    schema_name: str
    name: str
    distance: int
    """1 for a parent, 2 for a parent's parent; the shortest way counts."""

    @property
    def names(self) -> tuple[str, str]:
        """(schema, name)."""
        return (self.schema_name, self.name)


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
    null_repeats: bool = False
    """A NULL in it may be equal to another one in such an index: its condition or an expression reads it."""
    enum_labels: tuple[str, ...] = ()
    domain_has_check: bool = False
    holds_checked: bool = False
    """An array or a range of a domain with a CHECK: taking up a value of the type evaluates that."""
    check_constraints: tuple[str, ...] = ()
    """Names of table CHECK constraints that mention the column."""
    null_checks: tuple[str, ...] = ()
    """Those of them that may be false where it is NULL, such as ``a IS NOT NULL OR b IS NOT NULL``."""
    inherited_from: tuple[Ancestor, ...] = ()
    """Tables above by INHERITS that have this column, the nearest first: a query of them reads this one."""
    deterministic: bool = True
    """Only equal bytes are equal texts to its collation; False for a nondeterministic one."""
    collation: str | None = None
    """Its collation as SQL, where that is not the database's own."""
    binary_safe: bool = True
    """Its binary COPY form means the same in another database (no foreign type oids inside)."""
    fields: tuple[Column, ...] = ()
    """Of a composite type, or of that which an array has: its fields, whose schema and table say nothing."""


class KeyComparison(CatalogModel):
    """How a foreign key compares one of its columns with the one that it refers to. All are SQL text."""

    operator: str = "OPERATOR(pg_catalog.=)"
    """The constraint's own, by its schema: for citext that of citext, whatever the session's search_path."""
    to_type: str | None = None
    """What the operator takes on its left, where the column that is referred to stands; None for any type."""
    own_type: str | None = None
    """What it takes on its right."""
    collation: str | None = None
    """That of the column that is referred to, where the other one's differs: PostgreSQL compares with it."""
    trusted: bool = True
    """Its function, and what casts the columns for it, belong to a superuser, as PostgreSQL's own do."""


class ForeignKey(CatalogModel):
    """One foreign key of a table."""

    name: str
    columns: tuple[str, ...]
    to_schema: str
    to_table: str
    to_columns: tuple[str, ...]
    comparisons: tuple[KeyComparison, ...] = ()
    """One for each pair of columns; ``compared`` gives the plain one where nothing is known."""
    nullable: tuple[str, ...] | None = None
    """Its own columns that may hold NULL, in the table itself and not by a domain; None if not known."""
    period: bool = False
    """Its last column is a range that others must cover (PERIOD, since PostgreSQL 18)."""
    deferrable: bool = False
    validated: bool = True

    @property
    def to_name(self) -> tuple[str, str]:
        """(schema, name) of the table it refers to."""
        return (self.to_schema, self.to_table)

    @property
    def compared(self) -> tuple[tuple[str, str, KeyComparison], ...]:
        """Own column, the column it refers to, and how they are compared."""
        known = self.comparisons or tuple(KeyComparison() for _ in self.columns)
        return tuple(zip(self.columns, self.to_columns, known, strict=True))


class SpecialKey(CatalogModel):
    """A unique index or an exclusion constraint that is more than some columns being unique together."""

    name: str
    columns: tuple[str, ...] = ()
    """The columns that it compares as they are."""
    expressions: tuple[str, ...] = ()
    """What it compares besides, as PostgreSQL writes it."""
    predicate: str | None = None
    """Which rows it is about; None for all."""
    reads: tuple[str, ...] = ()
    """All columns that it names, in expressions and predicate too."""
    nulls_not_distinct: bool = False
    excludes: bool = False
    """An exclusion constraint: of the columns only those in ``equal`` are compared for equality."""
    equal: tuple[str, ...] = ()


class Table(CatalogModel):
    """A table that holds rows, ordinary or a leaf partition; or a partitioned one, which holds none."""

    schema_name: str
    name: str
    oid: int
    kind: Literal["table", "partitioned", "foreign", "unlogged"]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    nulls_alike: tuple[tuple[str, ...], ...] = ()
    """Those of the unique keys that take NULLs for equal (NULLS NOT DISTINCT)."""
    special_keys: tuple[SpecialKey, ...] = ()
    """Unique indexes that are partial, on expressions or NULLS NOT DISTINCT; exclusion constraints."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    root_schema: str | None = None
    root_name: str | None = None
    """The topmost partitioned parent, for a leaf partition; None for anything else."""
    ancestors: tuple[tuple[str, str], ...] = ()
    """Of a partition: (schema, name) of the partitioned tables between it and its root, the nearest first."""
    partition_key: tuple[str, ...] = ()
    """The columns that decide, at any level above, in which leaf a row stands; empty for no partition."""
    unsettled: bool = False
    """A partition whose hash follows numbers of objects (an enum's labels), or whose hash or order of texts
    may differ elsewhere: the same row may belong into another partition of the twin."""
    pages: int = 0
    """Size on disk now, in 8 KiB pages, without indexes and TOAST."""
    bytes: int = 0
    """Size on disk now with TOAST, without indexes."""
    estimated_rows: int = 0
    readable: bool = True
    """The role may SELECT every column."""
    ctid_readable: bool = True
    """A row can be found by its place: ``paged``, and the role may SELECT the table as such, with its system
    columns; column grants do not give that."""
    paged: bool = True
    """Its rows stand in pages of its own, of which ranges can be read and samples taken: neither in chunks of
    a hypertable nor in the way of another access method. Otherwise ``pages`` is 0."""
    hypertable: bool = False
    """One of TimescaleDB: its rows stand in chunks that are no tables of this catalog. Read without ONLY."""
    sharded: bool = False
    """Citus keeps its rows in shards, which it reads in sessions of its own: no snapshot covers them."""
    row_security: bool = False
    """Row-level security would hide rows from the role that reads."""

    @property
    def whole(self) -> bool:
        """All of its rows can be read, in the run's snapshot."""
        return self.readable and not self.row_security and not self.sharded

    @property
    def qualified(self) -> str:
        """schema.table as people write it in a workflow (unquoted)."""
        return f"{self.schema_name}.{self.name}"

    def told_apart_by(self, columns: Collection[str], *, nulls_alike: bool = False) -> bool:
        """Whether a whole key stands in these columns, so that no two rows are equal in all of them.

        ``nulls_alike``: where NULLs count as equal, only one that takes none.
        """
        alone = ((column.name,) for column in self.columns if column.unique_alone)
        filled = {column.name for column in self.columns if column.not_null}
        return any(
            key and set(key) <= set(columns) and (not nulls_alike or set(key) <= filled)
            for key in (self.primary_key, *self.unique_keys, *alone)
        )

    @cached_property
    def all_names(self) -> tuple[tuple[str, str], ...]:
        """(schema, name) pairs that patterns may match: its own, then those above it if it is a partition."""
        own = (self.schema_name, self.name)
        if self.root_schema is None or self.root_name is None:
            return (own,)
        return (own, *self.ancestors, (self.root_schema, self.root_name))

    def family(self, column: Column) -> tuple[tuple[str, str], ...]:
        """(schema, name) of all tables through which one of the columns is read, its own first.

        Those are ``all_names``, and the tables above by INHERITS that have the column too. What holds for the
        column there (a mask, a policy's limit) has to hold for it here.
        """
        return (*self.all_names, *(ancestor.names for ancestor in column.inherited_from))


ColumnName = tuple[str, str, str]
"""Schema, table (or view) and column."""


class ViewColumn(CatalogModel):
    """A column of a view or a materialised view, which is not copied: the twin computes it from what is."""

    schema_name: str
    view_name: str
    name: str
    reads: tuple[ColumnName, ...]
    """All columns of tables and other views that the whole view reads."""

    @property
    def names(self) -> ColumnName:
        """Schema, view and column."""
        return (self.schema_name, self.view_name, self.name)


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
    icu_rules: str | None = None
    """What the database changes in the order of an ICU locale, since PostgreSQL 16."""
    in_recovery: bool = False
    tables: tuple[Table, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()
    """(name, version), plpgsql left out."""
    not_carried: tuple[NotCarried, ...] = ()
    view_columns: tuple[ViewColumn, ...] = ()
