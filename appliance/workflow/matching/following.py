"""A mask on a column that others refer to is theirs too: by foreign keys, and by what the document says.

What a rule of its own decides stays: another mask, or the column kept by its own name, is then a problem of
the reference, which is looked at where masks are compiled. A pattern with wildcards under ``keep``, and
``unlisted``, give way; so does what a preset decides to what the workflow itself says, or an earlier preset.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.documents.problems import KeyPath, did_you_mean
from appliance.workflow.catalog import Catalog, ColumnName
from appliance.workflow.document import WHEN
from appliance.workflow.matching.decisions import (
    Decision,
    Keep,
    Rule,
    SelectedTable,
    Uncovered,
    layer_of,
)
from appliance.workflow.matching.match_problems import MatchProblems
from appliance.workflow.matching.patterns import literal_pattern, parse_pattern
from appliance.workflow.matching.written_patterns import WrittenPattern


@dataclass(frozen=True)
class Reference:
    """A column that holds another one's values, by the document's word. By its table's own name."""

    column: ColumnName
    to: ColumnName
    path: KeyPath
    """Where the document says so."""


def declared_references(
    written: Sequence[WrittenPattern],
    selected: Iterable[SelectedTable],
    catalog: Catalog,
    problems: MatchProblems,
) -> tuple[Reference, ...]:
    """What ``references`` comes to in the tables that are copied."""
    selected = list(selected)
    known = {
        (*name, column.name)
        for each in selected
        for name in each.table.all_names
        for column in each.table.columns
    }
    found: list[Reference] = []
    for each in written:
        schema, table, column = parse_pattern(each.to, 3).names
        target = (schema, table, column)
        if target not in known:
            _unknown_target(each, catalog, problems)
            each.matched = True
            continue
        for one in selected:
            if each.rank(one.table) is None:
                continue
            names = [its.name for its in one.table.columns if each.matches_column(its.name)]
            each.matched |= bool(names)
            own = one.table.all_names
            found += [
                Reference((*own[0], name), target, each.path)
                for name in names
                if not (name == column and (schema, table) in own)
            ]
    _circles(found, problems)
    return tuple(dict.fromkeys(found))


def followed(
    selected: Sequence[SelectedTable], references: Sequence[Reference], problems: MatchProblems
) -> list[SelectedTable]:
    """The same tables, with the masks of what their columns refer to."""
    following = _Following(selected, references, problems)
    return [
        replace(
            each,
            columns=tuple(
                (column, following.decision((*each.table.all_names[0], column.name)))
                for column, _ in each.columns
            ),
        )
        for each in selected
    ]


class _Following:
    """Masks go from the columns that have them to those that refer to these, the nearest first."""

    def __init__(
        self, selected: Sequence[SelectedTable], references: Sequence[Reference], problems: MatchProblems
    ) -> None:
        self._problems = problems
        self._decisions: dict[ColumnName, Decision] = {}
        self._above: dict[tuple[str, str], tuple[str, str]] = {}
        """The own name of the table that stands for each name."""
        for each in selected:
            for name in (each.table.all_names[0], each.table.all_names[-1]):
                self._above.setdefault(name, each.table.all_names[0])
            for its, decision in each.columns:
                self._decisions[(*each.table.all_names[0], its.name)] = decision
        self._referring: dict[ColumnName, list[ColumnName]] = defaultdict(list)
        for column, referred in self._references(selected, references).items():
            for to in referred:
                self._referring[to].append(column)
        self._settled: dict[ColumnName, Rule] = {}
        self._settle()

    def decision(self, column: ColumnName) -> Decision:
        """What happens to a column, its own rule or what it refers to deciding."""
        return self._settled.get(column) or self._decisions[column]

    def _settle(self) -> None:
        waiting = deque(column for column, decision in self._decisions.items() if _leads(decision))
        while waiting:
            column = waiting.popleft()
            decision = self.decision(column)
            assert isinstance(decision, Rule)  # noqa: S101
            rule = replace(decision, follows=decision.follows or literal_pattern(*column))
            for referring in self._referring.get(column, ()):
                if not _gives_way(self._decisions[referring], rule):
                    continue
                before = self._settled.setdefault(referring, rule)
                if before is rule:
                    waiting.append(referring)
                elif before.mask != rule.mask:
                    self._say_two(referring, before, rule)

    def _say_two(self, column: ColumnName, one: Rule, other: Rule) -> None:
        name = literal_pattern(*column)
        what = f"{name} refers to {one.follows}, and to {other.follows}, which is masked otherwise"
        self._problems.add(other.path, what, "the same mask for both")

    def _references(
        self, selected: Sequence[SelectedTable], references: Sequence[Reference]
    ) -> dict[ColumnName, tuple[ColumnName, ...]]:
        found: dict[ColumnName, dict[ColumnName, None]] = defaultdict(dict)
        for each in selected:
            for key in each.table.foreign_keys:
                for own, other in zip(key.columns, key.to_columns, strict=True):
                    self._add(found, (*each.table.all_names[0], own), (*key.to_name, other))
        for reference in references:
            self._add(found, reference.column, reference.to)
        return {column: tuple(to) for column, to in found.items()}

    def _add(
        self, found: dict[ColumnName, dict[ColumnName, None]], column: ColumnName, to: ColumnName
    ) -> None:
        own, above = self._above.get(column[:2]), self._above.get(to[:2])
        if own is None or above is None:
            return
        here, there = (*own, column[2]), (*above, to[2])
        if here != there and here in self._decisions and there in self._decisions:
            found[here][there] = None


def _leads(decision: Decision) -> bool:
    """Whether a mask can be followed: by conditions it follows the row."""
    return isinstance(decision, Rule) and not decision.unlisted and decision.mask.mask != WHEN


def _gives_way(decision: Decision, leading: Rule) -> bool:
    """Whether the mask of what a column refers to wins over what was decided of itself."""
    if isinstance(decision, Keep | Rule) and layer_of(decision.preset) > layer_of(leading.preset):
        return True
    if isinstance(decision, Keep):
        return decision.pattern is None or not parse_pattern(decision.pattern, 3).literal
    return isinstance(decision, Uncovered) or (isinstance(decision, Rule) and decision.unlisted)


def _unknown_target(written: WrittenPattern, catalog: Catalog, problems: MatchProblems) -> None:
    known = [
        literal_pattern(table.schema_name, table.name, column.name)
        for table in catalog.tables
        for column in table.columns
    ]
    if written.to in known:
        problems.add(written.path, f"`{written.to}` is of a table that is not copied", "a column that is")
        return
    close = did_you_mean(written.to, known)
    hint = f": did you mean {close}?" if close else ""
    problems.add(written.path, f"there is no column `{written.to}` in the source", f"a column{hint}")


def _circles(references: Sequence[Reference], problems: MatchProblems) -> None:
    """References by the document's word that lead back to where they began."""
    leads: dict[ColumnName, list[Reference]] = defaultdict(list)
    for each in references:
        leads[each.column].append(each)
    for first in references:
        seen, waiting = {first.column}, [first.to]
        while waiting:
            column = waiting.pop()
            if column == first.column:
                what = f"{'.'.join(first.column)} and {'.'.join(first.to)} refer to each other"
                problems.add(first.path, what, "one of them to refer to the other")
                return
            if column not in seen:
                seen.add(column)
                waiting += [each.to for each in leads[column]]
