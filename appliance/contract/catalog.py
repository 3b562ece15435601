"""Events about a source's shape and a plan: names, types, keys and counts, where the owner allows it.

No value, no comment, no default and no label of an enum has a field here. A catalog comes in parts, of which
a receiver makes use once all have come.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import (
    ConnectionName,
    Count,
    Digest,
    Identifier,
    ObjectName,
    RuleName,
    RunId,
    ScrubbedText,
    WireModel,
    WorkflowId,
)

MAX_PARTS = 200
MAX_TABLES_OF_PART = 400
MAX_COLUMNS = 1600
"""PostgreSQL's own limit for a table."""
COLUMNS_A_PART = 400
"""After so many columns a sender begins a new part; each is far below what a batch may hold."""
MAX_UNCOVERED = 500
MAX_UNCOVERED_OF_PLAN = 4000
"""In one event, which stays below what a batch may hold."""
MAX_REFUSALS = 50
MAX_LEFT_OUT = 500

Trait = Literal[
    "not_null",
    "generated",
    "identity",
    "counted",
    "unique",
    "partly_unique",
    "domain_check",
    "table_check",
    "own_collation",
]
TypeForm = Literal["base", "enum", "domain", "composite", "range", "multirange", "array"]
KindName = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=40)]
EvidenceText = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=160)]
_Names = Annotated[tuple[ObjectName, ...], Field(max_length=32)]


class ReportedColumn(WireModel):
    """One column of a source: name, type, and what the scan found."""

    name: ObjectName = Field(description="Its name, to decide what happens to it.")
    type: ObjectName = Field(description="Its type, to offer only masks that fit.")
    base_type: ObjectName | None = Field(
        default=None, description="The type below a domain, where it is one."
    )
    form: TypeForm = Field(default="base", description="What kind of type it is.")
    base_form: TypeForm = Field(default="base", description="What kind of type lies below a domain.")
    length: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        default=None, description="How many characters fit, to offer only masks that fit."
    )
    precision: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="The digits of a number's type."
    )
    scale: Annotated[int, Field(ge=-1000, le=1000)] | None = Field(
        default=None, description="The digits after the point of a number's type."
    )
    traits: tuple[Trait, ...] = Field(
        default=(), max_length=9, description="What its definition says of it, to offer only masks that fit."
    )
    verdict: Literal["personal", "not personal", "undetermined"] = Field(
        description="What the scan says of it, to show what is left to decide."
    )
    kind: KindName | None = Field(default=None, description="The kind of personal data, to suggest a mask.")
    score: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="How sure the scan is.")
    evidence: tuple[EvidenceText, ...] = Field(
        default=(),
        max_length=4,
        description="Why, in the appliance's own words, names and counts: `37 of 40 values look like …`.",
    )


class ReportedKey(WireModel):
    """A foreign key, by names."""

    columns: _Names = Field(description="Its columns, since both ends are masked alike.")
    to_schema: ObjectName = Field(description="The schema that it refers to.")
    to_table: ObjectName = Field(description="The table that it refers to.")
    to_columns: _Names = Field(description="The columns that it refers to.")


class ReportedTable(WireModel):
    """One table of a source; partitions are one table, under their root."""

    schema_name: ObjectName = Field(description="Its schema.")
    name: ObjectName = Field(description="Its name.")
    rows: Count = Field(default=0, description="PostgreSQL's estimate of its rows, to judge its weight.")
    columns: tuple[ReportedColumn, ...] = Field(max_length=MAX_COLUMNS, description="Its columns.")
    primary_key: _Names = Field(default=(), description="The primary key's columns.")
    unique_keys: Annotated[tuple[_Names, ...], Field(max_length=100)] = Field(
        default=(), description="The unique keys' columns, to offer only masks that keep them so."
    )
    foreign_keys: tuple[ReportedKey, ...] = Field(default=(), max_length=200, description="Its foreign keys.")
    partition_key: _Names = Field(default=(), description="What its partitions are made by.")
    unnamed: Count = Field(
        default=0,
        description="How many more columns it has, whose names no event can have: control characters.",
    )
    not_looked_at: EvidenceText | None = Field(
        default=None, description="Why its values were not looked at, in the appliance's own words."
    )


class CatalogReported(WireModel):
    """A part of a source's catalog with the scan's findings. Only with `share_catalog: names`."""

    type: Literal["catalog_reported"] = Field(default="catalog_reported", description="The kind of event.")
    scan_id: Identifier = Field(description="Names the scan, whose parts belong together.")
    connection: ConnectionName = Field(description="The connection that was scanned, by name only.")
    part: int = Field(ge=1, le=MAX_PARTS, description="Which part this is.")
    parts: int = Field(ge=1, le=MAX_PARTS, description="How many there are.")
    tables: tuple[ReportedTable, ...] = Field(
        default=(), max_length=MAX_TABLES_OF_PART, description="The tables of this part."
    )
    tables_total: Count = Field(description="How many tables the source has, where the list had to be cut.")


class UncoveredColumn(WireModel):
    """A column that a workflow neither masks nor keeps."""

    schema_name: ObjectName = Field(description="Its schema.")
    table: ObjectName = Field(description="Its table.")
    column: ObjectName = Field(description="Its name, so that it can be put into the workflow.")
    type: ObjectName = Field(description="Its type, to judge the suggestion.")
    suggestion: Literal["mask", "keep", "decide"] = Field(
        description="What to do with it; `decide` is for a person."
    )
    mask: KindName | None = Field(default=None, description="The mask that is suggested.")
    value: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=40)] | None = Field(
        default=None, description="What a suggested constant stands for: an empty value of the type."
    )


class ColumnsUncovered(WireModel):
    """The columns at which a run was refused, in parts. Only with `share_catalog: names`."""

    type: Literal["columns_uncovered"] = Field(default="columns_uncovered", description="The kind of event.")
    run_id: RunId = Field(description="The run that was refused.")
    workflow: WorkflowId = Field(description="Its workflow, which has to be changed.")
    part: int = Field(ge=1, le=MAX_PARTS, description="Which part this is.")
    parts: int = Field(ge=1, le=MAX_PARTS, description="How many there are.")
    columns: tuple[UncoveredColumn, ...] = Field(max_length=MAX_UNCOVERED, description="The columns.")


class Refused(WireModel):
    """One thing that would stop a run."""

    what: ScrubbedText = Field(description="What is wrong, scrubbed.")
    why: ScrubbedText | None = Field(default=None, description="Why, scrubbed.")
    next_step: ScrubbedText | None = Field(default=None, description="What a person should do, scrubbed.")
    rule: RuleName | None = Field(
        default=None, description="The policy rule that refuses it, where one does."
    )


class PlannedTableBrief(WireModel):
    """One table that a run would copy, by name and size."""

    table: ObjectName = Field(description="The table's name.")
    rows: Count = Field(default=0, description="PostgreSQL's estimate of its rows.")
    bytes: Count = Field(default=0, description="Its size.")
    masked: int = Field(default=0, ge=0, le=2000, description="How many of its columns would be masked.")
    kept: int = Field(default=0, ge=0, le=2000, description="How many of its columns would be kept.")


class LeftOut(WireModel):
    """A kind of thing that the twin would not have."""

    kind: ObjectName = Field(description="The kind: a publication, a foreign table.")
    count: Count = Field(description="How many of it.")


class PlanReported(WireModel):
    """What a run of a workflow would do, asked for by a command. Nothing was copied."""

    type: Literal["plan_reported"] = Field(default="plan_reported", description="The kind of event.")
    command_id: Identifier = Field(description="The dashboard's command that asked for it.")
    workflow: WorkflowId = Field(description="The workflow.")
    digest: Digest = Field(description="Which version of the document was planned.")
    tables: tuple[PlannedTableBrief, ...] = Field(
        default=(), max_length=2000, description="The tables that would be copied."
    )
    tables_total: Count = Field(default=0, description="How many there are, where the list had to be cut.")
    refused: tuple[Refused, ...] = Field(
        default=(), max_length=MAX_REFUSALS, description="What would stop the run; nothing, if it would go."
    )
    uncovered: tuple[UncoveredColumn, ...] = Field(
        default=(),
        max_length=MAX_UNCOVERED_OF_PLAN,
        description="Columns that nothing covers. Only with `share_catalog: names`.",
    )
    uncovered_total: Count = Field(default=0, description="How many nothing covers.")
    left_out: tuple[LeftOut, ...] = Field(
        default=(), max_length=MAX_LEFT_OUT, description="What the twin would not have, by kind."
    )
    warnings: Count = Field(
        default=0, description="How many warnings the plan has; their text stays on the appliance."
    )
