"""What a workflow decides of a column, and of a table."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.link import Link
from appliance.workflow.row_filter import RowFilter


@dataclass(frozen=True)
class Rule:
    """The column is masked. ``pattern`` is None where ``unlisted: null`` says so, and no rule of its own."""

    mask: MaskSpec
    pattern: str | None
    follows: str | None = None
    """The column whose mask and pattern these are, as schema.table.column, where it refers to that."""

    @property
    def unlisted(self) -> bool:
        """Masked because nothing covers it: NULL, or the type's neutral value where it may not be NULL."""
        return self.pattern is None


@dataclass(frozen=True)
class Keep:
    """The column is copied as it is. ``pattern`` is None where ``unlisted: keep`` says so."""

    pattern: str | None


@dataclass(frozen=True)
class Uncovered:
    """Nothing says what happens to the column, so the run may not begin."""


@dataclass(frozen=True)
class Computed:
    """The column is generated: the twin computes it from the others, and it is not copied."""


Decision = Rule | Keep | Uncovered | Computed


@dataclass(frozen=True)
class SelectedTable:
    """A table that is copied, with the decision for each of its columns, in the table's order."""

    table: Table
    columns: tuple[tuple[Column, Decision], ...]
    rows: RowFilter | None = None
    links: tuple[Link, ...] = ()
    """Whose its rows are."""
