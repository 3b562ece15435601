"""Rules matched to a catalog: what is selected, what happens to each column, and every way to be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.workflow.document import MaskSpec
from appliance.workflow.loading import parse_workflow
from appliance.workflow.matching.rules import Computed, Keep, Matching, Rule, Uncovered, match_rules
from tests.unit.example_documents import catalog, column, partition, table, workflow

SHOP = catalog(
    table("customer", ["id", "email", "phone", column("upper", generated=True, generated_from=("email",))]),
    table("track", ["id", "title"]),
    table("crm.person", ["id", "ssn"]),
)


def decisions(matching: Matching, name: str) -> dict[str, Any]:
    (selected,) = [each for each in matching.tables if each.table.qualified == name]
    return {column.name: decision for column, decision in selected.columns}


def said(matching: Matching) -> list[str]:
    return [problem.text() for problem in matching.problems]


def selected(matching: Matching) -> list[str]:
    return [each.table.qualified for each in matching.tables]


def test_each_column_is_masked_or_kept_by_the_most_specific_pattern() -> None:
    matching = match_rules(
        workflow(
            masks={"public.customer.email": "email", "public.customer.*": "hash"},
            keep=["public.*.id", "public.track.*"],
        ),
        SHOP,
    )
    assert said(matching) == []
    assert matching.uncovered == ()
    assert decisions(matching, "public.customer") == {
        "id": Keep("public.*.id"),
        "email": Rule(MaskSpec(mask="email"), "public.customer.email"),
        "phone": Rule(MaskSpec(mask="hash"), "public.customer.*"),
        "upper": Computed(),
    }
    assert decisions(matching, "public.track") == {"id": Keep("public.*.id"), "title": Keep("public.track.*")}


def test_a_mask_for_a_columns_name_beats_keeping_its_table() -> None:
    matching = match_rules(
        workflow(tables={"include": ["crm.*"]}, masks={"*.*.ssn": None}, keep=["crm.person.*"]), SHOP
    )
    assert decisions(matching, "crm.person")["ssn"] == Rule(MaskSpec(mask="null"), "*.*.ssn")


def test_what_is_excluded_is_not_selected_whatever_includes_it() -> None:
    matching = match_rules(
        workflow(tables={"include": ["*.*", "public.track"], "exclude": ["*.track"]}, keep=["*.*.*"]), SHOP
    )
    assert selected(matching) == ["public.customer", "crm.person"]


@pytest.mark.parametrize(
    ("unlisted", "decision"), [("keep", Keep(None)), ("null", Rule(MaskSpec(mask="null"), None))]
)
def test_what_nothing_covers_is_treated_as_the_workflow_says(unlisted: str, decision: object) -> None:
    matching = match_rules(workflow(tables={"include": ["crm.*"]}, unlisted=unlisted), SHOP)
    assert decisions(matching, "crm.person")["ssn"] == decision
    assert matching.uncovered == ()


def test_what_nothing_covers_stops_the_run_by_default() -> None:
    matching = match_rules(workflow(tables={"include": ["crm.*"]}, keep=["crm.person.id"]), SHOP)
    assert decisions(matching, "crm.person")["ssn"] == Uncovered()
    assert [(owner.qualified, each.name) for owner, each in matching.uncovered] == [("crm.person", "ssn")]
    assert said(matching) == []


def test_a_pattern_of_exclude_that_matches_nothing_today_is_a_notice() -> None:
    matching = match_rules(
        workflow(tables={"include": ["*.*"], "exclude": ["*.audit_*"]}, keep=["*.*.*"]), SHOP
    )
    assert said(matching) == []
    assert matching.notices == ("tables.exclude: `*.audit_*` matches nothing in the source.",)


def test_rules_about_tables_that_exclude_takes_away_are_a_notice_and_not_in_the_way() -> None:
    change = {
        "tables": {"include": ["*.*"], "exclude": ["crm.person"]},
        "rows": {"crm.person": {"where": "true"}},
        "masks": {"crm.person.ssn": "null"},
        "keep": ["public.*.*"],
    }
    matching = match_rules(workflow(**change), SHOP)
    assert said(matching) == []
    assert matching.notices == (
        "2 rules are about nothing but what tables.exclude leaves out, and do nothing: `crm.person`,"
        " `crm.person.ssn`.",
    )
    (mistyped,) = said(match_rules(workflow(**{**change, "masks": {"crm.person.snn": "null"}}), SHOP))
    assert "matches nothing in the source" in mistyped


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"tables": {"include": ["public.*", "pubic.*"]}},
            "tables.include[1]: `pubic.*` matches nothing in the source",
        ),
        ({"masks": {"public.customer.emial": "email"}}, "did you mean public.customer.email?"),
        ({"masks": {"public.custmer.email": "email"}}, "did you mean public.customer?"),
        ({"masks": {"Public.Customer.Email": "email"}}, "did you mean public.customer?"),
        (
            {"masks": {"*.*.ssn": "null"}},
            'masks."*.*.ssn": `*.*.ssn` matches only columns of tables that are not selected',
        ),
        ({"keep": ["*.*.*", "public.view.x"]}, "keep[1]: `public.view.x` matches nothing in the source"),
        ({"rows": {"public.evnt": {"where": "true"}}}, 'rows."public.evnt": `public.evnt` matches nothing'),
        (
            {"rows": {"crm.person": {"where": "true"}}},
            "`crm.person` matches only tables that are not selected",
        ),
        ({"masks": {"public.customer.upper": "hash"}}, "matches only generated columns"),
    ],
)
def test_a_pattern_that_does_nothing_is_an_error(change: dict[str, Any], problem: str) -> None:
    found = said(match_rules(workflow(**{"keep": ["*.*.*"], **change}), SHOP))
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    "change", [{"masks": {"public.cassette.x": "hash"}}, {"keep": ["*.*.*", "public.x.y"]}]
)
def test_a_schema_in_common_makes_no_two_tables_alike(change: dict[str, Any]) -> None:
    (found,) = said(match_rules(workflow(**{"keep": ["*.*.*"], **change}), SHOP))
    assert "matches nothing" in found and "did you mean" not in found


def test_a_pattern_to_keep_a_generated_column_does_no_harm() -> None:
    assert said(match_rules(workflow(keep=["*.*.*", "public.customer.upper"]), SHOP)) == []


def test_only_foreign_tables_are_nothing_to_copy() -> None:
    source = catalog(table("far", kind="foreign"), table("near"))
    found = said(
        match_rules(workflow(tables={"include": ["public.far", "public.near"]}, keep=["*.*.*"]), source)
    )
    assert found == [
        "document: tables.include[0]: `public.far` matches only foreign tables; "
        "expected tables that hold rows themselves"
    ]


def test_selecting_no_table_at_all_is_an_error() -> None:
    matching = match_rules(workflow(tables={"include": ["*.*"], "exclude": ["*.*"]}), SHOP)
    assert said(matching) == [
        "document: tables: selects no table; expected patterns of include that exclude does not take away"
    ]


def test_equally_specific_patterns_that_meet_in_a_column_are_an_error_that_names_both() -> None:
    matching = match_rules(
        workflow(masks={"public.customer.e*l": "email", "public.customer.em*": "hash"}, keep=["*.*.*"]), SHOP
    )
    assert said(matching) == [
        'document: masks."public.customer.em*": is as specific as `public.customer.e*l` (masks), '
        "and both match public.customer.email; expected one of them to name more, or to be removed"
    ]


def test_a_column_that_is_masked_and_kept_with_equal_right_is_an_error() -> None:
    found = said(
        match_rules(workflow(masks={"public.*.title": "hash"}, keep=["*.*.*", "public.*.title"]), SHOP)
    )
    assert found == [
        "document: keep[1]: is as specific as `public.*.title` (masks), and both match public.track.title; "
        "expected one of them to name more, or to be removed"
    ]


def test_a_tie_is_reported_once_however_many_columns_it_meets_in() -> None:
    found = said(match_rules(workflow(keep=["public.*.*", "**.public.*", '"public".*.*'][::2]), SHOP))
    assert len(found) == 1


def test_problems_name_the_line_where_it_is_known() -> None:
    text = (
        "id: twin\nsource: production\ntables:\n  include:\n    - public.*\n    - nowhere.*\n"
        "keep: ['*.*.*']\nmasks:\n  public.customer.fax: phone\ndeliver: [{twin: {connection: staging}}]\n"
    )
    loaded = parse_workflow(text, "w.yaml")
    found = said(match_rules(loaded.workflow, SHOP, loaded.document.places()))
    assert found[0].startswith("w.yaml:6: tables.include[1]: `nowhere.*` matches nothing")
    assert found[1].startswith('w.yaml:9: masks."public.customer.fax": `public.customer.fax` matches nothing')


def rows_problem(rows: dict[str, Any]) -> list[str]:
    made = column("made_at", "timestamp(3) with time zone", base_type="timestamp with time zone")
    source = catalog(table("event", ["id", made, column("day", "date")]), table("note", ["id"]))
    return said(match_rules(workflow(rows=rows, keep=["*.*.*"]), source))


def test_rows_by_age_need_a_date_column_of_the_table() -> None:
    assert rows_problem({"public.event": {"last_days": 9, "by": "made_at"}}) == []
    assert rows_problem({"public.event": {"last_days": 9, "by": "day"}}) == []
    assert rows_problem({"public.event": {"last_days": 9, "by": "mad_at"}}) == [
        'document: rows."public.event".by: public.event has no column `mad_at`; '
        "expected one of its columns: did you mean made_at?"
    ]
    assert rows_problem({"public.*": {"last_days": 9, "by": "day"}}) == [
        'document: rows."public.*".by: public.note has no column `day`; expected one of its columns'
    ]
    assert rows_problem({"public.event": {"last_days": 9, "by": "id"}}) == [
        'document: rows."public.event".by: public.event.id is of type text; '
        "expected a date or timestamp column"
    ]


def test_the_most_specific_pattern_for_rows_wins_and_a_tie_is_an_error() -> None:
    rules = {"public.*": {"where": "a"}, "public.event": {"where": "b"}}
    source = catalog(table("event"), table("note"))
    matching = match_rules(workflow(rows=rules, keep=["*.*.*"]), source)
    assert [each.rows.where for each in matching.tables if each.rows] == ["b", "a"]
    assert (
        "is as specific as `public.e*` (rows)"
        in rows_problem(
            {"public.e*": {"where": "a"}, "public.*t": {"where": "b"}, "public.note": {"where": "c"}}
        )[0]
    )


EVENTS = catalog(
    table("event", ["id", "payload"], kind="partitioned"),
    partition("event_2023", "event", ["id", "payload"]),
    partition("event_2024", "event", ["id", "payload"], kind="partitioned"),
    partition("event_2024_01", "event", ["id", "payload"], ancestors=(("public", "event_2024"),)),
)


def test_a_partition_is_matched_under_its_own_name_and_those_above_it() -> None:
    for name in ("public.event", "public.event*"):
        matching = match_rules(workflow(tables={"include": [name]}, keep=["public.event.*"]), EVENTS)
        assert said(matching) == []
        assert len(matching.tables) == 4
        assert decisions(matching, "public.event_2024_01")["id"] == Keep("public.event.*")
    one = match_rules(
        workflow(tables={"include": ["public.event_2024"]}, keep=["public.event_2024.*"]), EVENTS
    )
    assert selected(one) == ["public.event_2024", "public.event_2024_01"]
    assert said(one) == []


def test_a_partitions_own_name_beats_the_names_above_it() -> None:
    masks = {
        "public.event.payload": "hash",
        "public.event_2024.payload": "email",
        "public.event_2024_01.payload": "phone",
    }
    matching = match_rules(workflow(masks=masks, keep=["*.*.id"]), EVENTS)
    assert said(matching) == []
    assert decisions(matching, "public.event_2023")["payload"].mask.mask == "hash"
    assert decisions(matching, "public.event_2024")["payload"].mask.mask == "email"
    assert decisions(matching, "public.event_2024_01")["payload"].mask.mask == "phone"


def test_excluding_a_partitioned_table_excludes_its_partitions() -> None:
    source = catalog(*EVENTS.tables, table("note"))
    matching = match_rules(
        workflow(tables={"include": ["public.*"], "exclude": ["public.event"]}, keep=["*.*.*"]), source
    )
    assert selected(matching) == ["public.note"]


def test_an_uncovered_column_of_partitions_is_reported_once_under_the_roots_name() -> None:
    matching = match_rules(workflow(keep=["*.*.id"]), EVENTS)
    assert [(owner.qualified, each.name) for owner, each in matching.uncovered] == [
        ("public.event", "payload")
    ]


def test_rows_that_a_partitioned_table_does_not_have_itself_need_no_rule() -> None:
    matching = match_rules(workflow(keep=["public.event_2*.*"]), EVENTS)
    assert matching.uncovered == ()
    assert said(matching) == []


def test_a_thousand_rules_for_ten_thousand_columns_are_matched() -> None:
    tables = [table(f"t{number}", [f"c{index}" for index in range(20)], oid=number) for number in range(500)]
    masks = {f"public.t{number}.c{index}": "hash" for number in range(500) for index in range(2)}
    matching = match_rules(workflow(masks=masks, keep=["public.*.*"]), catalog(*tables))
    assert said(matching) == []
    assert len(matching.tables) == 500
