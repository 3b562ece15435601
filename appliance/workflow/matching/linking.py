"""``subjects`` of a workflow, held against a catalog: which tables have rows of whom, and what is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from appliance.documents.problems import KeyPath, did_you_mean
from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.document import Workflow
from appliance.workflow.linked_subjects import LinkedColumns, LinkedSubject
from appliance.workflow.matching.decisions import SelectedTable
from appliance.workflow.matching.following import Reference
from appliance.workflow.matching.link import Link, Lookup, Way
from appliance.workflow.matching.linked_columns import (
    alike,
    is_folded,
    is_lower_of,
    is_read_through,
    is_unique,
    of_kind,
)
from appliance.workflow.matching.match_problems import MatchProblems
from appliance.workflow.matching.patterns import literal_pattern, parse_pattern

_LOOKED_UP_BY = "text, a whole number or a uuid"


def linked(
    workflow: Workflow,
    selected: Sequence[SelectedTable],
    catalog: Catalog,
    references: Sequence[Reference],
    problems: MatchProblems,
) -> list[SelectedTable]:
    """The same tables, with their links to subjects."""
    if not workflow.subjects:
        return list(selected)
    found: dict[int, list[Link]] = defaultdict(list)
    for name, subject in workflow.subjects.items():
        _Linking(name, subject, selected, catalog, references, problems).into(found)
    return [replace(each, links=tuple(found[each.table.oid])) for each in selected]


class _Linking:
    """One subject."""

    def __init__(  # noqa: PLR0917
        self,
        name: str,
        subject: LinkedSubject,
        selected: Sequence[SelectedTable],
        catalog: Catalog,
        references: Sequence[Reference],
        problems: MatchProblems,
    ) -> None:
        self.name, self.subject, self.selected, self.catalog = name, subject, selected, catalog
        self.references, self.problems = references, problems
        self.path: KeyPath = ("subjects", name)
        schema, table, *_ = parse_pattern(subject.table, 2).names
        self.table_name = (schema, table)

    def into(self, found: dict[int, list[Link]]) -> None:
        """Add its links to those of each table's oid."""
        table = self._own_table()
        key = self._key(table) if table is not None else None
        if table is None or key is None:
            return
        for each in self.selected:
            if is_read_through(each.table, self.table_name, self.subject.keys):
                own = {column.name: column for column in each.table.columns}
                columns = tuple(own[column.name] for column in key)
                unique = self.table_name in each.table.all_names or is_unique(each.table, self.subject.keys)
                link = self._link(self.name, key, Way(columns), self.path)
                found[each.table.oid].append(replace(link, own=True, unique=unique))
        for place, also in enumerate(self.subject.also):
            self._also(table, key, also, (*self.path, "also", place), found)

    def _own_table(self) -> Table | None:
        path = (*self.path, "table")
        table = next((each for each in self.catalog.tables if each.all_names[0] == self.table_name), None)
        if table is None:
            known = [literal_pattern(*each.all_names[0]) for each in self.catalog.tables]
            close = did_you_mean(self.subject.table, known)
            hint = f": did you mean {close}?" if close else " (views hold no rows)"
            self.problems.add(
                path, f"there is no table `{self.subject.table}` in the source", f"a table{hint}"
            )
            return None
        if table.kind == "foreign":
            self.problems.add(path, f"`{self.subject.table}` is a foreign table", "one that has a unique key")
            return None
        return table

    def _key(self, table: Table) -> tuple[Column, ...] | None:
        path = (*self.path, "key")
        known = {column.name: column for column in table.columns}
        for name in self.subject.keys:
            if name not in known:
                self._no_column(path, table, name)
                return None
        if not is_unique(table, self.subject.keys):
            self.problems.add(
                path,
                f"{table.qualified} ({', '.join(self.subject.keys)}) is not unique, so two people could be"
                " taken for one",
                "a primary key, or columns with a unique index that is not partial",
            )
            return None
        return tuple(known[name] for name in self.subject.keys)

    def _also(
        self,
        table: Table,
        key: tuple[Column, ...],
        also: LinkedColumns,
        path: KeyPath,
        found: dict[int, list[Link]],
    ) -> None:
        tables = [
            each.table for each in self.selected if is_read_through(each.table, also.table, also.column_names)
        ]
        if not tables:
            self._no_table(also, path)
            return
        missing = [name for name in also.column_names if name not in {c.name for c in tables[0].columns}]
        if missing:
            self._no_column(path, tables[0], missing[0])
            return
        by = self._by(table, key, tables[0], also, path)
        if by is None:
            return
        for each in tables:
            own = {column.name: column for column in each.columns}
            columns = tuple(own[name] for name in also.column_names)
            if isinstance(by, Lookup):
                lookup, unique = by, not by.folded or is_folded(columns[0])
            else:
                lookup, unique = None, True
                columns = tuple(columns[at] for at in by)
            link = self._link(also.name or self.name, key, Way(columns, lookup), path)
            link = replace(link, unique=unique and is_unique(each, also.column_names))
            self._add(link, found[each.oid])

    def _link(self, name: str, key: tuple[Column, ...], way: Way, path: KeyPath) -> Link:
        return Link(self.name, name, self.table_name, key, path, (way,))

    def _add(self, link: Link, links: list[Link]) -> None:
        """Another way to a subject that the table has already is for rows that the first says nothing of."""
        for place, each in enumerate(links):
            if (each.subject, each.name) == (link.subject, link.name):
                links[place] = replace(each, ways=(*each.ways, *link.ways), unique=False)
                return
        links.append(link)

    def _by(
        self, table: Table, key: tuple[Column, ...], there: Table, also: LinkedColumns, path: KeyPath
    ) -> Lookup | tuple[int, ...] | None:
        """The way: the order in which its columns are those of the key, or a lookup; None with a problem."""
        columns = [next(c for c in there.columns if c.name == name) for name in also.column_names]
        keys = tuple(each.name for each in key)
        leads = self._leads(there, also)
        if len(columns) == len(key) and len(key) > 1:
            order = {other: at for at, other in enumerate(leads)} if set(leads) == set(keys) else {}
            places = tuple(order.get(name, at) for at, name in enumerate(keys))
            for at, column in zip(places, key, strict=True):
                if not self._fits(columns[at], column, path):
                    return None
            return places
        to = self._column_of_subject(table, key, columns[0], leads, also, path)
        if to is None:
            return None
        if (to.name,) == keys:
            return (0,) if self._fits(columns[0], to, path) else None
        return self._lookup(table, to, columns[0], path)

    def _leads(self, there: Table, also: LinkedColumns) -> tuple[str, ...]:
        """The subject's columns to which these refer by a foreign key or ``references``, in their order."""
        for each in there.foreign_keys:
            if each.to_name == self.table_name and set(each.columns) == set(also.column_names):
                to = dict(zip(each.columns, each.to_columns, strict=True))
                return tuple(to[name] for name in also.column_names)
        said = {
            each.column[2]: each.to[2]
            for each in self.references
            if each.to[:2] == self.table_name and each.column[:2] in there.all_names
        }
        return (
            tuple(said[name] for name in also.column_names) if said.keys() >= set(also.column_names) else ()
        )

    def _column_of_subject(  # noqa: PLR0917
        self,
        table: Table,
        key: tuple[Column, ...],
        column: Column,
        leads: tuple[str, ...],
        also: LinkedColumns,
        path: KeyPath,
    ) -> Column | None:
        known = {each.name: each for each in table.columns}
        wanted = also.via or (leads[0] if leads else None)
        if wanted is not None:
            if wanted not in known:
                self._no_column((*path, "via"), table, wanted)
                return None
            return known[wanted]
        alone = key[0] if len(key) == 1 else None
        as_key = alone if alone is not None and alike(column, alone) else None
        named = known.get(column.name)
        if named is not None and (named is alone or as_key is None):
            return named
        if named is None and as_key is not None:
            return as_key
        name = literal_pattern(column.schema_name, column.table_name, column.name)
        if named is not None and as_key is not None:
            what = f"{name} could hold {table.qualified}.{as_key.name}, or {table.qualified}.{named.name}"
        else:
            what = f"it is not known which column of {table.qualified} {name} holds"
        self.problems.add(path, what, f"{{column: {name}, via: …}} with a column of {table.qualified}")
        return None

    def _fits(self, column: Column, key: Column, path: KeyPath) -> bool:
        if alike(column, key):
            return True
        self.problems.add(
            path,
            f"{column.table_name}.{column.name} is of the type {column.type}, and the key"
            f" {key.table_name}.{key.name} of {key.type}: equal values would be drawn from differently",
            "the same type for both (whole numbers may differ in size, text in its limit)",
        )
        return False

    def _lookup(self, table: Table, to: Column, column: Column, path: KeyPath) -> Lookup | None:
        name = f"{table.qualified}.{to.name}"
        lower = any(
            is_lower_of(each, to.name)
            for key in table.special_keys
            for each in key.expressions
            if key.predicate is None and not key.columns and not key.excludes
        )
        # A catalog that was reported does not say what an index on an expression is.
        lower = lower or (not self.catalog.server_version and to.unique_partial)
        if not (is_unique(table, (to.name,)) or lower):
            self.problems.add(
                path,
                f"people would be looked up by {name}, which is not unique: a row could be of several",
                f"a unique index on it, or on lower({to.name}), that is not partial",
            )
        elif of_kind(to) is None or of_kind(to) != of_kind(column):
            self.problems.add(
                path,
                f"{column.table_name}.{column.name} is of the type {column.type}, and {name} of {to.type}",
                f"two that can be compared: {_LOOKED_UP_BY}",
            )
        elif not (to.deterministic and column.deterministic):
            self.problems.add(path, f"{name} is compared by a nondeterministic collation", "another column")
        elif any(above.names == self.table_name for its in self._columns() for above in its.inherited_from):
            self.problems.add(
                path,
                f"other tables INHERIT from {table.qualified}, and {to.name} is unique in each of them alone",
                "a column that holds the key",
            )
        elif table.row_security:
            self.problems.add(
                path,
                f"people would be looked up in {table.qualified}, whose row-level security hides rows from"
                " the role that reads",
                "a role that sees all of its rows",
            )
        elif not table.readable:
            self.problems.add(
                path,
                f"the role that reads may not read {table.qualified}, in which people are looked up",
                f"GRANT SELECT ON {literal_pattern(*self.table_name)} for it",
            )
        else:
            sizes = [each for each in self.catalog.tables if self.table_name in each.all_names]
            return Lookup(
                to,
                folded=is_folded(to) or lower,
                rows=sum(each.estimated_rows for each in sizes),
                bytes=sum(each.bytes for each in sizes),
            )
        return None

    def _columns(self) -> Iterator[Column]:
        return (column for each in self.catalog.tables for column in each.columns)

    def _no_table(self, also: LinkedColumns, path: KeyPath) -> None:
        name = literal_pattern(*also.table)
        if any(is_read_through(each, also.table, also.column_names) for each in self.catalog.tables):
            self.problems.add(path, f"`{name}` is not copied", "a table that is, or no entry for it")
            return
        close = did_you_mean(name, [literal_pattern(*each.table.all_names[0]) for each in self.selected])
        hint = f": did you mean {close}?" if close else ""
        self.problems.add(path, f"there is no table `{name}` in the source", f"a table{hint}")

    def _no_column(self, path: KeyPath, table: Table, name: str) -> None:
        close = did_you_mean(name, [each.name for each in table.columns])
        hint = f": did you mean {close}?" if close else ""
        self.problems.add(path, f"{table.qualified} has no column `{name}`", f"one of its columns{hint}")
