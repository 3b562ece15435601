"""What a workflow decides of a column, and of a table."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.documents.problems import KeyPath
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.link import Link
from appliance.workflow.row_filter import RowFilter


def mask_path(pattern: str | None, preset: FromPreset | None) -> KeyPath:
    """Where a mask stands in a document; of ``unlisted`` where there is no pattern."""
    if pattern is None:
        return ("unlisted",)
    return (*(preset.path if preset else ()), "masks", pattern)


@dataclass(frozen=True)
class FromPreset:
    """The preset that a rule is of."""

    place: int
    """In ``use``, from 0."""
    name: str
    said: str
    """Its name and version, for people of the appliance."""

    @property
    def path(self) -> KeyPath:
        """Where it stands in the resolved document."""
        return ("use", self.place)


def layer_of(preset: FromPreset | None) -> int:
    """Of two rules for a column that of the lower layer wins: the workflow's own is the lowest."""
    return preset.place + 1 if preset else 0


@dataclass(frozen=True)
class Rule:
    """The column is masked. ``pattern`` is None where ``unlisted: null`` says so, and no rule of its own."""

    mask: MaskSpec
    pattern: str | None
    follows: str | None = None
    """The column whose mask and pattern these are, as schema.table.column, where it refers to that."""
    preset: FromPreset | None = None
    """Whose rule it is; None for one of the workflow's own."""

    @property
    def path(self) -> KeyPath:
        """Where the document says so."""
        return mask_path(self.pattern, self.preset)

    @property
    def unlisted(self) -> bool:
        """Masked because nothing covers it: NULL, or the type's neutral value where it may not be NULL."""
        return self.pattern is None


@dataclass(frozen=True)
class Keep:
    """The column is copied as it is. ``pattern`` is None where ``unlisted: keep`` says so."""

    pattern: str | None
    preset: FromPreset | None = None


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
