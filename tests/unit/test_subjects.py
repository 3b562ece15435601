"""Who a subject is, and what is said of a document that does not fit the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.documents.model import validate
from appliance.documents.problems import WrongDocumentError
from appliance.documents.strict_yaml import load
from appliance.subjects.conditions import rows_about
from appliance.subjects.document import Subject, Subjects
from appliance.subjects.records import erased_subjects, write_record
from appliance.subjects.walk import walk
from appliance.workflow.catalog import Column, ForeignKey, Table
from tests.unit.subject_records import a_record


def column(table: str, name: str, *, not_null: bool = True) -> Column:
    return Column(
        schema_name="public",
        table_name=table,
        name=name,
        position=1,
        type="integer",
        base_type="integer",
        type_kind="base",
        base_kind="base",
        not_null=not_null,
    )


def table(name: str, *columns: str, to: dict[str, str] | None = None) -> Table:
    keys = tuple(
        ForeignKey(
            name=f"{name}_{own}_fkey",
            columns=(own,),
            to_schema="public",
            to_table=other,
            to_columns=("id",),
        )
        for own, other in (to or {}).items()
    )
    return Table(
        schema_name="public",
        name=name,
        oid=abs(hash(name)) % 10_000,
        kind="table",
        columns=tuple(column(name, each, not_null=each == "id") for each in ("id", *columns)),
        foreign_keys=keys,
    )


SHOP = [
    table("customer", "email", "referred_by"),
    table("orders", "customer_id", to={"customer_id": "customer"}),
    table("item", "order_id", to={"order_id": "orders"}),
    table("lead", "email"),
]


def subject(**changes: Any) -> Subject:
    document = {
        "source": "production",
        "table": "public.customer",
        "key": "id",
        "find_by": ["email"],
        "rows": {"public.customer": "delete", "public.orders": "delete", "public.item": "delete"},
        **changes,
    }
    return Subject.model_validate(document)


def by_number(value: str, each: Column, root_column: str) -> str:
    return f"{value} = known.{each.name}_{root_column}"


def test_rows_are_found_through_foreign_keys_however_far() -> None:
    walked = walk(subject(), SHOP)
    assert walked.problems == ()
    assert list(walked.tables) == ["public.customer", "public.orders", "public.item"]
    assert rows_about(walked, "public.orders", by_number) == 't."customer_id" = known.customer_id_id'
    item = rows_about(walked, "public.item", by_number)
    assert item.startswith('EXISTS (SELECT FROM "public"."orders" AS a0 WHERE')
    assert item.endswith('AND a0."customer_id" = known.customer_id_id)')


def test_a_column_leads_where_no_foreign_key_does() -> None:
    rows = {**subject().model_dump()["rows"], "public.lead": {"via": {"email": "public.customer.email"}}}
    walked = walk(subject(rows=rows), SHOP)
    assert walked.anchors == ("id", "email")
    assert rows_about(walked, "public.lead", by_number) == 't."email" = known.email_email'


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": {"public.customer": "delete", "public.orders": "delete"}}, "public.item (order_id) refers"),
        (
            {"rows": {"public.customer": "delete", "public.ordres": "delete"}},
            "public.ordres is not a table of the source; did you mean public.orders?",
        ),
        ({"find_by": ["phone"]}, "public.customer has no column phone"),
        ({"unlink": ["public.lead.email"]}, "unlink names public.lead.email, which is no foreign key"),
        (
            {
                "rows": {
                    "public.customer": "delete",
                    "public.orders": {"do": "keep", "because": "by law"},
                    "public.item": "delete",
                }
            },
            "public.orders stays in the source (keep) and refers to public.customer",
        ),
        (
            {
                "rows": {
                    **dict.fromkeys(
                        ["public.customer", "public.orders", "public.item", "public.lead"], "delete"
                    )
                }
            },
            "public.lead has no foreign key to a listed table",
        ),
    ],
)
def test_a_document_that_does_not_fit_the_source_says_why(changes: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in walk(subject(**changes), SHOP).problems)


def test_ways_that_go_round_in_a_circle_are_named() -> None:
    circle = [
        SHOP[0],
        table("orders", "customer_id", "item_id", to={"customer_id": "customer", "item_id": "item"}),
        SHOP[2],
    ]
    (problem,) = walk(subject(), circle).problems
    assert "round in a circle: public." in problem
    assert "public.orders" in problem
    assert "public.item" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{subjects: {customer: {table: public.customer}}}", "subjects.customer.source: is missing"),
        (
            "{subjects: {c: {source: p, table: public.c, key: id, rows: {public.d: delete}}}}",
            "does not list its own table public.c",
        ),
        (
            "{subjects: {c: {source: p, table: public.c, key: id, rows: {public.c: keep}}}}",
            "keep without because",
        ),
        (
            "{subjects: {c: {source: p, table: public.*, key: id, rows: {public.c: delete}}, d: {}}}",
            "subjects.d.table: is missing",
        ),
        (
            "{subjects: {c: {source: p, table: public.c, key: id, rows:"
            " {public.c: delete, public.d: {via: {x: public.e.id}}}}}}",
            "leads public.d to public.e.id, whose table is not under rows",
        ),
    ],
)
def test_a_wrong_document_is_refused_with_its_key_path(text: str, said: str) -> None:
    with pytest.raises(WrongDocumentError) as wrong:
        validate(Subjects, load(text, "subjects.yaml"))
    assert said in wrong.value.text()


def test_a_run_is_refused_where_the_document_has_lost_a_subject_that_was_erased(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    with pytest.raises(Exception, match="does not have the subject customer any more"):
        erased_subjects(tmp_path, tmp_path, "production")
    assert erased_subjects(tmp_path, tmp_path, "another-source") == ()


def test_a_record_that_cannot_be_read_stops_runs_instead_of_being_passed_over(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    (path,) = (tmp_path / "erasures").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text()[:-20])
    with pytest.raises(Exception, match="no record of an erasure that this release can read"):
        erased_subjects(tmp_path, tmp_path, "production")
