"""Which tables a workflow selects, and what happens to each of their columns: rules matched to a catalog."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.problems import Problem
from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.document import MaskSpec, RowFilter, Workflow


@dataclass(frozen=True)
class Rule:
    """The column is masked. ``pattern`` is None where ``unlisted: null`` says so, and no rule of its own."""

    mask: MaskSpec
    pattern: str | None

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

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Its own name and, for a partition, its root's: either may be written in a pattern."""
        own = (self.table.schema_name, self.table.name)
        if self.table.root_schema is None or self.table.root_name is None:
            return (own,)
        return (own, (self.table.root_schema, self.table.root_name))


@dataclass(frozen=True)
class Matching:
    """The outcome. Use ``tables`` only if ``problems`` is empty; a run needs ``uncovered`` to be empty too."""

    tables: tuple[SelectedTable, ...]
    problems: tuple[Problem, ...]
    uncovered: tuple[tuple[Table, Column], ...]
    """Of partitions only their root's column, once."""


def match_rules(workflow: Workflow, catalog: Catalog) -> Matching:
    """Match a workflow's patterns to a source's tables and columns. Pure; finds all problems at once."""
    raise NotImplementedError
