"""What is wrong with a document's masks, before a catalog is known: unknown ones, parameters, circles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from appliance.documents.document import Document
from appliance.documents.problems import KeyPath, Problem
from appliance.masking.reading_order import columns_read, reading_order
from appliance.masking.registry import parameter_models
from appliance.workflow.mask_check import check_masks
from appliance.workflow.mask_spec import MaskSpec
from appliance.workflow.matching.patterns import Pattern, PatternError, parse_pattern


def mask_problems(document: Document) -> list[Problem]:
    """All of it, of a workflow's document with its presets resolved, or of a preset's."""
    return check_masks(document, parameter_models()) or list(_circles(document))


@dataclass(frozen=True)
class _Written:
    """A rule: its pattern, where it stands, and which columns its mask writes."""

    pattern: Pattern
    path: KeyPath
    layer: int
    reads: tuple[str, ...]

    @property
    def of_tables(self) -> tuple[object, ...]:
        return (self.layer, *(part.pieces for part in self.pattern.parts[:2]))

    @property
    def of_one_table(self) -> bool:
        return all(part.literal for part in self.pattern.parts[:2])

    def may_decide(self, other: _Written, column: str) -> bool:
        """Whether it may win over another rule for a column of a table that this one is about."""
        if self.layer > other.layer or not self.pattern.parts[-1].matches(column):
            return False
        if self.of_tables == other.of_tables:
            return False
        if self.of_one_table and other.of_one_table:
            return self.of_tables[1:] == other.of_tables[1:]
        return self.layer < other.layer or not other.of_one_table


def _circles(document: Document) -> Iterator[Problem]:
    """Templates that write each other's columns, by rules for the same tables that no other rule replaces.

    Where another rule may, the catalog decides: a plan finds those.
    """
    rules = list(_rules(document))
    by_tables: dict[tuple[object, ...], dict[str, _Written]] = defaultdict(dict)
    for rule in rules:
        last = rule.pattern.parts[-1]
        if last.literal:
            by_tables[rule.of_tables][last.pieces[0]] = rule
    for written in by_tables.values():
        _, circles = reading_order({column: rule.reads for column, rule in written.items()})
        for circle in circles:
            if any(rule.may_decide(written[column], column) for rule in rules for column in circle):
                continue
            first = min(circle, key=lambda column: document.line_of(written[column].path) or 0)
            at = circle.index(first)
            around = " → ".join((*circle[at:-1], *circle[: at + 1]))
            yield document.problem(
                written[first].path,
                f"masks write each other's columns in a circle: {around}",
                "a mask that writes none of them",
            )


def _rules(document: Document) -> Iterator[_Written]:
    used = document.data.get("use")
    yield from _of(document.data, (), 0)
    for place, preset in enumerate(used if isinstance(used, list) else ()):
        if isinstance(preset, dict):
            yield from _of(preset, ("use", place), place + 1)


def _of(data: Mapping[str, object], path: KeyPath, layer: int) -> Iterator[_Written]:
    masks, keep = data.get("masks"), data.get("keep")
    for text, mask in masks.items() if isinstance(masks, dict) else ():
        try:
            reads = columns_read(MaskSpec.model_validate(mask))
            yield _Written(parse_pattern(text, 3), (*path, "masks", text), layer, reads)
        except (ValidationError, PatternError):
            # Said where documents are validated.
            continue
    for place, entry in enumerate(keep if isinstance(keep, list) else ()):
        text = entry.get("column") if isinstance(entry, dict) else entry
        try:
            yield _Written(parse_pattern(str(text), 3), (*path, "keep", place), layer, ())
        except PatternError:
            continue
