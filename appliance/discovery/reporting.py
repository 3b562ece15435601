"""A source's catalog and what a scan found, as the dashboard may be shown them; and back again there.

Names, types, keys, words, kinds, scores and counts. What a document's keys are called is left out of the
evidence, for a key may be data.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.contract.catalog import (
    COLUMNS_A_PART,
    MAX_COLUMNS,
    MAX_PARTS,
    MAX_TABLES_OF_PART,
    ReportedColumn,
    ReportedKey,
    ReportedTable,
    Trait,
)
from appliance.discovery.findings import Finding, Scan
from appliance.masking.suggesting.kinds import SPOKEN, PersonalKind
from appliance.workflow.catalog import Catalog, Column, ForeignKey, Table

_PATH = re.compile(r"^(\d+ of \d+ (?:values look like|texts hold) .+?) at .*$", re.DOTALL)
"""The end of an evidence that says where in a document it was found."""
_LONGEST_EVIDENCE = 160
_TRAITS: dict[Trait, str] = {
    "not_null": "not_null",
    "generated": "generated",
    "identity": "identity",
    "counted": "from_sequence",
    "unique": "unique_alone",
    "partly_unique": "unique_partial",
    "domain_check": "domain_has_check",
}
"""By the column's field that is true."""
CHECK = "a CHECK constraint"
"""Stands where the constraint's own name would: it is not reported."""


class ScannedSource(BaseModel):
    """What a scan leaves to be reported: ``scan.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[ReportedTable, ...]
    tables_total: int


def reported(catalog: Catalog, scan: Scan) -> ScannedSource:
    """Every table that the scan looked at. One whose name does not fit the contract is only counted, and so
    are such columns."""
    found: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in scan.findings:
        found[finding.schema_name, finding.table_name].append(finding)
    missed = {(each.schema_name, each.table_name): each.why for each in scan.not_looked_at}
    tables: dict[tuple[str, str], ReportedTable] = {}
    rows: dict[tuple[str, str], int] = defaultdict(int)
    members = _by_root(catalog)
    for root, findings in found.items():
        for member in members[root]:
            rows[root] += max(0, member.estimated_rows)
        leaf = next((each for each in members[root] if each.kind != "partitioned"), members[root][0])
        table = _table(root, leaf, members[root], findings, rows[root], missed.get(root))
        if table is not None:
            tables[root] = table
    return ScannedSource(tables=tuple(tables.values()), tables_total=len(found))


def parts_of(tables: Sequence[ReportedTable]) -> list[tuple[ReportedTable, ...]]:
    """The tables in parts of a bounded size, at most as many as may be sent; one at least."""
    parts: list[list[ReportedTable]] = [[]]
    columns = 0
    for table in tables:
        if parts[-1] and (
            columns + len(table.columns) > COLUMNS_A_PART or len(parts[-1]) >= MAX_TABLES_OF_PART
        ):
            if len(parts) == MAX_PARTS:
                break
            parts.append([])
            columns = 0
        parts[-1].append(table)
        columns += len(table.columns)
    return [tuple(part) for part in parts]


def catalog_of(tables: Iterable[ReportedTable]) -> Catalog:
    """The reported tables as the planner's own model, as far as they say."""
    made = tuple(_as_table(number, table) for number, table in enumerate(tables, 1))
    return Catalog(
        server_version=0,
        database="",
        encoding="UTF8",
        locale_provider="libc",
        collate="C",
        ctype="C",
        tables=made,
    )


def findings_of(tables: Iterable[ReportedTable]) -> list[Finding]:
    """What the scan said of each column. A kind that this release does not know counts as undetermined."""
    return [
        Finding(
            schema_name=table.schema_name,
            table_name=table.name,
            column=column.name,
            type=column.type,
            verdict="undetermined" if _unknown(column) else column.verdict,
            kind=None if _unknown(column) else _kind(column),
            score=column.score,
            evidence=column.evidence,
        )
        for table in tables
        for column in table.columns
    ]


def _unknown(column: ReportedColumn) -> bool:
    return column.verdict == "personal" and _kind(column) is None


def _kind(column: ReportedColumn) -> PersonalKind | None:
    return next((kind for kind in SPOKEN if kind == column.kind), None)


def _by_root(catalog: Catalog) -> Mapping[tuple[str, str], list[Table]]:
    members: dict[tuple[str, str], list[Table]] = defaultdict(list)
    for table in catalog.tables:
        members[table.all_names[-1]].append(table)
    return members


def _table(  # noqa: PLR0917
    root: tuple[str, str],
    table: Table,
    members: Sequence[Table],
    findings: Sequence[Finding],
    rows: int,
    missed: str | None,
) -> ReportedTable | None:
    said = {finding.column: finding for finding in findings}
    columns = [
        made
        for column in table.columns[:MAX_COLUMNS]
        if column.name in said and (made := _column(column, said[column.name])) is not None
    ]
    names = {column.name for column in columns}
    top = next((each for each in members if (each.schema_name, each.name) == root), table)
    try:
        return ReportedTable(
            schema_name=root[0],
            name=root[1],
            rows=rows,
            columns=tuple(columns),
            primary_key=_known(table.primary_key, names),
            unique_keys=tuple(
                key for key in (_known(each, names) for each in table.unique_keys[:100]) if key
            ),
            foreign_keys=tuple(_keys({*table.foreign_keys, *top.foreign_keys}, names)),
            partition_key=_known(table.partition_key, names),
            unnamed=len(table.columns) - len(columns),
            not_looked_at=missed[:_LONGEST_EVIDENCE] if missed else None,
        )
    except ValidationError:
        return None


def _known(columns: Sequence[str], names: set[str]) -> tuple[str, ...]:
    """A key, if all of its columns are reported; one of more than an event may hold is left out."""
    return tuple(columns) if set(columns) <= names and len(columns) <= 32 else ()


def _keys(keys: Iterable[ForeignKey], names: set[str]) -> Iterator[ReportedKey]:
    for key in sorted(keys, key=lambda each: each.name)[:200]:
        if set(key.columns) <= names:
            try:
                yield ReportedKey(
                    columns=key.columns,
                    to_schema=key.to_schema,
                    to_table=key.to_table,
                    to_columns=key.to_columns,
                )
            except ValidationError:
                continue


def _column(column: Column, finding: Finding) -> ReportedColumn | None:
    traits = [trait for trait, name in _TRAITS.items() if getattr(column, name)]
    if column.check_constraints:
        traits.append("table_check")
    if not column.deterministic:
        traits.append("own_collation")
    try:
        return ReportedColumn(
            name=column.name,
            type=column.type,
            base_type=column.base_type if column.base_type != column.type else None,
            form=column.type_kind,
            base_form=column.base_kind,
            length=column.type_modifier_length,
            precision=column.numeric_precision,
            scale=column.numeric_scale,
            traits=tuple(traits),
            verdict=finding.verdict,
            kind=finding.kind,
            score=finding.score,
            evidence=tuple(_without_path(text) for text in finding.evidence[:4]),
        )
    except ValidationError:
        return None


def _without_path(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return _PATH.sub(r"\1", shown)[:_LONGEST_EVIDENCE]


def _as_table(number: int, table: ReportedTable) -> Table:
    return Table(
        schema_name=table.schema_name,
        name=table.name,
        oid=number,
        kind="table",
        columns=tuple(
            _as_column(table, position, column) for position, column in enumerate(table.columns, 1)
        ),
        primary_key=table.primary_key,
        unique_keys=table.unique_keys,
        foreign_keys=tuple(
            ForeignKey(
                name=f"{table.name}_{place}",
                columns=key.columns,
                to_schema=key.to_schema,
                to_table=key.to_table,
                to_columns=key.to_columns,
            )
            for place, key in enumerate(table.foreign_keys, 1)
            if len(key.columns) == len(key.to_columns)
        ),
        partition_key=table.partition_key,
        estimated_rows=table.rows,
    )


def _as_column(table: ReportedTable, position: int, column: ReportedColumn) -> Column:
    flags = {name: trait in column.traits for trait, name in _TRAITS.items()}
    return Column.model_validate(
        {
            "schema_name": table.schema_name,
            "table_name": table.name,
            "name": column.name,
            "position": position,
            "type": column.type,
            "base_type": column.base_type or column.type,
            "type_kind": column.form,
            "base_kind": column.base_form,
            "type_modifier_length": column.length,
            "numeric_precision": column.precision,
            "numeric_scale": column.scale,
            "check_constraints": (CHECK,) if "table_check" in column.traits else (),
            "deterministic": "own_collation" not in column.traits,
            **flags,
        }
    )
