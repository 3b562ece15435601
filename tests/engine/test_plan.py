"""Planning: what a plan says, and that everything wrong is said at once before a row is read."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from appliance.errors import RefusedError, WrongRequestError
from appliance.policy.policy import Policy
from tests.engine.clusters import Cluster
from tests.engine.plan_making import copied_ids, plan_of

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL UNIQUE, name varchar(30), born date);
CREATE TABLE login (email text REFERENCES customer (email), at timestamptz);
CREATE TABLE event (id int, at date, kind text) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_2 PARTITION OF event DEFAULT;
INSERT INTO customer SELECT i, i || '@x', 'n', '2000-01-01' FROM generate_series(1, 100) AS i;
ANALYZE;
"""


@pytest.fixture
def shop(source: Cluster, source_database: str) -> str:
    source.sql(source_database, SHOP)
    return source_database


def test_a_plan_says_what_happens_to_every_column(source: Cluster, shop: str) -> None:
    plan = plan_of(
        source,
        shop,
        unlisted="halt",
        tables={"include": ["public.customer"]},
        masks={"public.customer.email": "email", "*.*.name": {"mask": "null"}},
        keep=["*.*.id", "*.*.born"],
    )
    (customer,) = plan.tables
    assert {column.name: column.mask for column in customer.columns} == {
        "id": None,
        "email": "email",
        "name": "null",
        "born": None,
    }
    assert customer.estimated_rows == 100
    assert customer.format == "binary"
    assert plan.bindings
    assert {table.qualified for table in plan.left_out} == {
        *("public.login", "public.event", "public.event_1", "public.event_2")
    }


def test_no_key_stands_in_a_plan(source: Cluster, shop: str) -> None:
    plan = plan_of(source, shop, masks={"public.customer.email": "email", "public.login.email": "email"})
    text = plan.model_dump_json()
    assert "current_setting" in text
    assert all(binding.setting.startswith("appliance.") for binding in plan.bindings)


def test_a_column_that_nothing_covers_stops_the_run_with_lines_to_paste(source: Cluster, shop: str) -> None:
    with pytest.raises(RefusedError) as caught:
        plan_of(
            source, shop, unlisted="halt", keep=["public.event.*", "public.login.at", "public.customer.id"]
        )
    assert caught.value.rule == "unlisted"
    assert "4 columns are neither masked nor kept" in caught.value.what
    assert "public.customer.email: email" in caught.value.text()
    assert "public.login.email: email" in caught.value.text()


def test_what_must_stay_like_a_kept_column_is_left_to_a_person(source: Cluster, shop: str) -> None:
    with pytest.raises(RefusedError, match=r"# decide: public\.customer\.email .* ties it to public\.login"):
        plan_of(
            source, shop, unlisted="halt", keep=["public.event.*", "public.login.*", "public.customer.id"]
        )


def test_what_the_refusal_suggests_is_taken_by_the_source_and_keeps_no_document(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        """
        CREATE TYPE state AS ENUM ('new', 'old');
        CREATE TABLE person (id bigserial PRIMARY KEY, profile jsonb NOT NULL, tags text[] NOT NULL,
            papers xml NOT NULL, photo bytea NOT NULL, asked int4range NOT NULL, born date NOT NULL,
            waits interval NOT NULL, place point NOT NULL, bits bit(5) NOT NULL, state state NOT NULL,
            fine boolean NOT NULL, pay numeric(9,2) NOT NULL, code char(2) NOT NULL, words tsvector NOT NULL,
            at timestamptz NOT NULL, hours time NOT NULL, mac macaddr NOT NULL, net cidr NOT NULL);
        CREATE TABLE visit (id int GENERATED ALWAYS AS IDENTITY, person bigint NOT NULL REFERENCES person);
        """,
    )
    with pytest.raises(RefusedError) as caught:
        plan_of(source, source_database, unlisted="halt")
    lines = caught.value.why.partition("looked at:")[2]
    pasted = yaml.safe_load(lines)
    assert set(pasted["keep"]) == {
        *("public.person.id", "public.visit.id", "public.visit.person"),
        *("public.person.state", "public.person.fine"),
    }
    assert "# decide: public.person.code  # character(2)" in lines
    asked = {"masks": pasted["masks"], "keep": [*pasted["keep"], "public.person.code"]}
    assert plan_of(source, source_database, unlisted="halt", **asked).tables


def test_generated_columns_need_no_cover(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database, "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED)"
    )
    (table,) = plan_of(source, source_database, unlisted="halt", keep=["public.t.a"]).tables
    assert [column.name for column in table.columns] == ["a"]


def test_a_schema_of_the_name_that_the_appliance_needs_is_said(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database, "CREATE SCHEMA appliance_ledger; CREATE TABLE appliance_ledger.items (id int)"
    )
    with pytest.raises(WrongRequestError, match="has a schema 'appliance_ledger'"):
        plan_of(source, source_database)


def test_everything_wrong_is_said_at_once(source: Cluster, shop: str) -> None:
    source.role("newcomer")
    with pytest.raises(WrongRequestError) as caught:
        plan_of(
            source,
            shop,
            user="newcomer",
            unlisted="halt",
            masks={
                "public.customer.email": "first_name",
                "public.customer.id": "email",
                "public.customer.name": "no_such_mask",
                "public.nothing.x": "email",
            },
            rows={"public.customer": {"last_days": 3, "by": "name"}},
            policy=Policy(
                never_copy=("public.login",), always_mask=("*.*.born",), powerful_roles=("production",)
            ),
        )
    text = caught.value.text()
    for said in (
        "may give two rows the same value",
        "does not fit the type integer",
        "no_such_mask",
        "matches nothing in the source",
        "is of type character varying(30)",
        'GRANT SELECT ON "public"."customer"',
        "never_copy",
        "always_mask",
        "neither masked nor kept",
    ):
        assert said in text


def test_both_ends_of_a_foreign_key_are_masked_the_same_way(source: Cluster, shop: str) -> None:
    same = {"public.customer.email": "email", "public.login.email": "email"}
    assert plan_of(source, shop, masks=same).tables
    assert plan_of(
        source, shop, masks={"public.customer.email": "email", "public.login.email": "null"}
    ).tables
    refused: tuple[dict[str, Any], ...] = (
        {"masks": {**same, "public.login.email": "hash"}},
        {"masks": {"public.customer.email": "email"}, "keep": ["public.login.email"]},
    )
    for changes in refused:
        with pytest.raises(
            WrongRequestError, match=r"public\.login\.email .* refers to public\.customer\.email"
        ):
            plan_of(source, shop, **changes)


def test_a_mask_goes_to_what_refers_to_its_column_and_the_plan_says_so(source: Cluster, shop: str) -> None:
    plan = plan_of(source, shop, masks={"public.customer.email": "email"})
    (column,) = [
        column
        for table in plan.tables
        if table.qualified == "public.login"
        for column in table.columns
        if column.name == "email"
    ]
    assert column.said == "email, follows public.customer.email"
    assert column.rule == "public.customer.email"


def test_a_mask_on_a_partition_key_sends_rows_through_the_root(source: Cluster, shop: str) -> None:
    plan = plan_of(source, shop, masks={"public.event.at": {"mask": "date_shift", "subject": "id"}})
    leaves = [table for table in plan.tables if table.root is not None]
    assert {leaf.load_into.qualified for leaf in leaves} == {"public.event"}
    assert any("partition key of public.event" in warning for warning in plan.warnings)
    kept = plan_of(source, shop)
    assert {leaf.load_into.qualified for leaf in kept.tables} == {table.qualified for table in kept.tables}


def test_row_level_security_is_an_error_and_not_a_filter(source: Cluster, shop: str) -> None:
    source.sql(shop, "GRANT SELECT ON customer TO reader; ALTER TABLE customer ENABLE ROW LEVEL SECURITY")
    with pytest.raises(WrongRequestError) as caught:
        plan_of(source, shop, user="reader", tables={"include": ["public.customer"]})
    assert 'ALTER ROLE "reader" BYPASSRLS;' in caught.value.text()


def test_a_mask_on_a_parent_masks_what_its_children_show_through_it(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE person (id int PRIMARY KEY, email text);"
        "CREATE TABLE staff (badge int) INHERITS (person);"
        "CREATE TABLE chief () INHERITS (staff); CREATE TABLE open_list () INHERITS (person);",
    )
    plan = plan_of(
        source,
        source_database,
        masks={"public.person.email": "email"},
        keep=["*.*.*", "public.open_list.email"],
    )
    masked = {table.name: [column.name for column in table.masked_columns] for table in plan.tables}
    assert masked == {"person": ["email"], "staff": ["email"], "chief": ["email"], "open_list": []}
    assert [text for text in plan.warnings if "can be read through" in text] == [
        "public.open_list.email is kept, and can be read through public.person.email, which is masked."
    ]


def test_a_filter_on_a_parent_says_which_children_it_does_not_reach(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE person (id int PRIMARY KEY); CREATE TABLE staff (badge int) INHERITS (person);"
        "CREATE TABLE chief () INHERITS (staff);",
    )
    plan = plan_of(
        source,
        source_database,
        rows={"public.person": {"where": "id > 1"}, "public.chief": {"where": "true"}},
    )
    (said,) = [text for text in plan.warnings if "row filter" in text]
    assert said.startswith("The row filter of public.person does not reach public.staff")


def test_a_masked_key_of_a_nondeterministic_collation_is_an_error_and_a_kept_one_is_none(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE DOMAIN code AS text COLLATE ci;"
        "CREATE TABLE p (code code PRIMARY KEY, name text COLLATE ci);"
        "CREATE TABLE c (id int PRIMARY KEY, code code REFERENCES p)",
    )
    with pytest.raises(WrongRequestError) as caught:
        plan_of(source, source_database, masks={"*.*.code": "hash"})
    assert "public.c.code (masked with hash) refers to public.p.code" in caught.value.what
    assert "nondeterministic" in caught.value.what
    plan = plan_of(source, source_database, masks={"public.p.name": "hash"})
    (said,) = [text for text in plan.warnings if "nondeterministic" in text]
    assert said.startswith("public.p.name: ")
    kept = plan_of(source, source_database)
    assert [text for text in kept.warnings if "nondeterministic" in text] == []


def test_a_filter_compares_as_the_type_does_and_free_sql_is_warned_where_it_may_not(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TYPE mood AS ENUM ('up');"
        "CREATE TABLE t (id int, name ext.citext, mood mood);"
        "INSERT INTO t VALUES (1, 'Ann')",
    )
    for operator, warned in (("=", False), ("OPERATOR(ext.=)", True)):
        where = f"name {operator} 'ANN' AND mood IS NULL"
        plan = plan_of(source, source_database, rows={"public.t": {"where": where}})
        assert copied_ids(source, source_database, plan, "public.t") == [1]
        said = [text for text in plan.warnings if "row filter" in text]
        assert len(said) == warned
        assert all("speaks of name" in text and "OPERATOR(ext.=)" in text for text in said)


def test_a_constant_that_only_the_source_can_judge_is_said_with_its_column(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TYPE duo AS (a int, b int); CREATE TABLE price (id int, cost money, took interval[], two duo)"
        " PARTITION BY RANGE (id); CREATE TABLE price_1 PARTITION OF price DEFAULT;"
        " CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM (1) TO (9)",
    )
    wrong = {"cost": "much", "took": ["long"], "two": "(1,x)"}
    masks = {f"public.price.{name}": {"mask": "constant", "value": value} for name, value in wrong.items()}
    with pytest.raises(WrongRequestError) as refused:
        plan_of(source, source_database, masks=masks)
    lines = refused.value.what.splitlines()
    assert len(lines) == 3
    for line, (name, kind) in zip(
        lines, {"cost": "money", "took": "interval[]", "two": "public.duo"}.items(), strict=True
    ):
        assert f'masks."public.price.{name}": ' in line
        assert f"what the mask 'constant' writes is no value of the type {kind}" in line
    assert "Report" not in refused.value.next_step
