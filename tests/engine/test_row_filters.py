"""Row filters: what is asked for is copied, and every foreign key holds among what is."""

from __future__ import annotations

import pytest

from appliance.errors import WrongRequestError
from tests.engine.clusters import Cluster
from tests.engine.plan_making import assert_nothing_is_lost, copied_ids, left_out, plan_of

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
    assert_nothing_is_lost(source, shop, plan)


def test_rows_below_a_lost_row_are_lost_too_and_others_are_not(source: Cluster, shop: str) -> None:
    plan = plan_of(source, shop, rows={"public.customer": {"where": "kind <> 'debug'"}})
    assert copied_ids(source, shop, plan, "public.customer") == [1]
    kept = [3, 6, 9]
    assert copied_ids(source, shop, plan, "public.invoice") == kept
    lines = [i for i in range(1, 19) if 1 + i % 9 in kept]
    assert copied_ids(source, shop, plan, "public.line") == lines
    assert copied_ids(source, shop, plan, "public.note") == sorted([*lines, 18])
    assert next(table for table in plan.tables if table.name == "product").where_sql is None
    assert_nothing_is_lost(source, shop, plan)


def test_two_filters_meet_in_a_table_below_both(source: Cluster, shop: str) -> None:
    plan = plan_of(
        source,
        shop,
        rows={"public.product": {"where": "id = 1"}, "public.invoice": {"where": "customer IS NULL"}},
    )
    assert copied_ids(source, shop, plan, "public.line") == [8]
    assert_nothing_is_lost(source, shop, plan)


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
    assert left_out(source, source_database, plan) == {"public.node": (6, 2, 2)}


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
    for plan in (whole, part):
        assert_nothing_is_lost(source, source_database, plan)


def test_a_circle_of_foreign_keys_around_a_filter_is_an_error_that_names_it(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b",
    )
    assert plan_of(source, source_database).tables
    with pytest.raises(WrongRequestError) as caught:
        plan_of(source, source_database, rows={"public.a": {"where": "id > 1"}})
    assert "public.a → public.b" in caught.value.what or "public.b → public.a" in caught.value.what


def test_rows_that_refer_to_a_kept_row_by_the_keys_own_equality_are_copied(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;"
        "CREATE DOMAIN address AS ext.citext;"
        "CREATE TABLE login (email ext.citext PRIMARY KEY, active boolean NOT NULL, sponsor address,"
        " FOREIGN KEY (sponsor) REFERENCES login);"
        "CREATE TABLE visit (id int PRIMARY KEY, email address NOT NULL REFERENCES login);"
        "INSERT INTO login SELECT 'Person' || i || '@example.net', i % 2 = 0"
        " FROM generate_series(1, 100) AS i;"
        "UPDATE login SET sponsor = 'pERSON4@example.net' WHERE email::text ~ '^Person[67]@';"
        "UPDATE login SET sponsor = 'PERSON5@example.net' WHERE email::text ~ '^Person8@';"
        "INSERT INTO visit SELECT i, lower('Person' || i || '@example.net') FROM generate_series(1, 100) i",
    )
    plan = plan_of(source, source_database, rows={"public.login": {"where": "active"}})
    kept = [i for i in range(2, 101, 2) if i != 8]
    assert copied_ids(source, source_database, plan, "public.visit") == kept
    assert left_out(source, source_database, plan) == {
        "public.login": (100, 50, 1),
        "public.visit": (100, 0, 51),
    }
    assert_nothing_is_lost(source, source_database, plan, "email")


def test_equality_of_a_nondeterministic_collation_is_that_of_the_table_referred_to(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE TABLE p (id int, code text COLLATE ci PRIMARY KEY);"
        "CREATE TABLE c (id int PRIMARY KEY, code text COLLATE ci REFERENCES p);"
        'CREATE TABLE d (id int PRIMARY KEY, code varchar(9) COLLATE "C" REFERENCES p);'
        "INSERT INTO p SELECT i, 'Code' || i FROM generate_series(1, 20) AS i;"
        "INSERT INTO c SELECT i, 'CODE' || i FROM generate_series(1, 20) AS i; INSERT INTO d SELECT * FROM c",
    )
    plan = plan_of(source, source_database, rows={"public.p": {"where": "id > 15"}})
    for table in ("public.c", "public.d"):
        assert copied_ids(source, source_database, plan, table) == [16, 17, 18, 19, 20]
    assert_nothing_is_lost(source, source_database, plan)


def test_a_key_that_is_compared_by_what_a_user_made_is_not_followed(
    source: Cluster, source_database: str
) -> None:
    source.sql("postgres", "DO $$ BEGIN CREATE ROLE plain_owner; EXCEPTION WHEN duplicate_object THEN END $$")
    source.sql(
        source_database,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id int PRIMARY KEY, p int REFERENCES p);"
        "CREATE TYPE weight AS (g int);"
        "CREATE FUNCTION weight_int(weight) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT ($1).g';"
        "ALTER FUNCTION weight_int(weight) OWNER TO plain_owner;"
        "CREATE CAST (weight AS int) WITH FUNCTION weight_int(weight) AS IMPLICIT;"
        "CREATE TABLE s (id int PRIMARY KEY, q weight, FOREIGN KEY (q) REFERENCES q)",
    )
    with pytest.raises(WrongRequestError) as caught:
        plan_of(source, source_database, rows={"public.q": {"where": "id > 1"}})
    assert "public.s: foreign key s_q_fkey compares with an operator or a cast" in caught.value.what
    assert plan_of(source, source_database).tables
    without = {"include": ["*.*"], "exclude": ["public.s"]}
    plan = plan_of(source, source_database, rows={"public.q": {"where": "id > 1"}}, tables=without)
    assert left_out(source, source_database, plan) == {"public.q": (0, 0, 0)}


def test_rows_of_a_key_that_was_never_validated_may_refer_to_nothing_and_are_left_out(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int);"
        "CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c);"
        "INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2), (3, 9), (4, NULL);"
        "INSERT INTO d SELECT id, id FROM c; ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p NOT VALID",
    )
    plan = plan_of(source, source_database, rows={"public.p": {"where": "id = 1"}})
    assert copied_ids(source, source_database, plan, "public.d") == [1, 4]
    assert left_out(source, source_database, plan) == {
        "public.p": (2, 1, 0),
        "public.c": (4, 0, 2),
        "public.d": (4, 0, 2),
    }


def test_a_row_below_a_lost_one_by_any_of_several_keys_into_its_own_table_is_lost(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE person (id int PRIMARY KEY, name text, boss int REFERENCES person,"
        " mentor int REFERENCES person);"
        "INSERT INTO person VALUES (1, 'x', NULL, NULL), (2, 'a', 1, NULL), (3, 'a', NULL, 2),"
        " (4, 'a', 3, NULL), (5, 'a', NULL, NULL), (6, 'a', 5, 5)",
    )
    plan = plan_of(source, source_database, rows={"public.person": {"where": "name <> 'x'"}})
    assert copied_ids(source, source_database, plan, "public.person") == [5, 6]
    assert left_out(source, source_database, plan) == {"public.person": (6, 1, 3)}


def test_keys_to_a_single_partition_and_into_partitions_that_are_not_selected_are_followed(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE part (id int, kind int, above int, up int, PRIMARY KEY (id, kind),"
        " FOREIGN KEY (up, above) REFERENCES part (id, kind)) PARTITION BY LIST (kind);"
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);"
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);"
        "CREATE TABLE near (id int PRIMARY KEY, part int, kind int,"
        " FOREIGN KEY (part, kind) REFERENCES part_2 (id, kind));"
        "INSERT INTO part VALUES (1, 1, NULL, NULL), (2, 2, 1, 1), (3, 2, NULL, NULL), (4, 2, 2, 2),"
        " (5, 2, 2, 3), (6, 2, NULL, 9);"
        "INSERT INTO near VALUES (1, 2, 2), (2, 3, 2), (3, NULL, 2), (4, 5, 2)",
    )
    plan = plan_of(source, source_database, tables={"include": ["*.*"], "exclude": ["public.part_1"]})
    assert copied_ids(source, source_database, plan, "public.part_2") == [3, 5, 6]
    assert copied_ids(source, source_database, plan, "public.near") == [2, 3, 4]
    assert_nothing_is_lost(source, source_database, plan)


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
    with pytest.raises(WrongRequestError) as caught:
        plan_of(source, shop, rows={"public.customer": {"where": where}})
    assert said in caught.value.what
    assert "rows" in caught.value.what
