"""Which rows of each table are copied, so that every foreign key still holds among them.

A table's own filter comes from the workflow. A row whose foreign key points to a row that is left out is left
out too, through any number of tables; a NULL in the key points nowhere and keeps the row. Values are compared
as the constraint itself compares them: with its operator, and the collation of what it refers to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter

from psycopg import sql

from appliance.postgres.copying.copy_sql import only
from appliance.postgres.identifiers import quoted
from appliance.postgres.planning.row_condition_sql import condition_sql
from appliance.workflow.catalog import Column, ForeignKey, Table
from appliance.workflow.matching.rules import SelectedTable
from appliance.workflow.row_filter import RowFilter

Name = tuple[str, str]


@dataclass(frozen=True)
class RowConditions:
    """The outcome, by (schema, table) of the tables that hold rows."""

    where: dict[Name, str]
    """A condition over the table under the alias ``t``; tables of which all rows are copied are not in it."""
    cycle: tuple[str, ...] = ()
    """Tables along foreign keys that lead from a filtered table back to it: no condition can say that."""
    unfollowed: tuple[str, ...] = ()
    """Foreign keys that would have to be followed and must not or cannot be, a sentence each."""


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
    """What a foreign key can point to: a table, or a partitioned one at any level with its leaves."""

    name: Name
    leaves: list[SelectedTable] = field(default_factory=list)
    missing: bool = False
    """It has leaves that are not selected."""

    @property
    def whole(self) -> bool:
        """Every leaf is selected and all have the same filter, so that the root can be asked for all."""
        return not self.missing and all(leaf.rows == self.leaves[0].rows for leaf in self.leaves)

    @property
    def leaf_names(self) -> set[Name]:
        return {_name(leaf) for leaf in self.leaves}

    @property
    def filtered(self) -> bool:
        """Has a filter of its own, or lacks leaves."""
        return self.missing or any(leaf.rows is not None for leaf in self.leaves)


class _Conditions:
    def __init__(self, selected: list[SelectedTable], all_tables: list[Table], taken_at: datetime) -> None:
        self.taken_at = taken_at
        self.leaves = {_name(each): each for each in selected if each.table.kind != "partitioned"}
        self.units: dict[Name, _Unit] = {}
        for each in self.leaves.values():
            for name in each.table.all_names:
                self.units.setdefault(name, _Unit(name)).leaves.append(each)
        for table in all_tables:
            if table.kind != "partitioned" and table.all_names[0] not in self.leaves:
                for name in table.all_names[1:]:
                    if name in self.units:
                        self.units[name].missing = True
        self.names = {name: unit.leaf_names for name, unit in self.units.items()}
        self.filtered = self._closure()
        self.conditions: dict[Name, str] = {}
        self.base_conditions: dict[Name, str] = {}

    def solve(self) -> RowConditions:
        affected = [name for name in self.leaves if name in self.filtered]
        edges: dict[tuple[str, Name], set[tuple[str, Name]]] = {}
        for name in affected:
            edges["leaf", name] = {("unit", key.to_name) for key in self._depends_on(name)}
        for name in self.filtered & self.units.keys():
            edges["unit", name] = {("leaf", leaf) for leaf in self.names[name]}
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            around = dict.fromkeys(".".join(name) for _, name in reversed(error.args[1]))
            return RowConditions({}, (*around, next(iter(around))))
        unfollowed = dict.fromkeys(
            problem
            for name in affected
            for key in [*self._followed(name), *self._self_keys(name)]
            if (problem := unfollowed_problem(self.leaves[name].table, key))
        )
        for name in affected:
            if len({key.to_name for key in self._self_keys(name)}) > 1:
                what = f"{'.'.join(name)}: its foreign keys lead back to it on several levels of partitions"
                unfollowed[what] = None
        if unfollowed:
            return RowConditions({}, unfollowed=tuple(unfollowed))
        conditions = {name: self._condition(name) for name in affected}
        return RowConditions({name: condition for name, condition in conditions.items() if condition})

    def _closure(self) -> set[Name]:
        """Filtered units, what points to one of them, however far, and the units that this is part of."""
        pointing: dict[Name, set[Name]] = {}
        for name, leaf in self.leaves.items():
            for key in leaf.table.foreign_keys:
                pointing.setdefault(key.to_name, set()).add(name)
        seen: set[Name] = set()
        found = [name for name, unit in self.units.items() if unit.filtered]
        while found:
            name = found.pop()
            if name not in seen:
                seen.add(name)
                above = self.leaves[name].table.all_names if name in self.leaves else ()
                found += [*above, *pointing.get(name, ())]
        # A leaf without a filter of its own is not filtered because another leaf of its root is.
        return seen

    def _self_keys(self, name: Name) -> list[ForeignKey]:
        """Keys that lead back into what the leaf is a part of, where rows can be lost at all."""
        keys = self.leaves[name].table.foreign_keys
        return [
            key for key in keys if name in self.names.get(key.to_name, ()) and key.to_name in self.filtered
        ]

    def _followed(self, name: Name) -> list[ForeignKey]:
        """Keys to other tables of which rows are left out."""
        keys = self.leaves[name].table.foreign_keys
        return [
            key
            for key in keys
            if key.to_name in self.filtered and name not in self.names.get(key.to_name, ())
        ]

    def _depends_on(self, name: Name) -> list[ForeignKey]:
        """The keys that decide about a leaf's rows: its own, and its siblings' where one leads back."""
        siblings = {each for key in self._self_keys(name) for each in self.names[key.to_name]}
        return [key for each in sorted({name, *siblings}) for key in self._followed(each)]

    def _condition(self, name: Name) -> str:
        """What a row of this leaf must satisfy; empty for anything."""
        if name not in self.conditions:
            base = self._base_condition(name)
            parts = [base] if base else []
            roots = dict.fromkeys(key.to_name for key in self._self_keys(name))
            for root in roots:
                parts += self._not_below_a_lost_row(name, root)
            self.conditions[name] = " AND ".join(parts)
        return self.conditions[name]

    def _base_condition(self, name: Name) -> str:
        """Its own filter, and its foreign keys to other tables."""
        if name not in self.base_conditions:
            leaf = self.leaves[name]
            parts = [own_condition(leaf.table, leaf.rows, self.taken_at)] if leaf.rows is not None else []
            parts += [self._points_to_kept(key) for key in self._followed(name)]
            parts += [
                self._points_to_selected(key)
                for key in self._self_keys(name)
                if self.units[key.to_name].missing
            ]
            self.base_conditions[name] = " AND ".join(parts)
        return self.base_conditions[name]

    def _points_to_kept(self, key: ForeignKey) -> str:
        return _null_or(
            key, f"EXISTS (SELECT FROM ({self._kept_rows(key)}) AS k WHERE {_matches(key, 'k', 't')})"
        )

    def _points_to_selected(self, key: ForeignKey) -> str:
        """For a key into the same table, of which not all partitions are selected."""
        shown = _columns("s", key.to_columns)
        leaves = [f"{self._only(each)}{quoted(*each)} AS s" for each in self._leaves_of(key)]
        rows = " UNION ALL ".join(f"SELECT {shown} FROM {leaf}" for leaf in leaves)  # noqa: S608
        return _null_or(key, f"EXISTS (SELECT FROM ({rows}) AS k WHERE {_matches(key, 'k', 't')})")

    def _only(self, name: Name) -> str:
        return only(self.leaves[name].table) if name in self.leaves else ""

    def _leaves_of(self, key: ForeignKey) -> list[Name]:
        return [_name(leaf) for leaf in self.units[key.to_name].leaves]

    def _kept_rows(self, key: ForeignKey) -> str:
        """A query of the columns that the key refers to, in the rows that are copied."""
        unit, shown = self.units[key.to_name], _columns("t", key.to_columns)
        conditions = {name: self._condition(name) for name in self._leaves_of(key)}
        if unit.whole and len(conditions) > 1 and len(set(conditions.values())) == 1:
            conditions = {unit.name: next(iter(conditions.values()))}
        return " UNION ALL ".join(
            f"SELECT {shown} FROM {self._only(name)}{quoted(*name)} AS t"  # noqa: S608
            f"{f' WHERE {condition}' if condition else ''}"
            for name, condition in conditions.items()
        )

    def _not_below_a_lost_row(self, name: Name, root: Name) -> list[str]:
        """For keys into the same table: no row above this one, at any height and by any of them, is lost."""
        leaves = [_name(leaf) for leaf in self.units[root].leaves]
        keys = {each: [key for key in self._self_keys(each) if key.to_name == root] for each in leaves}
        every = [key for each in leaves for key in keys[each]]
        names = list(dict.fromkeys(column for key in every for column in key.to_columns))
        shown = _columns("t", names)
        lost = [
            f"SELECT {shown} FROM {self._only(each)}{quoted(*each)} AS t WHERE ({base}) IS NOT TRUE"  # noqa: S608
            for each in leaves
            if (base := self._base_condition(each))
        ]
        if not lost:
            return []
        # One way for each key: the recursion may name what it grows from only once.
        below = [
            f"SELECT {shown} FROM {self._only(each)}{quoted(*each)} AS t"  # noqa: S608
            f" JOIN step ON {_matches(key, 'step', 't')}"
            for each in leaves
            for key in keys[each]
        ]
        listed = ", ".join(quoted(column) for column in names)
        query = (
            f"WITH RECURSIVE lost ({listed}) AS (({' UNION ALL '.join(lost)}) UNION"  # noqa: S608
            f" (WITH step AS MATERIALIZED (SELECT * FROM lost) {' UNION ALL '.join(below)}))"
            " SELECT * FROM lost"
        )
        # NULL in the key matches nothing, and keeps the row.
        return [
            f"NOT EXISTS (SELECT FROM ({query}) AS lost WHERE {_matches(key, 'lost', 't')})"
            for key in keys[name]
        ]


def unfollowed_problem(table: Table, key: ForeignKey) -> str | None:
    """Why a foreign key is not followed by a query of ours; None if it may be."""
    what = f"{'.'.join(table.all_names[-1])}: foreign key {key.name}"
    if key.period:
        return f"{what} compares periods, which a row filter cannot follow"
    if not all(each.trusted for each in key.comparisons):
        return f"{what} compares with an operator or a cast that a user of the source has made and may change"
    return None


def _matches(key: ForeignKey, there: str, here: str) -> str:
    """The constraint's own comparison, over two aliases."""
    return " AND ".join(
        f"{_operand(there, to, each.to_type)}{f' COLLATE {each.collation}' if each.collation else ''}"
        f" {each.operator} {_operand(here, own, each.own_type)}"
        for own, to, each in key.compared
    )


def _operand(alias: str, column: str, type_name: str | None) -> str:
    """A column as the very type that the operator takes, so that no other one of its name fits better."""
    named = f"{alias}.{quoted(column)}"
    return named if type_name is None else f"({named})::{type_name}"


def _null_or(key: ForeignKey, condition: str) -> str:
    nullable = key.columns if key.nullable is None else key.nullable
    return f"({' OR '.join([*(f't.{quoted(name)} IS NULL' for name in nullable), condition])})"


def _columns(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


def _name(selected: SelectedTable) -> Name:
    return selected.table.all_names[0]
