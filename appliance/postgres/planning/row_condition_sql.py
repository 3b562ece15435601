"""The SQL of a workflow's row condition, over the table under the alias ``t``.

A condition of the grammar is written anew from its tree. Free SQL stays as it is and runs apart, in a session
that no key is bound in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from appliance.masking.expressions.row_condition import row_condition, row_misfits
from appliance.workflow.catalog import Table
from appliance.workflow.conditions.grammar import BeyondGrammarError, parse_condition, why_free
from appliance.workflow.matching.rules import SelectedTable

Name = tuple[str, str]


def condition_sql(table: Table, text: str) -> str:
    """The condition, in parentheses. ``condition_misfits`` must have found nothing."""
    try:
        condition = parse_condition(text)
    except BeyondGrammarError:
        return f"({text}\n)"
    return row_condition(condition, table, "t")


def condition_misfits(table: Table, text: str) -> list[str]:
    """Why a condition of the grammar does not fit the table, a sentence each; none for free SQL."""
    try:
        condition = parse_condition(text)
    except BeyondGrammarError:
        return []
    return row_misfits(condition, table)


def apart(selected: Iterable[SelectedTable]) -> frozenset[Name]:
    """Tables whose rows depend on free SQL: their own, or that of a table they refer to, however far."""
    pointing: dict[Name, set[Name]] = defaultdict(set)
    leaves: dict[Name, list[Name]] = defaultdict(list)
    found: list[Name] = []
    for each in selected:
        own = each.table.all_names[-1]
        leaves[own].append(each.table.all_names[0])
        for key in each.table.foreign_keys:
            pointing[key.to_schema, key.to_table].add(own)
        if each.rows is not None and each.rows.where is not None and why_free(each.rows.where) is not None:
            found.append(own)
    seen = set(found)
    for name in found:
        further = pointing[name] - seen
        seen |= further
        found.extend(further)
    return frozenset(leaf for name in seen for leaf in leaves[name])
