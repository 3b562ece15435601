"""A line of the columns screen, and a table of it. What only an unfolded line shows is worked out late."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from appliance.dashboard.web.masks import Card, cards
from appliance.discovery.findings import Finding
from appliance.masking.compiler import check_column
from appliance.masking.examples.shown import examples_of
from appliance.masking.linked_keys import linked_by
from appliance.masking.registry import MASKS
from appliance.masking.shape import shape_of
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.masking.suggesting.suggestions import Suggestion
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.alternatives import mask_words
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.link import Link
from appliance.workflow.matching.patterns import literal_pattern
from appliance.workflow.matching.rules import Computed, Decision, Keep, Rule

EXAMPLES = 2
"""Shown of a column's mask."""


def table_name(table: Table) -> str:
    """The pattern that matches the table only."""
    return literal_pattern(table.schema_name, table.name)


@dataclass(frozen=True)
class ColumnLine:
    """One column as a line of the screen."""

    pattern: str
    table: Table
    column: Column
    finding: Finding
    decision: Decision
    own: bool
    """The decision is by the column's own name, so it can be changed here."""
    because: str
    suggestion: Suggestion | None
    new: bool
    links: tuple[Link, ...] = ()
    """Whose the table's rows are."""

    @property
    def key(self) -> str:
        """For ids on the page: a name can hold anything."""
        return sha256(self.pattern.encode()).hexdigest()[:10]

    @property
    def state(self) -> str:
        """``mask``, ``keep``, ``computed`` or ``open``."""
        match self.decision:
            case Rule():
                return "mask"
            case Keep():
                return "keep"
            case Computed():
                return "computed"
        return "open"

    @property
    def by(self) -> str:
        """The pattern that decides, if it is not the column's own name; ``unlisted`` where that does."""
        if self.own or not isinstance(self.decision, Rule | Keep):
            return ""
        if isinstance(self.decision, Rule) and self.decision.follows:
            return f"{self.decision.follows}, which it refers to"
        pattern = self.decision.pattern or "unlisted"
        return f"{self.decision.preset.said}: {pattern}" if self.decision.preset else pattern

    @property
    def subject(self) -> str:
        """Whose key its mask draws from, and by which columns; empty where the value decides."""
        found = linked_by(self.mask, self.table, self.column, self.links) if self.mask else None
        return found.said if found is not None else ""

    @property
    def mask(self) -> MaskSpec | None:
        """The mask that it gets."""
        return self.decision.mask if isinstance(self.decision, Rule) else None

    @property
    def mask_text(self) -> str:
        """That mask in words; empty where it gets none."""
        return mask_words(self.mask) if self.mask is not None else ""

    @property
    def chosen(self) -> str:
        """What the picker shows."""
        if not self.own:
            return "open"
        return f"mask:{self.mask.mask}" if self.mask is not None else self.state

    @property
    def spoken(self) -> str:
        """What the scan says in words."""
        return SPOKEN[self.finding.kind] if self.finding.kind else self.finding.verdict

    @cached_property
    def fits(self) -> tuple[str, ...]:
        """The masks that fit the column: those that need a parameter by their type, the others altogether."""
        shape = shape_of(self.column)
        return tuple(
            card.name
            for card in cards()
            if shape.kind in MASKS[card.name].kinds
            and (
                any(parameter.required for parameter in card.parameters)
                or not check_column(self.table, self.column, MaskSpec(mask=card.name), links=self.links)
            )
        )

    @cached_property
    def misfit(self) -> str:
        """Why the mask that it has does not fit; empty where it does."""
        if self.mask is None:
            return ""
        return "; ".join(check_column(self.table, self.column, self.mask, links=self.links))

    @cached_property
    def examples(self) -> tuple[tuple[str, str], ...]:
        """What its mask makes of invented values, with the options that are written."""
        if self.mask is None:
            return ()
        return tuple(
            (before, after or "an empty text")
            for before, after in examples_of(self.mask.mask, self.mask.params)[:EXAMPLES]
        )

    @property
    def card(self) -> Card | None:
        """What there is to say of its mask."""
        name = self.mask.mask if self.mask is not None else ""
        return next((card for card in cards() if card.name == name), None)

    @property
    def tags(self) -> tuple[str, ...]:
        """What its definition says, in words."""
        column, name = self.column, self.column.name
        refers = [key.to_table for key in self.table.foreign_keys if name in key.columns]
        labels = (
            ("key", name in self.table.primary_key),
            ("unique", column.unique_alone and name not in self.table.primary_key),
            ("not null", column.not_null and name not in self.table.primary_key),
            ("counted", column.from_sequence),
            ("new", self.new),
        )
        return (*(word for word, is_so in labels if is_so), *(f"→ {table}" for table in refers[:2]))


@dataclass
class TableGroup:
    """A table, perhaps folded."""

    name: str
    rows: int
    not_looked_at: str
    lines: list[ColumnLine] = field(default_factory=list)
    shown: list[ColumnLine] = field(default_factory=list)
    unfolded: bool = False

    @property
    def key(self) -> str:
        """For ids on the page."""
        return sha256(self.name.encode()).hexdigest()[:10]

    def count(self, state: str) -> int:
        """How many of its columns are so."""
        return sum(line.state == state for line in self.lines)

    @property
    def personal(self) -> int:
        """How many look personal."""
        return sum(line.finding.verdict == "personal" for line in self.lines)

    @property
    def acceptable(self) -> int:
        """For how many there is a suggestion."""
        return sum(line.suggestion is not None and line.suggestion.decided for line in self.lines)
