"""Masks and what is kept, where tables inherit from others."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.workflow.catalog import Ancestor, Column
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.rules import Keep, Rule, Uncovered, match_rules
from tests.unit.example_documents import catalog, column, table, workflow
from tests.unit.test_matching import decisions, said


def inherited(name: str, *tables: str, **changes: Any) -> Column:
    """A column that tables above have too, the nearest first; ``a|b`` are as near as each other."""
    return column(
        name,
        inherited_from=[
            Ancestor(schema_name="public", name=each, distance=distance)
            for distance, names in enumerate(tables, start=1)
            for each in names.split("|")
        ],
        **changes,
    )


FAMILY = catalog(
    table("person", ["id", "email"]),
    table("staff", [inherited("id", "person"), inherited("email", "person"), "badge"]),
    table(
        "chief",
        [inherited(name, "staff", "person") for name in ("id", "email")] + [inherited("badge", "staff")],
    ),
)
EMAIL = Rule(MaskSpec(mask="email"), "public.person.email")


@pytest.mark.parametrize(
    "rest", [{"keep": ["*.*.*"]}, {"unlisted": "keep"}, {"keep": ["*.staff.*", "*.*.*"]}]
)
def test_a_mask_reaches_every_table_below_through_which_the_column_is_read(rest: dict[str, Any]) -> None:
    matching = match_rules(workflow(masks={"public.person.email": "email"}, **rest), FAMILY)
    assert said(matching) == []
    for name in ("public.person", "public.staff", "public.chief"):
        assert decisions(matching, name)["email"] == EMAIL


def test_the_nearest_mask_wins_and_a_tables_own_rule_before_all() -> None:
    masks = {"public.person.email": "email", "public.staff.email": "hash"}
    matching = match_rules(workflow(masks=masks, unlisted="keep"), FAMILY)
    assert decisions(matching, "public.chief")["email"] == Rule(MaskSpec(mask="hash"), "public.staff.email")
    matching = match_rules(workflow(masks=masks, keep=["public.chief.email"], unlisted="keep"), FAMILY)
    assert decisions(matching, "public.chief")["email"] == Keep("public.chief.email")


def test_what_is_kept_in_a_table_is_not_kept_in_those_below() -> None:
    matching = match_rules(workflow(keep=["public.person.*", "public.staff.id"]), FAMILY)
    assert decisions(matching, "public.staff") == {
        "id": Keep("public.staff.id"),
        "email": Uncovered(),
        "badge": Uncovered(),
    }
    masked = match_rules(
        workflow(masks={"public.*.email": "email"}, keep=["public.person.email", "*.*.*"]), FAMILY
    )
    assert decisions(masked, "public.staff")["email"] == Rule(MaskSpec(mask="email"), "public.*.email")


def test_a_wildcard_for_a_table_reaches_only_what_the_tables_below_have_from_it() -> None:
    matching = match_rules(workflow(masks={"public.person.*": "null"}, keep=["*.*.*"]), FAMILY)
    assert decisions(matching, "public.staff") == {
        "id": Rule(MaskSpec(mask="null"), "public.person.*"),
        "email": Rule(MaskSpec(mask="null"), "public.person.*"),
        "badge": Keep("*.*.*"),
    }


def test_a_mask_counts_as_used_though_only_a_table_below_is_copied() -> None:
    masks = {"public.person.email": "email"}
    matching = match_rules(
        workflow(tables={"include": ["public.staff"]}, masks=masks, keep=["*.*.*"]), FAMILY
    )
    assert said(matching) == [] and decisions(matching, "public.staff")["email"] == EMAIL


def test_two_parents_that_mask_a_common_column_differently_are_a_tie_and_alike_are_none() -> None:
    source = catalog(
        table("person", ["email"]),
        table("payee", ["email"]),
        table("both", [inherited("email", "payee|person")]),
    )
    masks = {"public.person.email": "email", "public.payee.email": "hash"}
    (found,) = said(match_rules(workflow(masks=masks), source))
    assert "both match public.both.email" in found
    alike = match_rules(workflow(masks=dict.fromkeys(masks, "hash")), source)
    assert said(alike) == []
    assert decisions(alike, "public.both")["email"].mask == MaskSpec(mask="hash")


def test_what_a_condition_keeps_in_a_table_is_not_kept_in_those_below() -> None:
    some = [{"when": "id < 5", "mask": "keep", "because": "ours"}, "email"]
    matching = match_rules(
        workflow(masks={"public.person.email": some}, keep=["*.*.id", "*.*.badge"]), FAMILY
    )
    assert decisions(matching, "public.person")["email"].pattern == "public.person.email"
    assert decisions(matching, "public.staff")["email"] == Uncovered()
