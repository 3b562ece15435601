"""What of a source a workflow lets through as it is: whole columns, and the parts that a mask leaves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from appliance.workflow.conditions.alternatives import alternatives_of, conditions_read
from appliance.workflow.conditions.grammar import BeyondGrammarError, parse_condition
from appliance.workflow.conditions.tree import columns_of
from appliance.workflow.document import WHEN, MaskSpec, Workflow
from appliance.workflow.matching.patterns import literal_pattern, parse_pattern
from appliance.workflow.matching.rules import Decision, Keep, Matching, Rule, SelectedTable
from appliance.workflow.presets.preset import Preset

WHOLE_VALUE_MASKS = (
    "null", "constant", "hash", "email", "first_name", "last_name", "full_name", "phone", "street", "city",
    "company", "random_string",
)  # fmt: skip
"""Masks that leave nothing of a value, unless a parameter says ``keep…``."""
SHOWN_BY = ("gender_column",)
"""Parameters that name another column of the row, of whose own value the output shows something."""
_ANYTHING = "\0"
"""Stands for what a wildcard matches; no name holds it."""


@dataclass(frozen=True, order=True)
class Kept:
    """A column that stays, or the parts of it that a mask leaves; also a pattern for such columns."""

    column: str
    """A pattern schema.table.column; of a column of a catalog, the one that matches it only."""
    mask: str = ""
    """The mask that leaves parts of each value, as JSON; empty where the values are copied as they are."""
    root: str = field(default="", compare=False)
    """For a partition's column, that of the partitioned table above: what allows the one allows the other."""

    @property
    def text(self) -> str:
        """One line that says all of it, and nothing else has."""
        return f"{self.column} {self.mask}" if self.mask else self.column

    @property
    def covered_by(self) -> set[str]:
        """The texts of whatever includes it."""
        columns = {self.column, self.root} - {""}
        return columns | {f"{column} {self.mask}" for column in columns if self.mask}


def leaves_parts(mask: MaskSpec) -> bool:
    """Whether a mask with these parameters may leave parts of a value, or all of it."""
    if mask.mask == WHEN:
        # Which mask a row has shows something of what its condition reads.
        return True
    if shows_of(mask):
        return True
    keeps = any(
        name.startswith("keep") and name != "keep_null" and value for name, value in mask.params.items()
    )
    return keeps or mask.mask not in WHOLE_VALUE_MASKS


def shows_of(mask: MaskSpec) -> tuple[str, ...]:
    """The columns of the row, as the source has them, of which what a mask gives shows something."""
    named = [str(mask.params[each]) for each in SHOWN_BY if mask.params.get(each)]
    inner = [name for each in alternatives_of(mask) for name in shows_of(each.mask)]
    return tuple(dict.fromkeys((*named, *conditions_read(mask), *inner)))


def kept_columns(matching: Matching) -> tuple[Kept, ...]:
    """All that is kept of the tables that are copied, or that their rows are chosen by, by name.

    What is kept of every partition is named once, under the table above: tomorrow's partition is no news.
    """
    by_root: dict[tuple[str, str], list[SelectedTable]] = defaultdict(list)
    for selected in matching.tables:
        if selected.table.kind != "partitioned":
            by_root[selected.table.all_names[-1]].append(selected)
    found: set[Kept] = set()
    for root, members in by_root.items():
        kept = [
            {
                (column.name, mask)
                for column, decision in each.columns
                if (mask := _left(decision)) is not None
            }
            | {(name, "") for name in chosen_by(each)}
            for each in members
        ]
        everywhere = set.intersection(*kept)
        found |= {Kept(literal_pattern(*root, name), mask) for name, mask in everywhere}
        for each, own in zip(members, kept, strict=True):
            names = each.table.all_names[0]
            found |= {
                Kept(literal_pattern(*names, name), mask, literal_pattern(*root, name))
                for name, mask in own - everywhere
            }
    return tuple(sorted(found))


def chosen_by(selected: SelectedTable) -> frozenset[str]:
    """The columns by which rows are chosen: which rows come, or how they are masked, shows their values.

    Free SQL names none of them; a user who may write it sees all that the reader does.
    """
    rows = selected.rows
    masks = (decision.mask for _, decision in selected.columns if isinstance(decision, Rule))
    by_mask = frozenset(name for mask in masks for name in shows_of(mask))
    if rows is None:
        return by_mask
    if rows.where is None:
        return by_mask | {rows.by} if rows.by else by_mask
    try:
        return by_mask | set(columns_of(parse_condition(rows.where)))
    except BeyondGrammarError:
        return by_mask


def kept_patterns(workflow: Workflow) -> tuple[Kept, ...]:
    """What a document and its presets say that they keep, before a catalog is known."""
    return tuple(sorted({each for rules in workflow.rule_sets for each in kept_of_rules(rules)}))


def kept_of_rules(rules: Workflow | Preset) -> Iterator[Kept]:
    """What the rules of a document itself keep, or those of a preset."""
    yield from map(Kept, rules.kept_patterns)
    yield from (Kept(text, _json(mask)) for text, mask in rules.masks.items() if leaves_parts(mask))


def not_covered(
    kept: Iterable[Kept], allowed: Iterable[str], approved: Iterable[str] = ()
) -> tuple[Kept, ...]:
    """What none of the patterns allows and nothing in ``approved`` (texts of what is kept) names.

    A column that may be kept may be masked in part as well. Allowing is exact: what a name looks like
    does not count.
    """
    patterns = [parse_pattern(text, 3) for text in allowed]
    known = set(approved)
    return tuple(
        each
        for each in kept
        if known.isdisjoint(each.covered_by)
        and not any(
            pattern.matches(*_names(column))
            for pattern in patterns
            for column in (each.column, each.root or each.column)
        )
    )


def _names(pattern: str) -> tuple[str, ...]:
    """The names of a literal pattern; of one with wildcards, what only a wildcard matches in their place."""
    return tuple(_ANYTHING.join(part.pieces) for part in parse_pattern(pattern, 3).parts)


def _left(decision: Decision) -> str | None:
    """What Kept.mask is for a decision; None where nothing of a value stays."""
    if isinstance(decision, Keep):
        return ""
    return _json(decision.mask) if isinstance(decision, Rule) and leaves_parts(decision.mask) else None


def _json(mask: MaskSpec) -> str:
    return json.dumps({"mask": mask.mask, **mask.params}, sort_keys=True, ensure_ascii=False)
