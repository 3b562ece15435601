"""The grammar of row conditions: what is in it is written anew, and nothing else gets in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.postgres.planning.row_condition_sql import apart, condition_misfits, condition_sql
from appliance.workflow.catalog import ForeignKey
from appliance.workflow.conditions.grammar import why_free
from appliance.workflow.matching.rules import match_rules
from tests.unit.example_documents import catalog, workflow
from tests.unit.example_documents import table as named_table
from tests.unit.masking_columns import column, table

EVENT = table(
    column("id", "integer"),
    column("kind"),
    column('We"ird'),
    column("at", "timestamp with time zone"),
    column("fine", "boolean"),
    column("mail", "public.citext"),
    column("thing", "shop.thing"),
    column("pair", "shop.pair", base_kind="composite", type_kind="composite"),
    name="event",
)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("kind <> 'debug'", """(t."kind" <> 'debug')"""),
        ("KIND != 'it''s'", """(t."kind" <> 'it''s')"""),
        ('"We""ird" IS NOT NULL', """(NOT (t."We""ird" IS NULL))"""),
        ("id NOT IN (1, -2) OR NOT fine AND id < 3.5", (
            """((NOT (t."id" IN (1, -2))) OR ((NOT (t."fine")) AND (t."id" < 3.5)))"""
        )),
        ("kind LIKE 'a\\_%' AND kind NOT ILIKE 'b%'", (
            """((t."kind" LIKE E'a\\\\_%') AND (NOT (t."kind" ILIKE 'b%')))"""
        )),
        ("id BETWEEN 1 AND 2 AND fine IS NOT TRUE", (
            """((t."id" BETWEEN 1 AND 2) AND (NOT (t."fine" IS TRUE)))"""
        )),
        ("kind IS DISTINCT FROM 'a'", """(t."kind" IS DISTINCT FROM 'a')"""),
        ("at >= date '2024-01-01'", """(t."at" >= '2024-01-01'::pg_catalog.date)"""),
        ("id = '5'::bigint", """(t."id" = '5'::pg_catalog.int8)"""),
        ("mail = 'Ann@x'", (
            """(lower(CASE WHEN t."mail" IS NOT NULL THEN format('%s', t."mail") END) = lower('Ann@x'))"""
        )),
        ("length(trim(kind)) > 3 AND left(kind, -2) = 'a'", (
            """((length(btrim(t."kind")) > 3) AND (left(t."kind", -2) = 'a'))"""
        )),
        ('coalesce(kind, "We""ird") = kind', (
            """(coalesce((t."kind" COLLATE "default"), (t."We""ird" COLLATE "default"))"""
            """ = (t."kind" COLLATE "default"))"""
        )),
    ],
)  # fmt: skip
def test_a_condition_is_written_anew(text: str, sql: str) -> None:
    assert condition_misfits(EVENT, text) == []
    assert condition_sql(EVENT, text) == sql


@pytest.mark.parametrize(
    "text",
    [
        "current_setting('appliance.mask_hmac') <> ''",
        "set_config('appliance.mask_hmac', '', false) IS NULL",
        "id IN (SELECT id FROM crm.secret)",
        "EXISTS (SELECT FROM crm.secret)",
        "id = ANY (ARRAY[1])",
        "id = (SELECT 1)",
        "kind::shop.thing = 'x'",
        "kind::text = 'x'",
        "'x'::shop.thing = kind",
        "CAST('x' AS regclass) = kind",
        "kind ~ 'x'",
        "kind OPERATOR(shop.=) 'x'",
        "kind COLLATE shop.c = 'x'",
        "kind || 'x' = 'y'",
        "id + 1 = 2",
        "current_user = kind",
        "session_user = kind",
        "current_date > at",
        "(id).x = 1",
        "id[1] = 1",
        "shop.f(id)",
        "md5(kind) = 'x'",
        "left(kind, id) = 'x'",
        "left(kind, 99999999999) = 'x'",
        "trim(LEADING 'x' FROM kind) = 'y'",
        "pg_catalog.lower(kind) = 'x'",
        f"{'lower(' * 20}kind{')' * 20} = 'x'",
        "event.f",
        "t.kind = 'x'",
        "CASE WHEN fine THEN fine END",
        "(id, kind) = (1, 'x')",
        "ROW(id) = ROW(1)",
        "kind = $1",
        "kind = :x",
        "at AT TIME ZONE 'x' > at",
        "E'\\n' = kind",
        "U&'d\\0061' = kind",
        "kind SIMILAR TO 'x'",
        "id BETWEEN SYMMETRIC 2 AND 1",
        "kind LIKE kind",
        "kind LIKE 'x\\'",
        "true",
        "1 = 1 = true",
        "fine IS NULL IS NULL",
        "(" * 500 + "fine" + ")" * 500 + " = fine",
        "NOT " * 500 + "fine",
        "",
        "fine fine",
    ],
)
def test_what_calls_or_looks_elsewhere_is_free_sql(text: str) -> None:
    assert why_free(text)


def test_only_columns_of_the_table_with_operators_of_postgresql_fit() -> None:
    assert condition_misfits(EVENT, "knd = 'x'") == ["unknown column `knd`: did you mean kind?"]
    assert condition_misfits(EVENT, "tableoid = 1") == ["unknown column `tableoid`"]
    for name in ("thing", "pair"):
        (said,) = condition_misfits(EVENT, f"{name} = 'x' OR {name} IS NULL")
        assert "whose operators are not PostgreSQL's own" in said


TEXT = """
    a b t fine "a" 'x' 'y''z' 1 -2 .5 = <> < ( ) AND OR NOT IN LIKE BETWEEN IS NULL TRUE , ; -- /* . :: date
    text lower( trim( left( length( coalesce(
    shop.f f( ) SELECT FROM current_user || ~ $1 :x E'x' U&'x' $$x$$ ' " \\ é [1] * COLLATE ANY CASE
"""
PIECES = TEXT.split()
QUOTED = re.compile(r"""E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
FUNCTIONS = {"lower", "upper", "length", "btrim", "left", "right", "coalesce"}
WORDS = {
    *("t", "AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "IS", "NULL", "TRUE", "FALSE", "DISTINCT"),
    *("FROM", "pg_catalog", "date", "text", "COLLATE", "default", *FUNCTIONS),
}


@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join), st.text(max_size=30)))
def test_whatever_is_asked_nothing_is_called_and_nothing_but_the_row_is_looked_at(text: str) -> None:
    columns = table(column("a", "integer"), column("b"), column("t", "boolean"), column("fine", "boolean"))
    if why_free(text) or condition_misfits(columns, text):
        return
    bare = QUOTED.sub(" ", condition_sql(columns, text))
    assert set(re.findall(r"[^\W\d]\w*", bare)) <= WORDS
    assert set(re.findall(r"([a-z_]+)\s*\(", bare)) <= FUNCTIONS
    assert not set(bare) & set(";'$[]|~/*@\\?#&")


def test_rows_that_depend_on_free_sql_are_known_however_far_away() -> None:
    def key(to: str) -> list[ForeignKey]:
        return [ForeignKey(name="k", columns=("id",), to_schema="public", to_table=to, to_columns=("id",))]

    source = catalog(
        named_table("customer"),
        named_table("invoice", foreign_keys=key("customer")),
        named_table("line", foreign_keys=key("invoice")),
        named_table("product"),
    )
    asked = workflow(
        rows={"public.customer": {"where": "md5(id) > '1'"}, "public.product": {"where": "id > '1'"}},
        unlisted="keep",
    )
    assert apart(match_rules(asked, source).tables) == {
        *(("public", "customer"), ("public", "invoice"), ("public", "line")),
    }
