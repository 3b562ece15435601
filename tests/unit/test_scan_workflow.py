"""What a scan writes plans: each column masked, kept with a reason, or left to a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.discovery.findings import ColumnCounts, Finding, Scan
from appliance.discovery.judging import judge
from appliance.discovery.places import is_looked_at
from appliance.discovery.reporting import reported
from appliance.discovery.workflow_text import workflow_text
from appliance.errors import WorkFailedError
from appliance.masking.suggesting.uncovered import uncovered_columns
from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.loading import parse_workflow
from appliance.workflow.matching.rules import Keep, match_rules
from tests.unit.example_documents import catalog, table, workflow
from tests.unit.masking_columns import column
from tests.unit.test_suggestions import judged, sources

SHAPES = ["email", "phone", "card", "full_name", "street", "number", "words", "code", "encoded", "old_date"]


def finding(owner: Table, facts: Column, shape: str, values: int) -> Finding:
    """What is said of a column of which the sample has so many values of one shape."""
    counts = ColumnCounts()
    if values:
        counts.add("", shape, values, values, 0)
    return judge(owner, facts, counts if is_looked_at(owner, facts) else None)


def scanned(source: Catalog, findings: list[Finding]) -> Scan:
    return Scan(connection="production", seed=1, tables=len(source.tables), rows=1, findings=tuple(findings))


@given(sources(), st.data())
def test_the_planner_takes_what_a_scan_has_written(source: Catalog, data: st.DataObject) -> None:
    findings = [
        finding(each, facts, data.draw(st.sampled_from(SHAPES)), data.draw(st.sampled_from([0, 3, 100])))
        for each in source.tables
        for facts in each.columns
    ]
    text = workflow_text(scanned(source, findings), source, "staging")
    written = parse_workflow(text, "w.yaml").workflow
    said, matching = judged(source, written)
    assert said == []
    assert len(matching.uncovered) == text.count("# decide: ")
    words = {each.place: each.verdict for each in findings}
    kept = {
        (*each.table.all_names[-1], facts.name)
        for each in matching.tables
        for facts, decision in each.columns
        if isinstance(decision, Keep)
    }
    assert {words[place] for place in kept} <= {"not personal"}


def test_a_column_that_is_blank_in_most_rows_is_judged_by_the_others() -> None:
    counts = ColumnCounts()
    counts.add("", "blank", 90, 1, 0)
    counts.add("", "code", 10, 10, 0)
    owner = table("t", [column("reference")])
    found = judge(owner, owner.columns[0], counts)
    only = judge(owner, owner.columns[0], code(10))
    assert (found.kind, found.verdict) == (only.kind, only.verdict)
    counts.add("", "email", 1, 1, 0)
    assert judge(owner, owner.columns[0], counts).kind == "email"


def code(values: int) -> ColumnCounts:
    """Of a column that holds codes only."""
    counts = ColumnCounts()
    counts.add("", "code", values, values, 0)
    return counts


def test_a_name_that_many_tables_have_is_written_once() -> None:
    tables = [table(f"t{number}", [column("email", "text", not_null=True)]) for number in range(4)]
    source = catalog(*tables)
    findings = [finding(each, each.columns[0], "email", 100) for each in tables]
    assert '"*.*.email": email  # in 4 tables' in workflow_text(scanned(source, findings), source, "staging")


def test_what_no_event_can_name_is_counted_in_what_is_reported() -> None:
    odd = table("odd", ["id", "two\nlines", "cursor\x1b[2J", 'quo"ted', "a.b c"])
    nameless = table("new\rline", ["id"])
    source = catalog(odd, nameless)
    findings = tuple(
        Finding(
            schema_name=each.schema_name,
            table_name=each.name,
            column=column.name,
            type="text",
            verdict="undetermined",
        )
        for each in source.tables
        for column in each.columns
    )
    found = reported(source, Scan(connection="c", seed=1, tables=2, rows=0, findings=findings))
    assert found.tables_total == 2
    (shown,) = found.tables
    assert [column.name for column in shown.columns] == ["id", 'quo"ted', "a.b c"] and shown.unnamed == 2
    uncovered = uncovered_columns(match_rules(workflow(tables={"include": ["*.*"]}), source))
    assert (len(uncovered.columns), uncovered.unnamed, uncovered.total) == (3, 3, 6)


def test_where_row_level_security_hides_all_that_is_said() -> None:
    hidden = table("t", [column("a")]).model_copy(update={"row_security": True})
    source = catalog(hidden)
    findings = [finding(hidden, hidden.columns[0], "email", 0)]
    with pytest.raises(WorkFailedError, match="Row-level security") as raised:
        workflow_text(scanned(source, findings), source, "staging")
    assert "BYPASSRLS" in (raised.value.next_step or "")
    closed = catalog(hidden.model_copy(update={"row_security": False, "readable": False}))
    with pytest.raises(WorkFailedError, match="may read none"):
        workflow_text(scanned(closed, findings), closed, "staging")
