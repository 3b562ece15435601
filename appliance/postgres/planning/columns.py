"""From matched rules to the SELECT list of every table, with all that does not fit found at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.documents.problems import KeyPath, Places, Problem, path_text
from appliance.masking.by_condition import with_kept
from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import (
    check_column,
    check_unlisted,
    column_warnings,
    compile_column,
    compile_unlisted,
    keep_column,
)
from appliance.masking.foreign_keys import End, reference_problem
from appliance.postgres.planning.row_reading import read_of_row
from appliance.workflow.catalog import Column, ForeignKey, Table
from appliance.workflow.conditions.alternatives import mask_words
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.following import Reference
from appliance.workflow.matching.rules import Computed, Decision, Keep, Rule, SelectedTable

Name = tuple[str, str]


@dataclass(frozen=True)
class CompiledTables:
    """SELECT lists by (schema, table), without generated columns; usable only if ``problems`` is empty."""

    columns: dict[Name, tuple[CompiledColumn, ...]]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def compile_tables(
    selected: Iterable[SelectedTable],
    places: Places,
    encoding: str,
    references: Sequence[Reference] = (),
    *,
    judged: frozenset[str] = frozenset(),
) -> CompiledTables:
    """Compile every column of the tables that hold rows. ``encoding`` is the source database's. Pure.

    ``references`` are those of the document: both their ends must come out alike, as a foreign key's.
    ``judged`` are the patterns of kept columns of which the workflow says why.
    """
    selected = list(selected)
    with_rows = [each for each in selected if each.table.kind != "partitioned"]
    found: list[Problem] = []
    warnings: list[str] = []
    compiled: dict[Name, tuple[CompiledColumn, ...]] = {}
    for each in with_rows:
        decided = {column.name: (column, decision) for column, decision in each.columns}
        whole = read_of_row(each, judged)
        found += [_problem(places, each.table, *decided[name], *said) for name, *said in whole.problems]
        columns: dict[str, CompiledColumn] = {}
        for name in whole.order:
            column, decision = decided[name]
            if isinstance(decision, Computed):
                continue
            problems = _misfits(each, column, decision, encoding)
            found += [_problem(places, each.table, column, decision, text) for text in problems]
            if not problems and name not in whole.wrong and columns.keys() >= set(whole.reads[name]):
                columns[name] = _compile(each, column, decision, encoding, columns)
                warnings += _warnings(each.table, column, decision)
        kept = frozenset(column.name for column, decision in each.columns if isinstance(decision, Keep))
        made = (columns[name] for name in decided if name in columns)
        compiled[each.table.all_names[0]] = tuple(with_kept(column, kept) for column in made)
    found += _foreign_key_problems(with_rows, places)
    found += _reference_problems(with_rows, references, places)
    warnings += _kept_below_a_mask(selected)
    return CompiledTables(compiled, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(warnings)))


def _misfits(selected: SelectedTable, column: Column, decision: Decision, encoding: str) -> list[str]:
    if not isinstance(decision, Rule):
        return []
    if decision.unlisted:
        return check_unlisted(selected.table, column)
    return check_column(selected.table, column, decision.mask, encoding=encoding, links=selected.links)


def _compile(
    selected: SelectedTable,
    column: Column,
    decision: Decision,
    encoding: str,
    row: Mapping[str, CompiledColumn],
) -> CompiledColumn:
    table, links = selected.table, selected.links
    if isinstance(decision, Keep):
        return keep_column(column).model_copy(update={"rule": decision.pattern, "preset": decision.preset})
    if not isinstance(decision, Rule):
        return keep_column(column)
    if decision.unlisted:
        return compile_unlisted(table, column)
    compiled = compile_column(table, column, decision.mask, encoding=encoding, row=row, links=links)
    options = {} if compiled.branches else decision.mask.params
    known = {
        "rule": decision.pattern,
        "preset": decision.preset,
        "options": options,
        "follows": decision.follows,
    }
    return compiled.model_copy(update=known)


def _warnings(table: Table, column: Column, decision: Decision) -> list[str]:
    if not isinstance(decision, Rule) or decision.unlisted:
        return []
    return [f"{_name(table, column)}: {text}." for text in column_warnings(column, decision.mask)]


def _kept_below_a_mask(selected: list[SelectedTable]) -> Iterator[str]:
    """Columns that are kept by a rule of their own, and read through a table whose column is masked."""
    masked = {
        (*each.table.all_names[0], column.name)
        for each in selected
        for column, decision in each.columns
        if isinstance(decision, Rule)
    }
    for each in selected:
        for column, decision in each.columns:
            through = [name for name in each.table.family(column)[1:] if (*name, column.name) in masked]
            if isinstance(decision, Keep) and through:
                names = " and ".join(".".join([*name, column.name]) for name in through)
                yield (
                    f"{each.table.qualified}.{column.name} is kept, and can be read through {names}, which is"
                    " masked."
                )


def _name(table: Table, column: Column) -> str:
    """As the workflow names it: a column of partitions under their root, so that it is said once."""
    return ".".join([*table.all_names[-1], column.name])


def why_this_mask(rule: Rule) -> str:
    """In brackets, where another line than the column's own has chosen the mask."""
    if rule.follows:
        return f" (it follows {rule.follows})"
    return f" (as the preset {rule.preset.said} has it)" if rule.preset else ""


def _problem(  # noqa: PLR0917
    places: Places, table: Table, column: Column, decision: Decision, text: str, expected: str = ""
) -> Problem:
    path: KeyPath = decision.path if isinstance(decision, Rule) else ("unlisted",)
    why = why_this_mask(decision) if isinstance(decision, Rule) else ""
    return places.problem(path, f"{_name(table, column)}: {text}{why}", expected)


def _reference_problems(
    selected: list[SelectedTable], references: Sequence[Reference], places: Places
) -> Iterator[Problem]:
    """What the document says to hold the same values, and would not."""
    by_name: dict[Name, SelectedTable] = {}
    for each in selected:
        for name in each.table.all_names:
            by_name.setdefault(name, each)
    for reference in references:
        here, there = by_name.get(reference.column[:2]), by_name.get(reference.to[:2])
        if here is None or there is None:
            continue
        yield from _pair_that_differs(
            here,
            there,
            (reference.column[2], reference.to[2]),
            f"{'.'.join(reference.to)}",
            f"by {path_text(reference.path)}",
            places,
        )


def _foreign_key_problems(selected: list[SelectedTable], places: Places) -> Iterator[Problem]:
    """Keys whose two ends are masked differently: the twin could not have them."""
    decided: dict[Name, SelectedTable] = {}
    for each in selected:
        for name in (each.table.all_names[0], each.table.all_names[-1]):
            decided.setdefault(name, each)
    for each in selected:
        for key in each.table.foreign_keys:
            there = decided.get((key.to_schema, key.to_table))
            if there is not None:
                yield from _ends_that_differ(each, key, there, places)


def _ends_that_differ(
    here: SelectedTable, key: ForeignKey, there: SelectedTable, places: Places
) -> Iterator[Problem]:
    for names in zip(key.columns, key.to_columns, strict=True):
        to = f"{key.to_schema}.{key.to_table}.{names[1]}"
        yield from _pair_that_differs(here, there, names, to, f"foreign key {key.name}", places)


def _pair_that_differs(  # noqa: PLR0917
    here: SelectedTable, there: SelectedTable, names: tuple[str, str], to: str, by: str, places: Places
) -> Iterator[Problem]:
    ours = {column.name: (column, decision) for column, decision in here.columns}
    theirs = {column.name: (column, decision) for column, decision in there.columns}
    if names[0] not in ours or names[1] not in theirs:
        return
    (column, decision), (other_column, other_decision) = ours[names[0]], theirs[names[1]]
    mask, other_mask = _mask_of(decision), _mask_of(other_decision)
    end = End(here.table, column, mask, here.links)
    other_end = End(there.table, other_column, other_mask, there.links)
    why = reference_problem(end, other_end)
    if why is None:
        return
    paths = [each.path for each in (decision, other_decision) if isinstance(each, Rule)]
    path: KeyPath = paths[0] if paths else ("unlisted",)
    yield places.problem(
        path,
        f"{_name(here.table, column)} ({_described(mask)}) refers to {to} ({_described(other_mask)}), {by}",
        "the same mask for both, or both under keep" if mask != other_mask else f"another mask: {why}",
    )


def _mask_of(decision: Decision | None) -> MaskSpec | None:
    return decision.mask if isinstance(decision, Rule) else None


def _described(mask: MaskSpec | None) -> str:
    return "kept" if mask is None else f"masked with {mask_words(mask)}"
