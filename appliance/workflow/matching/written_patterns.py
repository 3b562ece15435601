"""A workflow's patterns as they stand in the document, and what each of them matches in a catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.documents.problems import KeyPath
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.alternatives import keeps_rows
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.matching.decisions import FromPreset, layer_of
from appliance.workflow.matching.patterns import Pattern, Specificity, parse_pattern
from appliance.workflow.presets.preset import Preset
from appliance.workflow.row_filter import RowFilter

TableName = tuple[str, str]
"""Schema and name."""

Rank = tuple[Specificity, int]
"""How specific a pattern is for a table: of two that are equal, that for the nearer of its names wins."""


@dataclass
class WrittenPattern:
    """One pattern, what it stands for, and what it has matched so far."""

    pattern: Pattern
    path: KeyPath
    order: int
    """Its place among its like in the document."""
    mask: MaskSpec | None = None
    rows: RowFilter | None = None
    to: str = ""
    """The column that the matched ones refer to."""
    preset: FromPreset | None = None
    """Whose rule it is; None for one of the workflow's own."""
    matched: bool = False
    matched_elsewhere: bool = False
    """It matched tables or columns, but none that are copied."""
    matched_excluded: bool = False
    """Some of these are tables that the document takes away under ``tables.exclude``."""
    matched_generated: bool = False
    """It matched generated columns, which are not copied either."""

    @property
    def key(self) -> str:
        """The document's key that it stands under: tables, rows, masks or keep."""
        return str(self.path[2 if self.preset else 0])

    @property
    def layer(self) -> int:
        """Of two rules for a column that of the lower layer wins: the workflow's own is the lowest."""
        return layer_of(self.preset)

    @property
    def names_the_column(self) -> bool:
        """Its last part has no wildcard."""
        return self.pattern.parts[-1].literal

    def rank(self, table: Table) -> Rank | None:
        """Its rank for a table, as far as the table's names go; None if it matches none of them."""
        for distance, name in enumerate(table.all_names):
            if self.matches_table(name):
                return self.pattern.specificity, -distance
        return None

    def ancestor_rank(self, column: Column) -> Rank | None:
        """A mask's rank for a column of a table further up that this one is read through; None if for none.

        What is kept there says nothing about this table: more may stand here than its author has looked at.
        """
        if self.mask is None or keeps_rows(self.mask) or not self.matches_column(column.name):
            return None
        above = [each.distance for each in column.inherited_from if self.matches_table(each.names)]
        return (self.pattern.specificity, -min(above)) if above else None

    def matches_table(self, name: TableName) -> bool:
        """Whether its first two parts match."""
        schema, table, *_ = self.pattern.parts
        return schema.matches(name[0]) and table.matches(name[1])

    def matches_column(self, name: str) -> bool:
        """Whether its last part matches."""
        return self.pattern.parts[-1].matches(name)


@dataclass(frozen=True)
class WrittenPatterns:
    """All patterns of a workflow, by what they are for."""

    include: list[WrittenPattern]
    exclude: list[WrittenPattern]
    rows: list[WrittenPattern]
    rules: list[WrittenPattern]
    """Masks, then what is kept; after the workflow's own those of each preset."""
    references: list[WrittenPattern]

    def all(self) -> list[WrittenPattern]:
        return [*self.include, *self.exclude, *self.rows, *self.rules, *self.references]


def written_patterns(workflow: Workflow) -> WrittenPatterns:
    """The patterns of a workflow, parsed; none has matched anything yet."""
    rows = [
        WrittenPattern(parse_pattern(pattern, 2), ("rows", pattern), order, rows=rule)
        for order, (pattern, rule) in enumerate(workflow.rows.items())
    ]
    references = [
        WrittenPattern(parse_pattern(pattern, 3), ("references", pattern), order, to=to)
        for order, (pattern, to) in enumerate(workflow.references.items())
    ]
    return WrittenPatterns(
        references=references,
        include=_listed(workflow.tables.include, 2, ("tables", "include")),
        exclude=_listed(workflow.tables.exclude, 2, ("tables", "exclude")),
        rows=rows,
        rules=[
            *_rules(workflow),
            *(
                rule
                for place, preset in enumerate(workflow.use)
                if isinstance(preset, Preset)
                for rule in _rules(preset, FromPreset(place, preset.name, preset.said))
            ),
        ],
    )


def _rules(of: Workflow | Preset, preset: FromPreset | None = None) -> list[WrittenPattern]:
    path: KeyPath = () if preset is None else preset.path
    masks = [
        WrittenPattern(parse_pattern(pattern, 3), (*path, "masks", pattern), order, mask=mask, preset=preset)
        for order, (pattern, mask) in enumerate(of.masks.items())
    ]
    kept = _listed(of.kept_patterns, 3, (*path, "keep"))
    return masks + [replace(each, preset=preset) for each in kept]


def _listed(patterns: Sequence[str], parts: int, path: KeyPath) -> list[WrittenPattern]:
    return [
        WrittenPattern(parse_pattern(text, parts), (*path, order), order)
        for order, text in enumerate(patterns)
    ]


class RuleIndex:
    """Rules by the table they name, so that a large workflow is not gone through for each table."""

    def __init__(self, rules: Iterable[WrittenPattern]) -> None:
        self._by_table: dict[TableName, list[WrittenPattern]] = defaultdict(list)
        self._with_wildcard: list[WrittenPattern] = []
        for written in rules:
            schema, table, _ = written.pattern.parts
            if schema.literal and table.literal:
                self._by_table[schema.pieces[0], table.pieces[0]].append(written)
            else:
                self._with_wildcard.append(written)

    def about(self, table: Table) -> list[WrittenPattern]:
        """Those that may concern a table."""
        above = [each.names for column in table.columns for each in column.inherited_from]
        names = dict.fromkeys([*table.all_names, *above])
        named = [written for name in names for written in self._by_table.get(name, ())]
        return named + self._with_wildcard
