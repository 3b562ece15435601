"""From a subject's table to every table with rows about it: by foreign keys, declared references, columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from appliance.documents.problems import did_you_mean
from appliance.subjects.document import Subject
from appliance.workflow.catalog import Column, ForeignKey, KeyComparison, Table


@dataclass(frozen=True)
class Link:
    """One way from a row to a row of a table nearer to the subject's."""

    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]
    comparisons: tuple[KeyComparison, ...] = ()
    """Of a foreign key."""


@dataclass(frozen=True)
class LinkedTable:
    """A table with rows about subjects."""

    table: Table
    links: tuple[Link, ...]
    """Alternatives; none for the subject's own table."""

    @property
    def name(self) -> str:
        """schema.table."""
        return self.table.qualified

    def column(self, name: str) -> Column:
        """One of its columns."""
        return next(column for column in self.table.columns if column.name == name)


@dataclass(frozen=True)
class Unlinked:
    """A column that is emptied where it refers to a row that goes."""

    table: Table
    link: Link


@dataclass
class Walk:
    """Every listed table, the subject's own first, each after those that it is found through."""

    subject: Subject
    tables: dict[str, LinkedTable] = field(default_factory=dict)
    unlinked: tuple[Unlinked, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong between the document and the catalog, a sentence each."""

    @property
    def root(self) -> LinkedTable:
        """The subject's own table."""
        return self.tables[self.subject.table]

    @property
    def anchors(self) -> tuple[str, ...]:
        """The columns of the subject's own table that rows are found by."""
        linked = [
            link.to_columns[0]
            for each in self.tables.values()
            for link in each.links
            if link.to_table == self.subject.table and len(link.columns) == 1
        ]
        return tuple(dict.fromkeys([self.subject.key, *linked]))

    @property
    def deletion_order(self) -> list[LinkedTable]:
        """Rows that others lead to go last."""
        return list(reversed(self.tables.values()))


def walk(subject: Subject, tables: Iterable[Table]) -> Walk:
    """What the document says, held against a catalog. Pure; look at ``problems`` first."""
    return _Walking(subject, list(tables)).done()


class _Walking:
    def __init__(self, subject: Subject, tables: list[Table]) -> None:
        self.subject = subject
        self.by_name = {table.qualified: table for table in tables}
        self.tables = tables
        self.problems: list[str] = []

    def done(self) -> Walk:
        for name in self.subject.rows:
            if name not in self.by_name:
                close = did_you_mean(name, self.by_name)
                hint = f"; did you mean {close}?" if close else ""
                self.problems.append(f"{name} is not a table of the source{hint}")
        if not self.problems:
            self._check_columns()
        if self.problems:
            return Walk(self.subject, problems=tuple(self.problems))
        links = {name: self._links(name) for name in self.subject.rows}
        order = self._order(links)
        unlinked = self._unlinked()
        if not self.problems:
            self._check_references(links, unlinked)
            self._check_kept(links)
        listed = {name: LinkedTable(self.by_name[name], links[name]) for name in order}
        return Walk(self.subject, listed, unlinked, tuple(self.problems))

    def _check_columns(self) -> None:
        wanted = [(self.subject.table, name) for name in self.subject.finding_columns]
        for table, rows in self.subject.rows.items():
            wanted += [(table, name) for name in (*rows.via, *rows.columns)]
            wanted += [(to.rpartition(".")[0], to.rpartition(".")[2]) for to in rows.via.values()]
        for table, name in dict.fromkeys(wanted):
            if not any(column.name == name for column in self.by_name[table].columns):
                self.problems.append(f"{table} has no column {name}")

    def _keys(self, table: Table) -> list[ForeignKey]:
        """Its own, and where it is partitioned those of its partitions."""
        keys = list(table.foreign_keys)
        for leaf in self.tables:
            if leaf is not table and (table.schema_name, table.name) in leaf.all_names[1:]:
                keys += leaf.foreign_keys
        found = {(key.columns, key.to_name, key.to_columns): key for key in reversed(keys)}
        return list(found.values())

    def _links(self, name: str) -> tuple[Link, ...]:
        rows = self.subject.rows[name]
        if name == self.subject.table:
            return ()
        keys = self._keys(self.by_name[name])
        if rows.via:
            return tuple(self._declared(keys, own, to) for own, to in rows.via.items())
        found = tuple(
            _link(key)
            for key in keys
            if f"{key.to_schema}.{key.to_table}" in self.subject.rows
            and f"{key.to_schema}.{key.to_table}" != name
            and not self._is_unlinked(name, key)
        )
        if not found:
            self.problems.append(
                f"{name} has no foreign key to a listed table: say how its rows are found,"
                f" {name}: {{via: {{column: {self.subject.table}.{self.subject.key}}}}}"
            )
        return found

    def _declared(self, keys: list[ForeignKey], own: str, to: str) -> Link:
        table, _, column = to.rpartition(".")
        for key in keys:
            if (key.columns, f"{key.to_schema}.{key.to_table}", key.to_columns) == ((own,), table, (column,)):
                return _link(key)
        return Link((own,), table, (column,))

    def _is_unlinked(self, name: str, key: ForeignKey) -> bool:
        return len(key.columns) == 1 and f"{name}.{key.columns[0]}" in self.subject.unlink

    def _order(self, links: dict[str, tuple[Link, ...]]) -> list[str]:
        graph = {name: {link.to_table for link in each} for name, each in links.items()}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            around = " → ".join(reversed(error.args[1]))
            self.problems.append(
                f"The ways to the subject go round in a circle: {around}. Give one of these tables a way of"
                " its own with via, or name the column that leads back under unlink"
            )
            return list(links)

    def _unlinked(self) -> tuple[Unlinked, ...]:
        found = []
        for named in self.subject.unlink:
            table_name, _, column = named.rpartition(".")
            table = self.by_name.get(table_name)
            keys = [key for key in self._keys(table) if key.columns == (column,)] if table else []
            keys = [key for key in keys if f"{key.to_schema}.{key.to_table}" in self.subject.rows]
            if table is None or not keys:
                self.problems.append(f"unlink names {named}, which is no foreign key to a listed table")
                continue
            own = next(each for each in table.columns if each.name == column)
            if own.not_null:
                self.problems.append(f"unlink names {named}, which may not be NULL")
            found += [Unlinked(table, _link(key)) for key in keys]
        return tuple(found)

    def _check_kept(self, links: dict[str, tuple[Link, ...]]) -> None:
        """A row that the source keeps cannot refer to one that it deletes."""
        for name, rows in self.subject.rows.items():
            for link in links[name]:
                if rows.do == "delete" or not link.comparisons:
                    continue
                if self.subject.rows[link.to_table].do == "delete":
                    self.problems.append(
                        f"{name} stays in the source ({rows.do}) and refers to {link.to_table}, which says"
                        f" delete: the source would refuse. Mask or keep {link.to_table}, or delete both"
                    )

    def _check_references(self, links: dict[str, tuple[Link, ...]], unlinked: tuple[Unlinked, ...]) -> None:
        """Whatever refers to a row that goes must go too, or be emptied: the database would refuse."""
        for table in self.tables:
            if table.root_name is not None:
                continue
            for key in self._keys(table):
                to, own = f"{key.to_schema}.{key.to_table}", table.qualified
                if to not in self.subject.rows:
                    continue
                link = _link(key)
                known = links.get(own, ())
                if any((each.columns, each.to_table) == (link.columns, to) for each in known):
                    continue
                if any(each.table is table and each.link == link for each in unlinked):
                    continue
                columns = ", ".join(key.columns)
                self.problems.append(
                    f"{own} ({columns}) refers to {to} by the foreign key {key.name}, and nothing says what"
                    f" becomes of its rows: list {own} under rows"
                    + (f", or {own}.{columns} under unlink" if len(key.columns) == 1 else "")
                )


def _link(key: ForeignKey) -> Link:
    return Link(
        key.columns,
        f"{key.to_schema}.{key.to_table}",
        key.to_columns,
        tuple(how for _, _, how in key.compared),
    )
