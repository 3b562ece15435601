"""Which columns hold the same data under other names, so that what is forbidden of one is of all.

Partitions and the tables above them; tables that inherit; both ends of a foreign key; a view's column and
that of its name in the tables which the view reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.workflow.catalog import Catalog, ColumnName, Table, ViewColumn
from appliance.workflow.matching.folded_patterns import FoldedPattern, folded


class SameData:
    """Columns in groups; a pattern that matches one of a group holds for all of it."""

    def __init__(self, tables: Iterable[Table], view_columns: Iterable[ViewColumn] = ()) -> None:
        self._above: dict[ColumnName, ColumnName] = {}
        for table in tables:
            own = table.all_names[0]
            for column in table.columns:
                for names in table.family(column):
                    self._join((*own, column.name), (*names, column.name))
            for key in table.foreign_keys:
                for here, there in zip(key.columns, key.to_columns, strict=False):
                    self._join((*own, here), (key.to_schema, key.to_table, there))
        for shown in view_columns:
            self._root(shown.names)
            for read in shown.reads:
                if folded(read[2]) == folded(shown.name):
                    self._join(shown.names, read)

    @classmethod
    def of(cls, catalog: Catalog) -> SameData:
        """That of a whole source."""
        return cls(catalog.tables, catalog.view_columns)

    def protected_by(self, patterns: Sequence[FoldedPattern]) -> dict[ColumnName, str]:
        """For each column of which a pattern holds, the first such pattern's text."""
        about: dict[str, list[FoldedPattern]] = {}
        groups: dict[ColumnName, tuple[int, str]] = {}
        order = {pattern.text: place for place, pattern in enumerate(patterns)}
        for names in list(self._above):
            candidates = about.get(names[2])
            if candidates is None:
                candidates = [pattern for pattern in patterns if pattern.matches_column(names[2])]
                about[names[2]] = candidates
            for pattern in candidates:
                if pattern.matches_table(names[:2]):
                    found = (order[pattern.text], pattern.text)
                    group = self._root(names)
                    groups[group] = min(found, groups.get(group, found))
                    break
        return {
            names: groups[group][1] for names in list(self._above) if (group := self._root(names)) in groups
        }

    def _root(self, names: ColumnName) -> ColumnName:
        above = self._above.setdefault(names, names)
        while above != names:
            self._above[names] = self._above[above]
            names, above = above, self._above[above]
        return names

    def _join(self, one: ColumnName, other: ColumnName) -> None:
        first, second = self._root(one), self._root(other)
        if first != second:
            self._above[second] = first
