"""Which tables a workflow selects, and what happens to each of their columns: rules matched to a catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from appliance.problems import KeyPath, Places, Problem, did_you_mean
from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.document import MaskSpec, RowFilter, Workflow
from appliance.workflow.patterns import Pattern, Specificity, literal_pattern, parse_pattern

_AGE_TYPES = ("date", "timestamp without time zone", "timestamp with time zone")
_MAX_SUGGESTIONS = 20
"""Looking for a similar name takes milliseconds in a large catalog, and a hostile document has many names."""


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


@dataclass(frozen=True)
class Matching:
    """The outcome. ``tables`` is to be used only if ``problems`` is empty, and ``uncovered`` too."""

    tables: tuple[SelectedTable, ...]
    """In the catalog's order. Partitioned tables, which hold no rows, among them."""
    problems: tuple[Problem, ...]
    uncovered: tuple[tuple[Table, Column], ...]
    """What ``unlisted: halt`` stops at. A column of a partitioned table stands here once, under its root."""


@dataclass
class _Written:
    """One pattern as it stands in the document, and what it has matched so far."""

    pattern: Pattern
    path: KeyPath
    mask: MaskSpec | None = None
    rows: RowFilter | None = None
    matched: bool = False
    matched_elsewhere: bool = False
    """It matched tables or columns, but none that are copied."""
    matched_generated: bool = False

    @property
    def key(self) -> str:
        return str(self.path[0])


@dataclass
class _Work:
    workflow: Workflow
    catalog: Catalog
    places: Places
    problems: list[Problem] = field(default_factory=list)
    ties: set[tuple[str, ...]] = field(default_factory=set)
    suggestions: int = 0

    def problem(self, path: KeyPath, what: str, expected: str = "") -> None:
        self.problems.append(self.places.problem(path, what, expected))


def match_rules(workflow: Workflow, catalog: Catalog, places: Places | None = None) -> Matching:
    """Match a workflow's patterns to a source's tables and columns. Pure; finds all problems at once.

    A partition is matched under its own name and those of the partitioned tables above it, the nearest being
    the more specific of two that are otherwise equal. ``places`` adds lines to the problems.
    """
    work = _Work(workflow, catalog, places or Places())
    include = _written(workflow.tables.include, 2, ("tables", "include"))
    exclude = _written(workflow.tables.exclude, 2, ("tables", "exclude"))
    rows = [
        _Written(parse_pattern(each, 2), ("rows", each), rows=rule) for each, rule in workflow.rows.items()
    ]
    masks = [_Written(parse_pattern(each, 3), ("masks", each), mask) for each, mask in workflow.masks.items()]
    rules = masks + _written(workflow.keep, 3, ("keep",))

    chosen = _select(catalog, include, exclude)
    selected = []
    for table in catalog.tables:
        if table.oid in chosen:
            selected.append(_decide(work, table, rows, rules))
        else:
            _note_elsewhere(table, rows, rules)
    for written in (*include, *exclude, *rows, *rules):
        _complain_if_useless(work, written)
    if not selected and not work.problems:
        work.problem(("tables",), "selects no table", "patterns of include that exclude does not take away")
    return Matching(tuple(selected), tuple(work.problems), _uncovered(selected, catalog))


def _written(patterns: Sequence[str], parts: int, path: KeyPath) -> list[_Written]:
    return [_Written(parse_pattern(text, parts), (*path, index)) for index, text in enumerate(patterns)]


def _select(catalog: Catalog, include: list[_Written], exclude: list[_Written]) -> set[int]:
    """The oids of the tables to copy; foreign tables hold no rows here and are never among them."""
    chosen: set[int] = set()
    for table in catalog.tables:
        names = table.all_names
        taken = [each for each in include if any(each.pattern.matches(*name) for name in names)]
        dropped = [each for each in exclude if any(each.pattern.matches(*name) for name in names)]
        if table.kind == "foreign":
            for written in taken:
                written.matched_elsewhere = True
        else:
            for written in taken:
                written.matched = True
            if taken and not dropped:
                chosen.add(table.oid)
        for written in dropped:
            written.matched = True
    return chosen


def _note_elsewhere(table: Table, rows: Iterable[_Written], rules: Iterable[_Written]) -> None:
    names = table.all_names
    for written in rows:
        written.matched_elsewhere |= any(written.pattern.matches(*name) for name in names)
    for written in rules:
        if not written.matched and not written.matched_elsewhere:
            of_table = any(_matches_table(written.pattern, name) for name in names)
            column = written.pattern.parts[2]
            written.matched_elsewhere = of_table and any(column.matches(each.name) for each in table.columns)


def _distance(pattern: Pattern, names: Sequence[tuple[str, str]]) -> int | None:
    """Which of a table's names the pattern matches first: 0 for its own; None for none of them."""
    return next((place for place, name in enumerate(names) if _matches_table(pattern, name)), None)


def _matches_table(pattern: Pattern, name: tuple[str, str]) -> bool:
    return pattern.parts[0].matches(name[0]) and pattern.parts[1].matches(name[1])


Candidate = tuple[tuple[Specificity, int], _Written]
"""How specific a pattern is for a table, and the pattern: of equals, that of the nearer name wins."""


def _decide(work: _Work, table: Table, rows: list[_Written], rules: list[_Written]) -> SelectedTable:
    names = table.all_names
    by_column: dict[str, list[Candidate]] = defaultdict(list)
    with_wildcard: list[Candidate] = []
    for written in rules:
        distance = _distance(written.pattern, names)
        if distance is not None:
            candidate = ((written.pattern.specificity, -distance), written)
            last = written.pattern.parts[2]
            (by_column[last.pieces[0]] if last.literal else with_wildcard).append(candidate)
    columns: list[tuple[Column, Decision]] = []
    for column in table.columns:
        candidates = by_column.get(column.name, []) + [
            each for each in with_wildcard if each[1].pattern.parts[2].matches(column.name)
        ]
        columns.append((column, _decide_column(work, table, column, candidates)))
    return SelectedTable(table, tuple(columns), _row_filter(work, table, rows))


def _decide_column(work: _Work, table: Table, column: Column, candidates: list[Candidate]) -> Decision:
    for _, written in candidates:
        if column.generated:
            written.matched_generated = True
        else:
            written.matched = True
    if column.generated:
        return Computed()
    best = _best(work, candidates, f"{table.qualified}.{column.name}")
    if best is None:
        unlisted = work.workflow.unlisted
        if unlisted == "null":
            return Rule(MaskSpec(mask="null"), None)
        return Keep(None) if unlisted == "keep" else Uncovered()
    return Rule(best.mask, best.pattern.text) if best.mask is not None else Keep(best.pattern.text)


def _best(work: _Work, candidates: list[Candidate], matched: str) -> _Written | None:
    if not candidates:
        return None
    highest = max(rank for rank, _ in candidates)
    best = [written for rank, written in candidates if rank == highest]
    tied = tuple(sorted(f"{written.key}: {written.pattern.text}" for written in best))
    if len(best) > 1 and tied not in work.ties:
        work.ties.add(tied)
        others = " and ".join(f"`{written.pattern.text}` ({written.key})" for written in best[:-1])
        what = f"is as specific as {others}, and both match {matched}"
        work.problem(best[-1].path, what, "one of them to name more, or to be removed")
    return best[0]


def _row_filter(work: _Work, table: Table, rows: list[_Written]) -> RowFilter | None:
    names = table.all_names
    candidates: list[Candidate] = []
    for written in rows:
        distance = _distance(written.pattern, names)
        if distance is not None:
            written.matched = True
            candidates.append(((written.pattern.specificity, -distance), written))
    best = _best(work, candidates, table.qualified)
    if best is None or best.rows is None:
        return None
    if best.rows.by is not None:
        path = (*best.path, "by")
        column = next((each for each in table.columns if each.name == best.rows.by), None)
        if column is None:
            close = did_you_mean(best.rows.by, [each.name for each in table.columns])
            hint = f": did you mean {close}?" if close else ""
            work.problem(
                path, f"{table.qualified} has no column `{best.rows.by}`", "one of its columns" + hint
            )
        elif column.base_type not in _AGE_TYPES:
            what = f"{table.qualified}.{column.name} is of type {column.type}"
            work.problem(path, what, "a date or timestamp column")
    return best.rows


def _complain_if_useless(work: _Work, written: _Written) -> None:
    text = written.pattern.text
    if written.matched or (written.matched_generated and written.mask is None):
        return
    if written.matched_generated:
        what = f"`{text}` matches only generated columns, which the twin computes from the others"
        work.problem(written.path, what, "masks for the columns they are computed from")
    elif written.matched_elsewhere and written.key == "tables":
        work.problem(
            written.path, f"`{text}` matches only foreign tables", "tables that hold rows themselves"
        )
    elif written.matched_elsewhere:
        things = "columns of tables" if len(written.pattern.parts) == 3 else "tables"
        what = f"`{text}` matches only {things} that are not selected"
        work.problem(written.path, what, "a pattern for what is copied, or tables.include to select more")
    else:
        what = f"`{text}` matches nothing in the source"
        work.problem(written.path, what, _what_there_is(work, written.pattern))


def _what_there_is(work: _Work, pattern: Pattern) -> str:
    """What the pattern could have meant; views and foreign tables are not in the catalog's tables."""
    thing = "table" if len(pattern.parts) == 2 else "column"
    expected = f"the name of a {thing} as it is stored (views are not copied, so they match nothing)"
    if work.suggestions >= _MAX_SUGGESTIONS:
        return expected
    work.suggestions += 1
    tables = [
        table for table in work.catalog.tables if _matches_table(pattern, (table.schema_name, table.name))
    ]
    if thing == "column" and tables:
        known = [
            literal_pattern(each.schema_name, each.name, column.name)
            for each in tables
            for column in each.columns
        ]
    else:
        known = [literal_pattern(table.schema_name, table.name) for table in work.catalog.tables]
    text = pattern.text if thing == "table" or tables else pattern.text.rpartition(".")[0]
    close = did_you_mean(text, known)
    return f"{expected}: did you mean {close}?" if close else expected


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
