"""Which rows of each table are copied, so that every foreign key still holds among them.

A table's own filter comes from the workflow. A row whose foreign key points to a row that is left out is left
out too, through any number of tables; a NULL in the key points nowhere and keeps the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter

from psycopg import sql

from appliance.postgres.copy_sql import quoted
from appliance.postgres.row_condition_sql import condition_sql
from appliance.workflow.catalog import Column, ForeignKey, Table
from appliance.workflow.document import RowFilter
from appliance.workflow.matching import SelectedTable

Name = tuple[str, str]


@dataclass(frozen=True)
class RowConditions:
    """The outcome, by (schema, table) of the tables that hold rows."""

    where: dict[Name, str]
    """A condition over the table under the alias ``t``; tables of which all rows are copied are not in it."""
    cycle: tuple[str, ...] = ()
    """Tables along foreign keys that lead from a filtered table back to it: no condition can say that."""


def row_conditions(
    selected: Iterable[SelectedTable], all_tables: Iterable[Table], taken_at: datetime
) -> RowConditions:
    """Conditions for all selected tables. ``last_days`` counts back from ``taken_at``. Pure."""
    return _Conditions(list(selected), list(all_tables), taken_at).solve()


def own_condition(table: Table, rows: RowFilter, taken_at: datetime) -> str:
    """The SQL of a workflow's row filter, for the alias ``t``."""
    if rows.where is not None:
        return condition_sql(table, rows.where)
    column = next(column for column in table.columns if column.name == rows.by)
    since = taken_at - timedelta(days=rows.last_days or 0)
    return f"t.{quoted(column.name)} >= {_moment(column, since)}"


def _moment(column: Column, since: datetime) -> str:
    if column.base_type == "date":
        return f"date {_literal(since.date().isoformat())}"
    if column.base_type == "timestamp with time zone":
        return f"timestamptz {_literal(since.isoformat())}"
    return f"timestamp {_literal(since.replace(tzinfo=None).isoformat())}"


def _literal(text: str) -> str:
    return sql.Literal(text).as_string(None)


@dataclass
class _Unit:
    """A table that foreign keys point to: an ordinary one, or a partitioned one with its leaves."""

    name: Name
    leaves: list[SelectedTable] = field(default_factory=list)
    whole: bool = True
    """Every leaf is selected and all have the same filter, so that the root can be asked for all."""

    @property
    def foreign_keys(self) -> list[ForeignKey]:
        return [key for leaf in self.leaves for key in leaf.table.foreign_keys]

    @property
    def filtered(self) -> bool:
        """Has a filter of its own, or lacks leaves."""
        return not self.whole or any(leaf.rows is not None for leaf in self.leaves)


class _Conditions:
    def __init__(self, selected: list[SelectedTable], all_tables: list[Table], taken_at: datetime) -> None:
        self.taken_at = taken_at
        self.units: dict[Name, _Unit] = {}
        for each in selected:
            if each.table.kind != "partitioned":
                name = each.table.all_names[-1]
                self.units.setdefault(name, _Unit(name)).leaves.append(each)
        chosen = {(each.table.schema_name, each.table.name) for each in selected}
        for table in all_tables:
            unit = self.units.get(table.all_names[-1])
            missing = table.kind != "partitioned" and table.all_names[0] not in chosen
            if unit is not None and missing:
                unit.whole = False
        for unit in self.units.values():
            unit.whole = unit.whole and all(leaf.rows == unit.leaves[0].rows for leaf in unit.leaves)
        self.filtered = self._closure()
        self.conditions: dict[Name, str] = {}

    def solve(self) -> RowConditions:
        edges = {
            name: {_points_to(key) for key in self.units[name].foreign_keys} & self.filtered - {name}
            for name in self.filtered
        }
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            return RowConditions({}, tuple(".".join(name) for name in reversed(error.args[1])))
        conditions = {
            leaf.table.all_names[0]: self._condition(leaf)
            for name in self.filtered
            for leaf in self.units[name].leaves
        }
        return RowConditions({name: condition for name, condition in conditions.items() if condition})

    def _closure(self) -> set[Name]:
        """Filtered units, and those that point to one, however far."""
        pointing: dict[Name, set[Name]] = defaultdict(set)
        for name, unit in self.units.items():
            for key in unit.foreign_keys:
                pointing[_points_to(key)].add(name)
        found = [name for name, unit in self.units.items() if unit.filtered]
        seen = set(found)
        for name in found:
            further = pointing[name] - seen
            seen |= further
            found.extend(further)
        return seen

    def _condition(self, leaf: SelectedTable) -> str:
        """What a row of this leaf must satisfy; empty for anything."""
        name = leaf.table.all_names[0]
        if name not in self.conditions:
            base = self._base_condition(leaf)
            parts = [base] if base else []
            for key in leaf.table.foreign_keys:
                if _points_to(key) == leaf.table.all_names[-1]:
                    parts += self._not_below_a_lost_row(leaf, key)
            self.conditions[name] = " AND ".join(parts)
        return self.conditions[name]

    def _base_condition(self, leaf: SelectedTable) -> str:
        """Its own filter, and its foreign keys to other tables."""
        table = leaf.table
        parts = [own_condition(table, leaf.rows, self.taken_at)] if leaf.rows is not None else []
        for key in table.foreign_keys:
            parent = _points_to(key)
            if parent in self.units and parent in self.filtered and parent != table.all_names[-1]:
                parts.append(self._points_to_kept(table, key, parent))
        return " AND ".join(parts)

    def _points_to_kept(self, table: Table, key: ForeignKey, parent: Name) -> str:
        nullable = [
            column.name for column in table.columns if column.name in key.columns and not column.not_null
        ]
        empty = [f"t.{quoted(name)} IS NULL" for name in nullable]
        pairs = [
            f"k.{quoted(there)} = t.{quoted(here)}"
            for here, there in zip(key.columns, key.to_columns, strict=True)
        ]
        kept = self._kept_rows(parent, key.to_columns)
        exists = f"EXISTS (SELECT FROM ({kept}) AS k WHERE {' AND '.join(pairs)})"
        return f"({' OR '.join([*empty, exists])})"

    def _kept_rows(self, name: Name, columns: tuple[str, ...]) -> str:
        """A query of some columns of the unit's rows that are copied."""
        unit = self.units[name]
        shown = ", ".join(f"t.{quoted(column)}" for column in columns)
        conditions = {leaf.table.all_names[0]: self._condition(leaf) for leaf in unit.leaves}
        if unit.whole and len(conditions) > 1 and len(set(conditions.values())) == 1:
            conditions = {name: next(iter(conditions.values()))}
        only = "ONLY " if name not in conditions or len(unit.leaves) == 1 else ""
        return " UNION ALL ".join(
            f"SELECT {shown} FROM {only}{quoted(*each)} AS t{f' WHERE {condition}' if condition else ''}"  # noqa: S608
            for each, condition in conditions.items()
        )

    def _not_below_a_lost_row(self, leaf: SelectedTable, key: ForeignKey) -> list[str]:
        """For a key into the same table: no row above this one, at any height, is left out."""
        unit = self.units[leaf.table.all_names[-1]]
        shown = ", ".join(f"t.{quoted(column)}" for column in key.to_columns)
        own = ", ".join(f"t.{quoted(column)}" for column in key.columns)
        names = ", ".join(quoted(column) for column in key.to_columns)
        lost = [
            f"SELECT {shown} FROM ONLY {quoted(*each.table.all_names[0])} AS t WHERE ({base}) IS NOT TRUE"  # noqa: S608
            for each in unit.leaves
            if (base := self._base_condition(each))
        ]
        if not lost:
            return []
        above = " AND ".join(
            f"lost.{quoted(there)} = t.{quoted(here)}"
            for here, there in zip(key.columns, key.to_columns, strict=True)
        )
        only = "ONLY " if unit.leaves[0].table.all_names[0] == unit.name else ""
        query = (
            f"WITH RECURSIVE lost ({names}) AS (({' UNION ALL '.join(lost)}) UNION"  # noqa: S608
            f" SELECT {shown} FROM {only}{quoted(*unit.name)} AS t JOIN lost ON {above})"
            f" SELECT * FROM lost WHERE ({names}) IS NOT NULL"
        )
        empty = [f"t.{quoted(column)} IS NULL" for column in key.columns]
        return [f"({' OR '.join(empty)} OR ({own}) NOT IN ({query}))"]


def _points_to(key: ForeignKey) -> Name:
    return (key.to_schema, key.to_table)
