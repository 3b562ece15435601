"""What to write for a column that no rule covers: a mask that fits it, or nothing.

Without a scan a guess is made by name and type alone. So it says ``keep`` only of what can hold no one's data
by its type, and of everything else a mask that the planner takes, or that a person must decide. With a scan's
findings it keeps what is not personal, and leaves to a person what is undetermined. It is never applied; it
only saves typing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.masking.compiler import check_column, column_warnings
from appliance.masking.foreign_keys import End, reference_problem
from appliance.masking.shape import DATES, FLOATS, INTEGERS, shape_of
from appliance.masking.suggesting.guess import guess_of
from appliance.masking.suggesting.kinds import (
    BY_NAME,
    BY_TYPE,
    MASKS_FOR,
    SENSITIVE,
    WITHIN_KIND,
    PersonalKind,
)
from appliance.masking.suggesting.labels import personal_labels
from appliance.masking.suggesting.parameters import neutral_constant, with_axis
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.rules import (
    Computed,
    Decision,
    Keep,
    Matching,
    Rule,
    SelectedTable,
    Uncovered,
)

Place = tuple[str, str, str]
"""Schema, table and column; those of partitions under their root, as a workflow names them."""


@dataclass(frozen=True)
class Suggestion:
    """What to write for a column. Without a mask it is ``keep``, or undecided; ``why`` says why."""

    decided: bool
    mask: MaskSpec | None = None
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """What a scan says of a column: a kind, or why it is kept, or why a person must look."""

    kind: PersonalKind | None = None
    keep_because: str = ""
    undecided_because: str = ""


_AMOUNTS: frozenset[PersonalKind] = frozenset({"income", "age", "health", "family", "position"})
"""Numbers that are near the truth when they are changed a little, and name no one."""


def suggestions(
    matching: Matching, encoding: str = "UTF8", judged: Mapping[Place, Judged] | None = None
) -> dict[Place, Suggestion]:
    """What to write for every column that nothing covers, so that the planner takes all of it together.

    ``judged`` is what a scan says of each of them.
    """
    whole = _Columns(matching.tables, judged or {})
    found: dict[Place, Suggestion] = {}
    for group in whole.groups():
        found |= _suggest(whole, group, encoding)
    return found


@dataclass
class _Column:
    """A column with what happens to it now, in each table of the source that has it (partitions)."""

    decision: Decision
    ends: list[tuple[Table, Column]] = field(default_factory=list)
    from_sequence: bool = False
    in_partition_key: bool = False
    judged: Judged | None = None
    refers_to: set[Place] = field(default_factory=set)
    within: set[Place] = field(default_factory=set)
    """Those of them that hold every value of this column: a key of several columns may be half NULL."""


class _Columns:
    """All columns that are copied, and how foreign keys tie them together."""

    def __init__(self, selected: Iterable[SelectedTable], judged: Mapping[Place, Judged]) -> None:
        self.by_place: dict[Place, _Column] = {}
        self.tied: dict[Place, set[Place]] = defaultdict(set)
        selected = list(selected)
        for each in selected:
            root = each.table.all_names[-1]
            for column, decision in each.columns:
                known = self.by_place.setdefault(
                    (*root, column.name), _Column(decision, judged=judged.get((*root, column.name)))
                )
                known.from_sequence |= column.from_sequence
                known.in_partition_key |= column.name in each.table.partition_key
                if each.table.kind != "partitioned":
                    if not isinstance(decision, type(known.decision)) and isinstance(decision, Uncovered):
                        known.decision = decision
                    known.ends.append((each.table, column))
        names = {name: each.table.all_names[-1] for each in selected for name in each.table.all_names}
        for each in selected:
            self._tie(each.table, names)

    def _tie(self, table: Table, names: dict[tuple[str, str], tuple[str, str]]) -> None:
        for key in table.foreign_keys:
            there = names.get((key.to_schema, key.to_table))
            if there is None:
                continue
            null = {column.name for column in table.columns if not column.not_null}
            whole = key.validated and (len(key.columns) == 1 or null.isdisjoint(key.columns))
            for name, other in zip(key.columns, key.to_columns, strict=True):
                here, target = (*table.all_names[-1], name), (*there, other)
                if here in self.by_place and target in self.by_place:
                    self.by_place[here].refers_to.add(target)
                    self.by_place[here].within |= {target} if whole else set()
                    self.tied[here].add(target)
                    self.tied[target].add(here)

    def groups(self) -> Iterator[list[Place]]:
        """Columns that must be treated alike, each group with something that nothing covers yet."""
        seen: set[Place] = set()
        for place in self.by_place:
            if place in seen:
                continue
            group = [place]
            seen.add(place)
            for each in group:
                further = self.tied[each] - seen
                seen |= further
                group += sorted(further)
            if any(isinstance(self.by_place[each].decision, Uncovered) for each in group):
                yield group


def _suggest(whole: _Columns, group: Sequence[Place], encoding: str) -> dict[Place, Suggestion]:
    """One answer for all of a group, or the answers of its members where that is none."""
    columns = {place: whole.by_place[place] for place in group}
    open_ones = [place for place in group if isinstance(columns[place].decision, Uncovered)]
    kept = all(isinstance(each.decision, Uncovered | Keep | Computed) for each in columns.values())
    reasons = {place: _why_keep(columns, place) for place in open_ones} if kept else {}
    if kept and all(reasons.values()):
        return {place: Suggestion(True, None, why) for place, why in reasons.items()}
    if kept and (undecided := _undecided(columns, open_ones)):
        return undecided
    for mask in _candidates(columns, open_ones):
        if all(_fits(columns, open_ones, place, mask, encoding) for place in open_ones):
            return dict.fromkeys(open_ones, Suggestion(True, mask))
    return {place: _alone(columns, place, encoding) for place in open_ones}


def _undecided(columns: dict[Place, _Column], open_ones: Sequence[Place]) -> dict[Place, Suggestion]:
    """All of a group, where a scan cannot say of some what they are, and says of none that it is personal."""
    judged = {place: columns[place].judged for place in open_ones}
    if any(each is None or each.kind is not None for each in judged.values()):
        return {}
    tied = "tied by a foreign key to a column that a person must look at"
    return {
        place: Suggestion(False, why=(each.undecided_because if each else "") or tied)
        for place, each in judged.items()
    }


def _candidates(columns: dict[Place, _Column], open_ones: Sequence[Place]) -> list[MaskSpec]:
    """Masks to try for all open columns of a group, the best first."""
    settled = [each.decision for place, each in columns.items() if place not in open_ones]
    if settled:
        rules = [decision.mask for decision in settled if isinstance(decision, Rule)]
        return rules[:1] if len(rules) == len(settled) else []
    roots = [place for place in open_ones if not columns[place].refers_to - {place}] or list(open_ones)
    tried = [mask for place in roots if columns[place].ends for mask in _masks_for(columns[place])]
    return [mask for number, mask in enumerate(tried) if mask not in tried[:number]]


def _alone(columns: dict[Place, _Column], place: Place, encoding: str) -> Suggestion:
    """NULL leaves no reference behind, so a column that may be NULL needs nothing from the others."""
    nothing = MaskSpec(mask="null")
    if _fits(columns, [place], place, nothing, encoding):
        return Suggestion(True, nothing)
    column = columns[place]
    if column.in_partition_key:
        return Suggestion(False, why="decides the partition, and masked rows may fit none")
    checks = [warning for _, each in column.ends for warning in column_warnings(each, MaskSpec(mask="hash"))]
    if checks:
        return Suggestion(False, why=checks[0])
    other = next((each for each in sorted(columns) if each != place), None)
    if other is not None:
        return Suggestion(
            False, why=f"a foreign key ties it to {'.'.join(other)}: mask both alike, or keep both"
        )
    return Suggestion(False, why="no mask without parameters fits")


def _fits(
    columns: dict[Place, _Column], open_ones: Sequence[Place], place: Place, mask: MaskSpec, encoding: str
) -> bool:
    """Whether the planner takes the mask on all open columns, and the twin can be loaded with it here."""
    column = columns[place]
    if column.in_partition_key or not column.ends:
        return False
    return not any(
        check_column(table, each, mask, encoding=encoding) or column_warnings(each, mask)
        for table, each in column.ends
    ) and not _breaks_a_key(columns, open_ones, place, mask)


def _breaks_a_key(
    columns: dict[Place, _Column], open_ones: Sequence[Place], place: Place, mask: MaskSpec
) -> bool:
    """Whether a foreign key from or to the column would not hold, with the mask on all open columns."""

    def masked(at: Place) -> MaskSpec | None:
        decision = columns[at].decision
        return mask if at in open_ones else decision.mask if isinstance(decision, Rule) else None

    pairs = [(place, there) for there in columns[place].refers_to]
    pairs += [(here, place) for here, each in columns.items() if place in each.refers_to]
    return any(
        reference_problem(End(table, one, masked(here)), End(other_table, other, masked(there))) is not None
        for here, there in pairs
        for table, one in columns[here].ends
        for other_table, other in columns[there].ends
    )


def _why_keep(  # noqa: PLR0911 - a list of reasons
    columns: dict[Place, _Column], place: Place, seen: frozenset[Place] = frozenset()
) -> str:
    """Why the column's type can hold no one's data; empty if it can."""
    column = columns[place]
    if column.judged is not None:
        return column.judged.keep_because
    _, facts = column.ends[0] if column.ends else (None, None)
    if facts is None or place in seen:
        return ""
    kind, name = shape_of(facts).kind, _in_words(facts.name)
    says_much = SENSITIVE.search(name) or personal_labels(facts) or _kind_of(column) is not None
    few_values = facts.base_kind in ("base", "enum") and not says_much
    if kind == "boolean" and few_values:
        return "true or false names no one"
    if kind == "enum" and few_values:
        return "one of the labels that the schema itself lists"
    if kind in INTEGERS and not shape_of(facts).is_array and column.from_sequence:
        return "the database's own counting, from a sequence"
    for there in sorted(column.within):
        kept = isinstance(columns[there].decision, Keep)
        if kept or _why_keep(columns, there, seen | {place}):
            return f"refers to {'.'.join(there)}, which {'is' if kept else 'may be'} kept"
    return ""


def _masks_for(column: _Column) -> Iterator[MaskSpec]:
    """Masks to try, by the column's name and type, the best first."""
    _, facts = column.ends[0]
    shape, name = shape_of(facts), _in_words(facts.name)
    kind = _kind_of(column)
    if kind is not None:
        yield from (
            MaskSpec(mask=mask)
            for within, pattern, mask in WITHIN_KIND
            if within == kind and re.search(pattern, name)
        )
        yield from (with_axis(mask, name, shape) for mask in MASKS_FOR.get(kind, ()))
    if shape.kind == "text" and (column.judged is None or kind is None):
        yield from (MaskSpec(mask=mask) for pattern, mask in BY_NAME if re.search(pattern, name))
    if shape.kind in DATES:
        yield MaskSpec(mask="date_shift")
    yield from (MaskSpec(mask=mask) for of, mask in BY_TYPE if of == shape.kind)
    if not facts.not_null:
        yield MaskSpec(mask="null")
    in_a_key = any(facts.name in key for table, _ in column.ends for key in _keys(table))
    by_name = kind is not None or any(re.search(pattern, name) for pattern, _ in BY_NAME)
    names_someone = in_a_key or column.refers_to or (by_name and kind not in _AMOUNTS)
    if shape.kind in FLOATS or shape.kind == "numeric" or (shape.kind in INTEGERS and not names_someone):
        yield MaskSpec(mask="number_noise")
    if shape.kind == "uuid":
        yield MaskSpec(mask="uuid")
    yield MaskSpec(mask="hash")
    neutral = neutral_constant(facts, shape)
    if neutral is not None:
        yield neutral


def _kind_of(column: _Column) -> PersonalKind | None:
    """What the scan says, or else name and type."""
    if column.judged is not None:
        return column.judged.kind
    table, facts = column.ends[0]
    found = guess_of(table, facts)
    return found.kind if found is not None else None


def _keys(table: Table) -> list[tuple[str, ...]]:
    return [table.primary_key, *table.unique_keys]


def _in_words(name: str) -> str:
    """``mobileNumber`` as ``mobile_number``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
