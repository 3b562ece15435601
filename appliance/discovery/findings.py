"""What a scan says: of each column one of three words, with how sure it is and why. No value is in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.masking.suggesting.kinds import PersonalKind

Verdict = Literal["personal", "not personal", "undetermined"]


class Finding(BaseModel):
    """What is known of one column; those of partitions are one, under their root."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    table_name: str
    column: str
    type: str
    verdict: Verdict
    kind: PersonalKind | None = None
    """Of a personal one."""
    score: float = 0.0
    """How sure, from 0 to 1."""
    evidence: tuple[str, ...] = ()
    """By name, by type, by how many of how many values; or why it is taken not to be personal."""

    @property
    def place(self) -> tuple[str, str, str]:
        """Schema, table and column."""
        return (self.schema_name, self.table_name, self.column)


class NotLookedAt(BaseModel):
    """A table whose values were not looked at, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    table_name: str
    why: str


class Scan(BaseModel):
    """A whole scan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    seed: int
    tables: int
    rows: int
    """Looked at."""
    findings: tuple[Finding, ...]
    not_looked_at: tuple[NotLookedAt, ...] = ()


@dataclass
class PathCounts:
    """Of the values at one path of a column, how many have each shape."""

    by_shape: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    different: int = 0
    wordy: int = 0
    """Of at least four words."""

    @property
    def total(self) -> int:
        """Values that are not blank."""
        return sum(n for shape, n in self.by_shape.items() if shape != "blank")


@dataclass
class ColumnCounts:
    """What the sample shows of one column, by path; the path of a plain value is empty."""

    paths: dict[str, PathCounts] = field(default_factory=lambda: defaultdict(PathCounts))

    def add(self, path: str, shape: str, values: int, different: int, wordy: int) -> None:
        """One row of a query's answer."""
        counts = self.paths[path]
        counts.by_shape[shape] += values
        counts.different += different
        counts.wordy += wordy

    @property
    def total(self) -> int:
        """Values that are not blank, at all paths."""
        return sum(counts.total for counts in self.paths.values())
