"""The columns screen: a source's columns with what was found of each and what the document does with it.

From a reported catalog and a document's data, by the same code with which an appliance plans, so that what is
offered here fits there. Pure; only what is unfolded is worked out in full.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.dashboard.store.appliances.catalogs import SourceCatalog
from appliance.dashboard.web.column_lines import ColumnLine, TableGroup, table_name
from appliance.discovery.findings import Finding
from appliance.discovery.reporting import catalog_of, findings_of
from appliance.discovery.workflow_text import judged
from appliance.documents.problems import path_text
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.masking.suggesting.suggestions import Place, Suggestion, suggestions
from appliance.workflow.document import Workflow
from appliance.workflow.matching.match_problems import MATCHES_NOTHING
from appliance.workflow.matching.patterns import literal_pattern, quote_name
from appliance.workflow.matching.rules import Keep, Matching, Rule, match_rules

MOST_ROWS = 300
"""Shown at a time; a filter or a search narrows the rest."""
MOST_NOTES = 5
FILTERS = ("all", "open", "personal", "mask", "keep", "new")
FEW_TABLES = 2
"""So few are unfolded from the beginning."""


@dataclass(frozen=True)
class Asked:
    """What the user wants to see."""

    search: str = ""
    filter: str = "all"
    unfolded: frozenset[str] = frozenset()
    options_of: str = ""
    new_since: float = 0.0
    """What has come or changed after this moment counts as new."""


@dataclass
class Screen:
    """All that the screen shows."""

    source: SourceCatalog
    schemas: dict[str, list[TableGroup]]
    lines: list[ColumnLine]
    unselected: dict[str, int]
    """Schemas with tables that the document does not select, and how many."""
    notes: tuple[str, ...]
    """What else is wrong with its rules."""
    idle: tuple[str, ...]
    """Patterns of masks and kept columns that match nothing, at which a run would stop."""
    unnamed: int = 0
    """Columns of the source whose names no event can have."""
    unlisted: int = 0
    """Tables of the source that were not reported, for their names or because there are too many."""
    cut: int = 0
    """Lines that would be shown if there were fewer."""

    @property
    def counts(self) -> dict[str, int]:
        """How many columns each filter leaves."""
        return {name: sum(passes(line, name) for line in self.lines) for name in FILTERS}

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """Kinds with suggestions to accept: kind, in words, how many; the most frequent first."""
        found = Counter(
            line.finding.kind
            for line in self.lines
            if line.suggestion is not None and line.suggestion.decided and line.finding.kind
        )
        return [(kind, SPOKEN[kind], count) for kind, count in found.most_common()]

    @property
    def acceptable(self) -> int:
        """For how many columns there is a suggestion."""
        return sum(line.suggestion is not None and line.suggestion.decided for line in self.lines)

    def suggested(self, scope: str, what: str) -> list[tuple[str, Suggestion]]:
        """The suggestions of a column, a table, a kind, or all."""
        return [
            (line.pattern, line.suggestion)
            for line in self.lines
            if line.suggestion is not None
            and (
                scope == "all"
                or (scope == "column" and line.pattern == what)
                or (scope == "table" and table_name(line.table) == what)
                or (scope == "kind" and line.finding.kind == what)
            )
        ]


def passes(line: ColumnLine, filter_: str) -> bool:
    """Whether a filter leaves a line."""
    match filter_:
        case "open" | "mask" | "keep":
            return line.state == filter_
        case "personal":
            return line.finding.verdict == "personal"
        case "new":
            return line.new
    return True


def screen(data: Mapping[str, Any], source: SourceCatalog, asked: Asked) -> Screen | None:
    """The screen for a document, valid or not yet; None where its rules cannot be read at all."""
    workflow = lenient(data)
    if workflow is None:
        return None
    catalog = catalog_of(source.tables)
    matching = match_rules(workflow, catalog)
    said = {finding.place: finding for finding in findings_of(source.tables)}
    found = suggestions(matching, judged=judged(list(said.values())))
    lines = _lines(matching, said, found, _reasons(data), source, asked.new_since)
    made = Screen(
        source,
        _grouped(lines, source),
        lines,
        _unselected(source, matching),
        *_notes(data, matching),
        unnamed=sum(table.unnamed for table in source.tables),
        unlisted=max(0, source.tables_total - len(source.tables)),
    )
    _fold(made, asked)
    return made


def _notes(data: Mapping[str, Any], matching: Matching) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with the rules, and the patterns that match nothing."""
    notes, idle = [], []
    for problem in matching.problems:
        key = problem.path[0] if problem.path else ""
        if key in ("masks", "keep") and problem.what.endswith(MATCHES_NOTHING) and len(problem.path) > 1:
            idle.append(_pattern_at(data, problem.path))
        elif key != "tables":
            notes.append(f"{path_text(problem.path)}: {problem.what}")
    return tuple(notes[:MOST_NOTES]), tuple(dict.fromkeys(each for each in idle if each))


def _pattern_at(data: Mapping[str, Any], path: Sequence[str | int]) -> str:
    """The pattern of a rule, by where it stands."""
    if path[0] == "masks":
        return str(path[1])
    keep = data.get("keep")
    entry = keep[path[1]] if isinstance(keep, list) and isinstance(path[1], int) else ""
    return str(entry.get("column", "") if isinstance(entry, dict) else entry)


def lenient(data: Mapping[str, Any]) -> Workflow | None:
    """What the document says of tables and columns, whatever is missing in the rest of it."""
    tables = data.get("tables")
    given = tables if isinstance(tables, dict) and tables.get("include") else {"include": ["*.*"]}
    asked = ("masks", "keep", "use", "unlisted", "references", "subjects")
    rules = {key: data[key] for key in asked if key in data}
    head = {"id": "x", "source": "source", "deliver": [{"twin": {"connection": "twin"}}]}
    try:
        return Workflow.model_validate({**head, "tables": given, **rules})
    except ValidationError:
        return None


def _lines(  # noqa: PLR0917
    matching: Matching,
    said: Mapping[Place, Finding],
    found: Mapping[Place, Suggestion],
    reasons: Mapping[str, str],
    source: SourceCatalog,
    new_since: float,
) -> list[ColumnLine]:
    lines = []
    for selected in matching.tables:
        table = selected.table
        for column, decision in selected.columns:
            place = (table.schema_name, table.name, column.name)
            pattern = literal_pattern(*place)
            own = isinstance(decision, Rule | Keep) and decision.pattern == pattern and not decision.preset
            own = own and not (isinstance(decision, Rule) and decision.follows)
            lines.append(
                ColumnLine(
                    pattern,
                    table,
                    column,
                    said[place],
                    decision,
                    own,
                    reasons.get(pattern, ""),
                    found.get(place),
                    source.since.get(pattern, 0.0) > new_since,
                    selected.links,
                )
            )
    return lines


def _reasons(data: Mapping[str, Any]) -> dict[str, str]:
    keep = data.get("keep")
    entries = [each for each in keep if isinstance(each, dict)] if isinstance(keep, list) else []
    return {str(each.get("column", "")): str(each.get("because", "")) for each in entries}


def _grouped(lines: list[ColumnLine], source: SourceCatalog) -> dict[str, list[TableGroup]]:
    facts = {(table.schema_name, table.name): table for table in source.tables}
    groups: dict[tuple[str, str], TableGroup] = {}
    for line in lines:
        name = (line.table.schema_name, line.table.name)
        if name not in groups:
            groups[name] = TableGroup(
                table_name(line.table), facts[name].rows, facts[name].not_looked_at or ""
            )
        groups[name].lines.append(line)
    schemas: dict[str, list[TableGroup]] = defaultdict(list)
    for (schema, _), group in groups.items():
        schemas[schema].append(group)
    return dict(schemas)


def _unselected(source: SourceCatalog, matching: Matching) -> dict[str, int]:
    chosen = {(each.table.schema_name, each.table.name) for each in matching.tables}
    return dict(
        Counter(
            f"{quote_name(table.schema_name)}.*"
            for table in source.tables
            if (table.schema_name, table.name) not in chosen
        )
    )


def _fold(made: Screen, asked: Asked) -> None:
    """Say what is shown: of unfolded tables all that passes, and of the others what was searched for."""
    narrowed = bool(asked.search.strip()) or asked.filter != "all"
    groups = [group for schema in made.schemas.values() for group in schema]
    room = MOST_ROWS
    for group in groups:
        passing = [line for line in group.lines if passes(line, asked.filter) and _has(line, asked.search)]
        group.unfolded = (
            group.name in asked.unfolded or len(groups) <= FEW_TABLES or (narrowed and bool(passing))
        )
        if group.unfolded:
            group.shown = passing[:room]
            made.cut += len(passing) - len(group.shown)
            room -= len(group.shown)
    if narrowed:
        made.schemas = {
            schema: kept
            for schema, tables in made.schemas.items()
            if (kept := [group for group in tables if group.shown or _would(group, asked)])
        }


def _would(group: TableGroup, asked: Asked) -> bool:
    return any(passes(line, asked.filter) and _has(line, asked.search) for line in group.lines)


def _has(line: ColumnLine, search: str) -> bool:
    """Every word is somewhere in what is known of the column."""
    words = search.lower().split()
    shown = [line.pattern, line.column.type, line.spoken, line.mask_text or line.state]
    text = " ".join(shown).lower()
    return all(word in text for word in words)
