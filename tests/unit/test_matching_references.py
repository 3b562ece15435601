"""Masks go to what refers to their column: along foreign keys, and by the document's word."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.documents.problems import Places
from appliance.postgres.planning.columns import compile_tables
from appliance.workflow.catalog import Catalog, ForeignKey
from appliance.workflow.document import MaskSpec
from appliance.workflow.drift import decision_text
from appliance.workflow.matching.rules import Keep, Matching, Rule, match_rules
from tests.unit.example_documents import catalog, column, table, workflow
from tests.unit.test_matching import decisions, said

EVERYTHING = {"include": ["*.*"]}


def key(name: str, columns: str, to_table: str, to_columns: str) -> ForeignKey:
    """A foreign key; several columns are written with a blank between them."""
    return ForeignKey(
        name=name,
        columns=tuple(columns.split()),
        to_schema="public",
        to_table=to_table,
        to_columns=tuple(to_columns.split()),
    )


def number(name: str, **facts: Any) -> Any:
    """A column of whole numbers."""
    return column(name, type="bigint", base_type="bigint", **facts)


SHOP = catalog(
    table(
        "customer",
        [number("id", not_null=True, unique_alone=True), number("parent")],
        primary_key=("id",),
        foreign_keys=[key("customer_parent", "parent", "customer", "id")],
    ),
    table(
        "orders",
        [number("shop"), number("nr"), number("customer")],
        primary_key=("shop", "nr"),
        unique_keys=[("shop", "nr")],
        foreign_keys=[key("orders_customer", "customer", "customer", "id")],
    ),
    table(
        "line",
        [number("shop"), number("nr"), number("customer")],
        foreign_keys=[key("line_order", "shop nr", "orders", "shop nr")],
    ),
    table("lead", [number("customer_ref"), "email"]),
)


def matched(source: Catalog = SHOP, **changes: Any) -> Matching:
    """The matching of a workflow that copies everything."""
    return match_rules(workflow(**{"tables": EVERYTHING, "unlisted": "keep", **changes}), source)


def by_key(name: str) -> Rule:
    """Masked as public.customer.id is."""
    return Rule(MaskSpec(mask="number_key"), name, follows=name)


CUSTOMER = {"public.customer.id": "number_key"}


@pytest.mark.parametrize("rest", [{}, {"unlisted": "halt", "keep": ["*.*.*"]}, {"unlisted": "null"}])
def test_a_mask_reaches_what_refers_to_it_and_what_refers_to_that(rest: dict[str, Any]) -> None:
    matching = matched(masks=CUSTOMER, **rest)
    assert said(matching) == []
    following = by_key("public.customer.id")
    assert decisions(matching, "public.customer")["id"] == Rule(
        MaskSpec(mask="number_key"), "public.customer.id"
    )
    assert decisions(matching, "public.customer")["parent"] == following
    assert decisions(matching, "public.orders")["customer"] == following


def test_each_column_of_a_key_of_several_follows_its_own() -> None:
    matching = matched(masks={"public.orders.nr": "number_key"})
    assert decisions(matching, "public.line")["nr"] == by_key("public.orders.nr")
    assert decisions(matching, "public.line")["shop"] == Keep(None)


def test_what_the_document_says_is_followed_like_a_foreign_key_through_patterns_too() -> None:
    references = {"*.lead.*_ref": "public.orders.customer"}
    matching = matched(masks=CUSTOMER, references=references)
    assert said(matching) == []
    assert decisions(matching, "public.lead")["customer_ref"] == by_key("public.customer.id")
    assert decision_text(decisions(matching, "public.lead")["customer_ref"]) == (
        "masked",
        "masked with number_key, for it refers to public.customer.id",
    )


def test_uncovered_columns_that_follow_stop_no_run() -> None:
    matching = matched(masks=CUSTOMER, unlisted="halt")
    open_ones = {f"{table.name}.{column.name}" for table, column in matching.uncovered}
    assert not open_ones & {"customer.id", "customer.parent", "orders.customer"}
    assert "line.customer" in open_ones


def problems(source: Catalog = SHOP, **changes: Any) -> list[str]:
    """All that is wrong, once masks are compiled."""
    matching = matched(source, **changes)
    compiled = compile_tables(matching.tables, Places(), "UTF8", matching.references)
    return [each.text() for each in (*matching.problems, *compiled.problems)]


@pytest.mark.parametrize(
    "changes",
    [
        {"masks": {**CUSTOMER, "public.orders.customer": {"mask": "number_key", "domain": "other"}}},
        {"masks": {**CUSTOMER, "public.orders.customer": "number_noise"}},
        {"masks": CUSTOMER, "keep": ["public.orders.customer"]},
    ],
)
def test_another_decision_by_the_columns_own_name_is_an_error_that_names_both(
    changes: dict[str, Any],
) -> None:
    (found,) = problems(**changes)
    assert "public.orders.customer (" in found and "public.customer.id (masked with number_key)" in found


def test_what_the_document_says_is_held_to_the_same() -> None:
    references = {"public.lead.customer_ref": "public.customer.id"}
    (found,) = problems(masks=CUSTOMER, references=references, keep=["public.lead.customer_ref"])
    assert 'refers to public.customer.id (masked with number_key), by references."public.lead' in found
    (found,) = problems(masks={"public.lead.customer_ref": "number_key"}, references=references)
    assert "public.customer.id (kept)" in found
    assert problems(references=references) == []


def test_a_column_that_refers_to_two_that_are_masked_otherwise_can_follow_neither() -> None:
    masks = {**CUSTOMER, "public.lead.customer_ref": {"mask": "number_key", "domain": "lead"}}
    references = {
        "public.line.customer": "public.customer.id",
        "public.li*.customer": "public.lead.customer_ref",
    }
    wanted = "public.line.customer refers to public.customer.id, and to public.lead.customer_ref"
    assert any(wanted in each for each in problems(masks=masks, references=references))


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ({"public.lead.customer_ref": "public.custmer.id"}, "did you mean public.customer.id?"),
        ({"public.lead.custmer_ref": "public.customer.id"}, "matches nothing in the source"),
        (
            {"public.lead.customer_ref": "public.line.nr", "public.line.nr": "public.lead.customer_ref"},
            "refer to each other",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_said_with_its_place(
    references: dict[str, str], expected: str
) -> None:
    found = problems(references=references)
    assert any("references." in each and expected in each for each in found), found


def test_a_reference_goes_to_one_column() -> None:
    with pytest.raises(ValueError, match="is not one column"):
        workflow(references={"public.a.b": "public.*.id"})


def test_rows_that_a_condition_tells_apart_are_not_followed() -> None:
    masks = {"public.customer.id": [{"when": "parent = 1", "mask": "keep"}, "null"]}
    assert decisions(matched(masks=masks), "public.orders")["customer"] == Keep(None)
    assert any("public.orders.customer (kept) refers to" in each for each in problems(masks=masks))


def test_partitions_follow_under_the_name_of_the_table_above() -> None:
    leaf = table("event_1", [number("who")], root_schema="public", root_name="event")
    source = catalog(*SHOP.tables, leaf)
    references = {"public.event.who": "public.customer.id"}
    matching = matched(source, masks=CUSTOMER, references=references)
    assert decisions(matching, "public.event_1")["who"] == by_key("public.customer.id")
