"""Masks that write other columns of the row: which columns they may read, and when each is compiled. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.masking.reading_order import columns_read, reading_order
from appliance.masking.suggesting.guess import guess_of
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.workflow.catalog import Column
from appliance.workflow.conditions.alternatives import keeps_rows
from appliance.workflow.matching.rules import Computed, Decision, Keep, Rule, SelectedTable

_MASKED = "a column that is masked, or one that is kept and says nothing of a person"


@dataclass
class RowReading:
    """Of one table."""

    order: tuple[str, ...]
    """All columns, each after those that it reads."""
    reads: dict[str, tuple[str, ...]]
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """The column that reads, what is wrong, and what was expected."""

    @property
    def wrong(self) -> set[str]:
        """The columns of which something was said."""
        return {name for name, _, _ in self.problems}


def read_of_row(selected: SelectedTable, judged: frozenset[str]) -> RowReading:
    """Who reads what. ``judged`` are the patterns of kept columns of which the workflow says why."""
    decided = {column.name: (column, decision) for column, decision in selected.columns}
    reads = {name: _reads(decision) for name, (_, decision) in decided.items()}
    order, circles = reading_order(reads)
    found = RowReading((*order, *(name for name in decided if name not in order)), reads)
    for circle in circles:
        around = " → ".join(circle)
        found.problems.append(
            (
                circle[0],
                f"masks write each other's columns in a circle: {around}",
                "a mask that writes none of them",
            )
        )
    going_round = {name for circle in circles for name in circle}
    found.problems += [
        (name, f"it writes {other}, which is in a circle", _MASKED)
        for name, read in reads.items()
        for other in read
        if name not in going_round and other in going_round
    ]
    for name, read in reads.items():
        for other in read:
            if other in decided and (why := _refused(selected, *decided[other], judged)):
                found.problems.append((name, f"it writes the column `{other}`, {why}", _MASKED))
    # A circle's other columns cannot be compiled either, and are not said again.
    found.order = tuple(name for name in found.order if name not in going_round - found.wrong)
    return found


def _reads(decision: Decision) -> tuple[str, ...]:
    return columns_read(decision.mask) if isinstance(decision, Rule) and not decision.unlisted else ()


def _refused(
    selected: SelectedTable, column: Column, decision: Decision, judged: frozenset[str]
) -> str | None:
    """Why a column's value may not be written into another one."""
    if isinstance(decision, Computed):
        return "which the twin computes; name the columns that it is computed from"
    if isinstance(decision, Rule) and not keeps_rows(decision.mask):
        return None
    if not isinstance(decision, Keep | Rule) or decision.pattern in judged:
        return None
    guess = guess_of(selected.table, column)
    if guess is None:
        return None
    return f"which is kept and looks like {SPOKEN[guess.kind]}"
