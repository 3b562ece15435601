"""Which tables a workflow selects, and what happens to each of their columns: rules matched to a catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.documents.problems import KeyPath, Places, Problem
from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.matching.decisions import (
    Computed,
    Decision,
    Keep,
    Rule,
    SelectedTable,
    Uncovered,
)
from appliance.workflow.matching.following import Reference, declared_references, followed
from appliance.workflow.matching.linking import linked
from appliance.workflow.matching.match_problems import MatchProblems
from appliance.workflow.matching.written_patterns import (
    Rank,
    RuleIndex,
    WrittenPattern,
    WrittenPatterns,
    written_patterns,
)
from appliance.workflow.row_filter import RowFilter

__all__ = ["Computed", "Decision", "Keep", "Matching", "Rule", "SelectedTable", "Uncovered", "match_rules"]


@dataclass(frozen=True)
class Matching:
    """The outcome. ``tables`` is to be used only if ``problems`` is empty, and ``uncovered`` too."""

    tables: tuple[SelectedTable, ...]
    """In the catalog's order. Partitioned tables, which hold no rows, among them."""
    problems: tuple[Problem, ...]
    uncovered: tuple[tuple[Table, Column], ...]
    """What ``unlisted: halt`` stops at. A column of a partitioned table stands here once, under its root."""
    notices: tuple[str, ...] = ()
    """What is odd and no problem."""
    references: tuple[Reference, ...] = ()
    """Columns that the document says to hold another one's values."""


def selected_oids(workflow: Workflow, catalog: Catalog) -> set[int]:
    """The tables that a workflow selects, partitioned ones too."""
    return _select(catalog, written_patterns(workflow))


Candidate = tuple[Rank, WrittenPattern]


def match_rules(workflow: Workflow, catalog: Catalog, places: Places | None = None) -> Matching:
    """Match a workflow's patterns to a source's tables and columns. Pure; finds all problems at once.

    A partition is matched under its own name and those of the partitioned tables above it, the nearest being
    the more specific of two that are otherwise equal. A mask for a column of a table that another INHERITS
    from holds for that one's column too, in the same order; what is kept there does not. What refers to a
    masked column, by a foreign key or by the document's word, is masked alike. ``places`` adds lines to the
    problems.
    """
    problems = MatchProblems(catalog, places or Places())
    patterns = written_patterns(workflow)
    chosen = _select(catalog, patterns)
    index = RuleIndex(patterns.rules)
    selected = []
    for table in catalog.tables:
        if table.oid in chosen:
            columns = _decide(workflow, problems, table, index.about(table))
            selected.append(SelectedTable(table, columns, _row_filter(problems, table, patterns.rows)))
        else:
            _note_elsewhere(table, patterns)
    references = declared_references(patterns.references, selected, catalog, problems)
    selected = followed(selected, references, problems)
    selected = linked(workflow, selected, catalog, references, problems)
    problems.useless_presets(patterns.rules)
    for written in patterns.all():
        problems.useless(written)
    problems.useless_beside_exclude(patterns)
    if not selected and not problems.found:
        problems.add(("tables",), "selects no table", "patterns of include that exclude does not take away")
    return Matching(
        tuple(selected),
        tuple(problems.found),
        _uncovered(selected, catalog),
        tuple(problems.notices),
        references,
    )


def without_uncovered(matching: Matching) -> Matching:
    """The same without the columns that nothing covers."""
    tables = tuple(
        replace(each, columns=tuple(pair for pair in each.columns if not isinstance(pair[1], Uncovered)))
        for each in matching.tables
    )
    return replace(matching, tables=tables, uncovered=())


def _select(catalog: Catalog, patterns: WrittenPatterns) -> set[int]:
    """The oids of the tables to copy; foreign tables hold no rows here and are never among them."""
    chosen: set[int] = set()
    for table in catalog.tables:
        taken = [each for each in patterns.include if each.rank(table) is not None]
        dropped = [each for each in patterns.exclude if each.rank(table) is not None]
        is_foreign = table.kind == "foreign"
        for written in taken:
            written.matched |= not is_foreign
            written.matched_elsewhere |= is_foreign
        for written in dropped:
            written.matched = True
        if taken and not dropped and not is_foreign:
            chosen.add(table.oid)
    return chosen


def _note_elsewhere(table: Table, patterns: WrittenPatterns) -> None:
    """What patterns match in a table that is not copied, so that the reason can be given."""
    excluded = any(each.rank(table) is not None for each in patterns.exclude)
    for written in (*patterns.rows, *patterns.rules):
        # Of one that is known to be about a table beside exclude nothing more is asked.
        known = written.matched_excluded or (written.matched_elsewhere and not excluded)
        if written.matched or known or written.rank(table) is None:
            continue
        whole = len(written.pattern.parts) == 2
        if whole or any(written.matches_column(each.name) for each in table.columns):
            written.matched_elsewhere = True
            written.matched_excluded = excluded


def _decide(
    workflow: Workflow, problems: MatchProblems, table: Table, rules: Iterable[WrittenPattern]
) -> tuple[tuple[Column, Decision], ...]:
    by_name: dict[str, list[Candidate]] = defaultdict(list)
    with_wildcard: list[Candidate] = []
    rules = list(rules)
    for written in rules:
        rank = written.rank(table)
        if rank is not None:
            last = written.pattern.parts[-1]
            (by_name[last.pieces[0]] if last.literal else with_wildcard).append((rank, written))
    columns = []
    for column in table.columns:
        wild = [each for each in with_wildcard if each[1].matches_column(column.name)]
        candidates = by_name.get(column.name, []) + wild
        if column.inherited_from:
            candidates += _from_above(rules, column, {written.path for _, written in candidates})
        columns.append((column, _decide_column(workflow, problems, column, candidates)))
    return tuple(columns)


def _from_above(
    rules: Iterable[WrittenPattern],
    column: Column,
    own: Collection[KeyPath],
) -> list[Candidate]:
    """Masks for the column in a table that this one INHERITS from: a query of that one reads this one too."""
    ranked = [(written.ancestor_rank(column), written) for written in rules if written.path not in own]
    return [(rank, written) for rank, written in ranked if rank is not None]


def _decide_column(
    workflow: Workflow, problems: MatchProblems, column: Column, candidates: Sequence[Candidate]
) -> Decision:
    for _, written in candidates:
        if column.generated:
            written.matched_generated = True
        else:
            written.matched = True
    if column.generated:
        return Computed()
    best = _first(problems, candidates, f"{column.schema_name}.{column.table_name}.{column.name}")
    if best is not None:
        text, preset = best.pattern.text, best.preset
        return Keep(text, preset) if best.mask is None else Rule(best.mask, text, preset=preset)
    if workflow.unlisted == "null":
        return Rule(MaskSpec(mask="null"), None)
    return Keep(None) if workflow.unlisted == "keep" else Uncovered()


def _first(problems: MatchProblems, candidates: Sequence[Candidate], matched: str) -> WrittenPattern | None:
    """What the workflow says itself, else what the first preset says that says something.

    What is kept by a wildcard gives way to a mask of a preset after it: a mask is about what is personal, and
    ``keep: [public.*.*]`` about the rest.
    """
    kept = None
    for layer in sorted({written.layer for _, written in candidates}):
        best = _best(problems, [each for each in candidates if each[1].layer == layer], matched)
        if best is None or best.mask is not None:
            return best
        kept = kept or best
        if best.names_the_column:
            break
    return kept


def _best(problems: MatchProblems, candidates: Sequence[Candidate], matched: str) -> WrittenPattern | None:
    if not candidates:
        return None
    highest = max(rank for rank, _ in candidates)
    best = [written for rank, written in candidates if rank == highest]
    # Two parents may mask alike what a child has from both.
    from_above = highest[1] < 0 and best[0].mask is not None
    if len(best) > 1 and not (from_above and all(each.mask == best[0].mask for each in best)):
        problems.tie(best, matched)
    return best[0]


def _row_filter(problems: MatchProblems, table: Table, rows: Iterable[WrittenPattern]) -> RowFilter | None:
    ranked = [(written.rank(table), written) for written in rows]
    candidates = [(rank, written) for rank, written in ranked if rank is not None]
    for _, written in candidates:
        written.matched = True
    best = _best(problems, candidates, table.qualified)
    if best is None or best.rows is None:
        return None
    problems.rows(table, best, best.rows)
    return best.rows


def _uncovered(selected: list[SelectedTable], catalog: Catalog) -> tuple[tuple[Table, Column], ...]:
    tables = {(table.schema_name, table.name): table for table in catalog.tables}
    found: dict[tuple[str, str, str], tuple[Table, Column]] = {}
    for each in selected:
        if each.table.kind == "partitioned":
            continue
        name = each.table.all_names[-1]
        for column, decision in each.columns:
            if isinstance(decision, Uncovered):
                found.setdefault((*name, column.name), (tables.get(name, each.table), column))
    return tuple(found.values())
