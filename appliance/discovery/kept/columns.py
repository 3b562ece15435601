"""A look at the columns that a workflow keeps: what of them looks personal, by name, type or sample."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping

from appliance.discovery.findings import Finding
from appliance.discovery.judging import spoken
from appliance.discovery.scanning import TABLES_AT_ONCE, Sampler, Session, look_at, sampled_tables
from appliance.documents.problems import printable
from appliance.workflow.catalog import Table
from appliance.workflow.conditions.alternatives import keeps_rows
from appliance.workflow.matching.patterns import literal_pattern
from appliance.workflow.matching.rules import Keep, Matching, Rule

ROWS = 300
"""Of a table: a plan is waited for."""
_LONGEST_S = 60
"""After that, what is left is judged by name and type."""


def kept_that_look_personal(
    session: Session,
    encoding: str,
    matching: Matching,
    judged: Collection[str],
    but: Mapping[tuple[str, str], str] | None = None,
) -> list[str]:
    """A line for each, with the evidence. ``judged`` are the patterns that say why they keep.

    ``but``: by table what is true, over the alias ``t``, of rows that a run does not copy.
    """
    families: dict[tuple[str, str], list[Table]] = defaultdict(list)
    kept: dict[tuple[str, str], set[str]] = defaultdict(set)
    partly: dict[tuple[str, str], set[str]] = defaultdict(set)
    for selected in matching.tables:
        root = selected.table.all_names[-1]
        families[root].append(selected.table)
        kept[root] |= {
            column.name
            for column, decision in selected.columns
            if isinstance(decision, Keep) and decision.pattern not in judged
        }
        partly[root] |= {
            column.name
            for column, decision in selected.columns
            if isinstance(decision, Rule) and keeps_rows(decision.mask) and decision.pattern not in judged
        }
        kept[root] |= partly[root]
    sampler = Sampler(lambda: session, encoding, ROWS, but=but)
    give_up = time.monotonic() + _LONGEST_S
    lines: list[str] = []
    looked_at = [(root, members) for root, members in families.items() if kept[root]]
    for number, (root, members) in enumerate(looked_at):
        if number % TABLES_AT_ONCE == 0 and time.monotonic() < give_up:
            some = looked_at[number : number + TABLES_AT_ONCE]
            sampler.look_ahead(table for name, each in some for table in sampled_tables(each, kept[name]))
        tables = members if time.monotonic() < give_up else _by_name_alone(members)
        found, _ = look_at(tables, sampler, kept[root])
        lines += [
            _line(each, "in some rows " if each.place[2] in partly[root] else "")
            for each in found
            if each.verdict == "personal"
        ]
    return lines


def _by_name_alone(members: list[Table]) -> list[Table]:
    return [table.model_copy(update={"readable": False}) for table in members]


def _line(finding: Finding, which: str) -> str:
    return printable(f"{literal_pattern(*finding.place)} is kept {which}and looks like {spoken(finding)}")
