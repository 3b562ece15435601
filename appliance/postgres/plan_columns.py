"""From matched rules to the SELECT list of every table, with all that does not fit found at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import (
    check_column,
    check_unlisted,
    column_warnings,
    compile_column,
    compile_unlisted,
    keep_column,
)
from appliance.problems import Places, Problem
from appliance.workflow.catalog import Column, ForeignKey, Table
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching import Computed, Decision, Rule, SelectedTable

Name = tuple[str, str]


@dataclass(frozen=True)
class CompiledTables:
    """SELECT lists by (schema, table), without generated columns; usable only if ``problems`` is empty."""

    columns: dict[Name, tuple[CompiledColumn, ...]]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def compile_tables(selected: Iterable[SelectedTable], places: Places, encoding: str) -> CompiledTables:
    """Compile every column of the tables that hold rows. ``encoding`` is the source database's. Pure."""
    with_rows = [each for each in selected if each.table.kind != "partitioned"]
    found: list[Problem] = []
    warnings: list[str] = []
    compiled: dict[Name, tuple[CompiledColumn, ...]] = {}
    for each in with_rows:
        columns = []
        for column, decision in each.columns:
            if isinstance(decision, Computed):
                continue
            problems = _misfits(each.table, column, decision, encoding)
            found += [_problem(places, each.table, column, decision, text) for text in problems]
            if not problems:
                columns.append(_compile(each.table, column, decision, encoding))
                warnings += _warnings(each.table, column, decision)
        compiled[each.table.all_names[0]] = tuple(columns)
    found += _foreign_key_problems(with_rows, places)
    return CompiledTables(compiled, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(warnings)))


def _misfits(table: Table, column: Column, decision: Decision, encoding: str) -> list[str]:
    if not isinstance(decision, Rule):
        return []
    if decision.unlisted:
        return check_unlisted(table, column)
    return check_column(table, column, decision.mask, encoding=encoding)


def _compile(table: Table, column: Column, decision: Decision, encoding: str) -> CompiledColumn:
    if not isinstance(decision, Rule):
        return keep_column(column)
    if decision.unlisted:
        return compile_unlisted(table, column)
    return compile_column(table, column, decision.mask, encoding=encoding)


def _warnings(table: Table, column: Column, decision: Decision) -> list[str]:
    if not isinstance(decision, Rule) or decision.unlisted:
        return []
    return [f"{_name(table, column)}: {text}." for text in column_warnings(column, decision.mask)]


def _name(table: Table, column: Column) -> str:
    """As the workflow names it: a column of partitions under their root, so that it is said once."""
    return ".".join([*table.all_names[-1], column.name])


def _problem(places: Places, table: Table, column: Column, decision: Decision, text: str) -> Problem:
    pattern = decision.pattern if isinstance(decision, Rule) else None
    path = ("masks", pattern) if pattern is not None else ("unlisted",)
    return places.problem(path, f"{_name(table, column)}: {text}")


def _foreign_key_problems(selected: list[SelectedTable], places: Places) -> Iterator[Problem]:
    """Keys whose two ends are masked differently: the twin could not have them."""
    decided: dict[Name, dict[str, Decision]] = {}
    for each in selected:
        for name in (each.table.all_names[0], each.table.all_names[-1]):
            decided.setdefault(name, {column.name: decision for column, decision in each.columns})
    for each in selected:
        here = decided[each.table.all_names[0]]
        for key in each.table.foreign_keys:
            there = decided.get((key.to_schema, key.to_table))
            if there is not None:
                yield from _ends_that_differ(each.table, key, here, there, places)


def _ends_that_differ(
    table: Table, key: ForeignKey, here: dict[str, Decision], there: dict[str, Decision], places: Places
) -> Iterator[Problem]:
    for name, other in zip(key.columns, key.to_columns, strict=True):
        decision, other_decision = here.get(name), there.get(other)
        mask, other_mask = _mask_of(decision), _mask_of(other_decision)
        column = next(column for column in table.columns if column.name == name)
        # A NULL refers to nothing, so it may replace any reference that may be NULL.
        if mask == other_mask or (mask is not None and mask.mask == "null" and not column.not_null):
            continue
        patterns = [each.pattern for each in (decision, other_decision) if isinstance(each, Rule)]
        path = ("masks", patterns[0]) if patterns and patterns[0] is not None else ("unlisted",)
        yield places.problem(
            path,
            f"{_name(table, column)} ({_described(mask)}) refers to {key.to_schema}.{key.to_table}.{other}"
            f" ({_described(other_mask)}), foreign key {key.name}",
            "the same mask for both, or both under keep",
        )


def _mask_of(decision: Decision | None) -> MaskSpec | None:
    return decision.mask if isinstance(decision, Rule) else None


def _described(mask: MaskSpec | None) -> str:
    return "kept" if mask is None else f"masked with {mask.mask}"
