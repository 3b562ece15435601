"""How a subject's rows are found in a copy: by its plan, which says what became of every column. Pure.

A column that was kept, or masked by a keyed function that keeps different values different, still shows the
subject's rows from all others: the mask of the subject's own value is computed on the source. Where a link
was masked in another way, the source's own rows about the subject say by their keys which rows of the copy
they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from appliance.masking.compiled import CompiledColumn
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.plan import Plan, PlannedTable
from appliance.subjects.walk import Link, LinkedTable, Unlinked, Walk
from appliance.workflow.catalog import Table

Way = Literal["linked", "by key"]
ColumnKey = tuple[str, str]
"""A table's qualified name, and a column."""


@dataclass
class Ways:
    """For each listed table that the copy has: how its rows are found, or why they are not."""

    found: dict[str, Way] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    anchors: dict[ColumnKey, tuple[str, CompiledColumn]] = field(default_factory=dict)
    """Columns that hold a value of the subject's own row: which one, and what became of it."""
    keys: dict[str, tuple[CompiledColumn, ...]] = field(default_factory=dict)
    """For tables found by key: the columns of the key."""
    unlinked: tuple[Unlinked, ...] = ()
    own: tuple[str, ...] = ()
    """The columns by which the subject's own row is found."""


def ways(walked: Walk, plan: Plan, known: Collection[str]) -> Ways:
    """Decide it for every listed table. ``known`` are the columns whose value for the subject is known."""
    found = Ways(own=(walked.subject.key,) if walked.subject.key in known else tuple(known))
    for table in walked.tables.values():
        planned = planned_as(plan, table.table)
        if planned:
            _decide(walked, plan, table, planned, found)
    found.unlinked = tuple(
        each for each in walked.unlinked if planned_as(plan, each.table) and each.link.to_table in found.found
    )
    return found


def planned_as(plan: Plan, table: Table) -> list[PlannedTable]:
    """The tables of a copy that hold its rows: itself, or its partitions."""
    name = (table.schema_name, table.name)
    return [
        each
        for each in plan.tables
        if (each.schema_name, each.name) == name
        or (each.root is not None and (each.root.schema_name, each.root.name) == name)
    ]


def _decide(walked: Walk, plan: Plan, table: LinkedTable, planned: list[PlannedTable], found: Ways) -> None:
    anchors: dict[ColumnKey, tuple[str, CompiledColumn]] = {}
    fits = True
    for link in table.links or tuple(Link((name,), table.name, (name,)) for name in found.own):
        if link.to_table == walked.subject.table and len(link.columns) == 1:
            column = _column(planned, link.columns[0])
            fits = fits and column is not None and _follows_value(column)
            if column is not None:
                anchors[table.name, column.name] = (link.to_columns[0], column)
        else:
            fits = fits and link.to_table in found.found and _alike(walked, plan, planned, link)
    if fits:
        found.found[table.name] = "linked"
        found.anchors |= anchors
        return
    key = _key(planned)
    if key:
        found.found[table.name] = "by key"
        found.keys[table.name] = key
        return
    found.lost[table.name] = (
        f"{table.name}: neither its link to the subject nor a key of it can be followed through its masks"
    )


def _column(planned: list[PlannedTable], name: str) -> CompiledColumn | None:
    """The same in all partitions, or None."""
    columns = [column for each in planned for column in each.columns if column.name == name]
    if len(columns) != len(planned) or len({column.sql for column in columns}) != 1:
        return None
    return columns[0]


def _tells_apart(column: CompiledColumn) -> bool:
    return column.mask is None or (column.preserves_distinct and not column.facets)


def _follows_value(column: CompiledColumn) -> bool:
    """Such as the source can say of a value alone: what is drawn from a row's subject needs the row."""
    return _tells_apart(column) and not column.subjects


def _key(planned: list[PlannedTable]) -> tuple[CompiledColumn, ...]:
    columns = [_column(planned, name) for name in planned[0].row_key]
    usable = [column for column in columns if column is not None and _tells_apart(column)]
    return tuple(usable) if columns and len(usable) == len(columns) else ()


def _alike(walked: Walk, plan: Plan, planned: list[PlannedTable], link: Link) -> bool:
    """Both ends of a link come out the same."""
    there = planned_as(plan, walked.tables[link.to_table].table)
    for own, other in zip(link.columns, link.to_columns, strict=True):
        here, to = _column(planned, own), _column(there, other)
        if here is None or to is None or _recipe(here) != _recipe(to) or not _follows_value(here):
            return False
    return True


def _recipe(column: CompiledColumn) -> str:
    return column.sql.replace(identifier(column.name), '"v"') if column.mask is not None else ""
