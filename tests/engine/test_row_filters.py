"""Row filters: what is asked for is copied, and every foreign key holds among what is."""

from __future__ import annotations

import pytest

from appliance.errors import RequestWrong
from tests.engine.clusters import Cluster
from tests.engine.plan_making import copied_ids, plan_of

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, kind text);
CREATE TABLE invoice (
    id int PRIMARY KEY, customer int REFERENCES customer, at timestamptz, due date, local timestamp
);
CREATE TABLE line (id int PRIMARY KEY, invoice int NOT NULL REFERENCES invoice, product int);
CREATE TABLE note (id int PRIMARY KEY, line int REFERENCES line);
CREATE TABLE product (id int PRIMARY KEY);
ALTER TABLE line ADD FOREIGN KEY (product) REFERENCES product;
INSERT INTO customer VALUES (1, 'good'), (2, 'debug'), (3, NULL);
INSERT INTO invoice SELECT i, CASE WHEN i = 9 THEN NULL ELSE 1 + i % 3 END, now() - i * interval '10 days',
    current_date - i * 10, now()::timestamp - i * interval '10 days' FROM generate_series(1, 9) AS i;
INSERT INTO product VALUES (1), (2);
INSERT INTO line SELECT i, 1 + i % 9, 1 + i % 2 FROM generate_series(1, 18) AS i;
INSERT INTO note SELECT i, nullif(i, 18) FROM generate_series(1, 18) AS i;
"""


@pytest.fixture
def shop(source: Cluster, source_database: str) -> str:
    source.sql(source_database, SHOP)
    return source_database


def test_without_filters_all_rows_are_copied(source: Cluster, shop: str) -> None:
    assert all(table.where_sql is None for table in plan_of(source, shop).tables)


@pytest.mark.parametrize("by", ["at", "due", "local"])
def test_the_last_days_are_counted_from_the_snapshot(source: Cluster, shop: str, by: str) -> None:
    plan = plan_of(source, shop, rows={"public.invoice": {"last_days": 45, "by": by}})
    assert copied_ids(source, shop, plan, "public.invoice") == [1, 2, 3, 4]


def test_rows_below_a_lost_row_are_lost_too_and_others_are_not(source: Cluster, shop: str) -> None:
    plan = plan_of(source, shop, rows={"public.customer": {"where": "kind <> 'debug'"}})
    assert copied_ids(source, shop, plan, "public.customer") == [1]
    kept = [3, 6, 9]
    assert copied_ids(source, shop, plan, "public.invoice") == kept
    lines = [i for i in range(1, 19) if 1 + i % 9 in kept]
    assert copied_ids(source, shop, plan, "public.line") == lines
    assert copied_ids(source, shop, plan, "public.note") == sorted([*lines, 18])
    assert next(table for table in plan.tables if table.name == "product").where_sql is None


def test_two_filters_meet_in_a_table_below_both(source: Cluster, shop: str) -> None:
    plan = plan_of(
        source,
        shop,
        rows={"public.product": {"where": "id = 1"}, "public.invoice": {"where": "customer IS NULL"}},
    )
    assert copied_ids(source, shop, plan, "public.line") == [8]


def test_a_table_that_points_to_itself_loses_what_hangs_below_a_lost_row(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node, name text);"
        "INSERT INTO node VALUES (1, NULL, 'a'), (2, 1, 'x'), (3, 2, 'a'), (4, 3, 'a'), (5, 1, 'a'),"
        "(6, 6, 'x')",
    )
    plan = plan_of(source, source_database, rows={"public.node": {"where": "name <> 'x'"}})
    assert copied_ids(source, source_database, plan, "public.node") == [1, 5]


def test_keys_of_several_columns_and_into_partitions_are_followed(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE event (id int, day date, kind text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
        "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');"
        "CREATE TABLE detail (id int, event int, day date,"
        " FOREIGN KEY (event, day) REFERENCES event (id, day));"
        "INSERT INTO event VALUES (1, '2024-01-05', 'x'), (2, '2024-02-05', 'x'), (3, '2024-02-06', 'y');"
        "INSERT INTO detail VALUES (1, 1, '2024-01-05'), (2, 2, '2024-02-05'), (3, 3, '2024-02-06'),"
        "(4, 3, NULL)",
    )
    whole = plan_of(source, source_database, rows={"public.event": {"where": "kind = 'x'"}})
    assert copied_ids(source, source_database, whole, "public.detail") == [1, 2, 4]
    part = plan_of(source, source_database, tables={"include": ["*.*"], "exclude": ["public.event_1"]})
    assert copied_ids(source, source_database, part, "public.detail") == [2, 3, 4]


def test_a_circle_of_foreign_keys_around_a_filter_is_an_error_that_names_it(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b",
    )
    assert plan_of(source, source_database).tables
    with pytest.raises(RequestWrong) as caught:
        plan_of(source, source_database, rows={"public.a": {"where": "id > 1"}})
    assert "public.a → public.b" in caught.value.what or "public.b → public.a" in caught.value.what


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("no_such_column = 1", "unknown column"),
        ("id", "not of type boolean"),
        ("id = 1) OR (true", "closes a parenthesis"),
        ("nonsense(id)", "needs its schema"),
        ("count(*) > 1", "aggregate"),
        ("id = = 2", "syntax error"),
    ],
)
def test_a_condition_that_the_source_does_not_accept_is_an_error_at_once(
    source: Cluster, shop: str, where: str, said: str
) -> None:
    with pytest.raises(RequestWrong) as caught:
        plan_of(source, shop, rows={"public.customer": {"where": where}})
    assert said in caught.value.what
    assert "rows" in caught.value.what
