"""Reading a source's catalog: every kind of object, as a role with nothing but read access sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.postgres.source.catalog_reader import read_catalog
from appliance.workflow.catalog import Catalog
from tests.engine.clusters import Cluster
from tests.engine.every_object import every_object_of
from tests.engine.source_session import catalog_of, column_of, session, table_of

MORE = """
CREATE TYPE public.pair AS (a integer, b crm.mood);
CREATE DOMAIN public.short AS varchar(7);
CREATE DOMAIN public.shorter AS public.short CHECK (length(value) < 5) NOT NULL;
CREATE TABLE public.types (
    a regclass, b regclass[], c int[], d numeric(10,2), e numeric(3,-2), f crm.mood[], g int4range,
    h varchar(10), i char(3), j public.shorter, k public.pair, l crm.price_ranges, m public.pair[],
    n "char", o crm.citext, p oid,
    q crm.email[], r bpchar, s public.short[], t text[][], u xml, v tstzmultirange
);
CREATE TABLE public.keys (
    a int, b int, c int, d int, e text, f text,
    PRIMARY KEY (a, b), UNIQUE (c), UNIQUE (d, e), EXCLUDE USING btree (f WITH =)
);
CREATE UNIQUE INDEX ON public.keys (lower(e));
CREATE UNIQUE INDEX ON public.keys (d) WHERE b > 5;
CREATE TABLE public.by_day (a int, b timestamptz, c text)
    PARTITION BY RANGE (date_trunc('day', b AT TIME ZONE 'UTC'));
CREATE TABLE public.by_day_rest PARTITION OF public.by_day DEFAULT;
CREATE TABLE crm.secret (id int); REVOKE ALL ON crm.secret FROM PUBLIC;
CREATE TABLE public.partly (id int, name text);
CREATE TABLE public.rows_hidden (id int); ALTER TABLE public.rows_hidden ENABLE ROW LEVEL SECURITY;
CREATE TABLE public.big (id int, filler text); ALTER TABLE public.big ALTER filler SET STORAGE PLAIN;
INSERT INTO public.big SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i;
ANALYZE public.big;
SELECT lo_create(0), lo_create(0);
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE public.elsewhere (line text) SERVER files OPTIONS (filename '/etc/hostname');
CREATE FOREIGN DATA WRAPPER lonely;
CREATE PUBLICATION everything FOR ALL TABLES;
COMMENT ON DATABASE everything IS 'ours';
ALTER DEFAULT PRIVILEGES IN SCHEMA crm GRANT SELECT ON TABLES TO reader;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.keys_d_idx'::regclass;
CREATE FUNCTION public.nothing() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_start EXECUTE FUNCTION public.nothing();
GRANT USAGE ON SCHEMA public, crm, "Verkauf & Co" TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm, "Verkauf & Co" TO reader;
REVOKE SELECT ON crm.secret, public.partly FROM reader;
GRANT SELECT (id, name) ON public.partly TO reader;
"""


@pytest.fixture(scope="module")
def database(source: Cluster) -> Iterator[str]:
    source.create_database("everything")
    source.sql("everything", every_object_of(source.major))
    for statement in MORE.split(";\n"):
        source.sql("everything", statement)
    source.sql("postgres", "ALTER DATABASE everything SET work_mem = '5MB'")
    yield "everything"
    source.drop_database("everything")


@pytest.fixture(scope="module")
def catalog(source: Cluster, database: str) -> Catalog:
    return catalog_of(source, database, "reader")


def test_every_table_is_there_and_nothing_of_the_system(catalog: Catalog) -> None:
    names = {table.qualified for table in catalog.tables}
    assert {"Verkauf & Co.Bestellung", "crm.event 2025 one", "public.no_columns", "public.car"} <= names
    assert {"public.elsewhere", "public.event", "public.volatile_one"} <= names
    assert not any(name.startswith(("pg_", "information_schema")) for name in names)
    kinds = {table.qualified: table.kind for table in catalog.tables}
    assert kinds["public.event"] == "partitioned"
    assert kinds["public.volatile_one"] == "unlogged"
    assert kinds["public.elsewhere"] == "foreign"
    assert table_of(catalog, "public.no_columns").columns == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", {"type": "regclass", "binary_safe": False}),
        ("b", {"type_kind": "array", "binary_safe": False}),
        ("c", {"type": "integer[]", "type_kind": "array", "base_kind": "array", "binary_safe": True}),
        ("d", {"type": "numeric(10,2)", "numeric_precision": 10, "numeric_scale": 2}),
        ("e", {"numeric_precision": 3, "numeric_scale": -2}),
        ("f", {"type": "crm.mood[]", "binary_safe": False}),
        ("g", {"type": "int4range", "type_kind": "range", "binary_safe": True}),
        ("h", {"base_type": "character varying", "type_modifier_length": 10}),
        ("i", {"base_type": "character", "type_modifier_length": 3}),
        (
            "j",
            {
                "type": "public.shorter",
                "type_kind": "domain",
                "base_kind": "base",
                "base_type": "character varying",
                "type_modifier_length": 7,
                "not_null": True,
                "domain_has_check": True,
            },
        ),
        ("k", {"type_kind": "composite", "binary_safe": False}),
        ("l", {"type_kind": "multirange", "binary_safe": True}),
        ("m", {"type_kind": "array", "binary_safe": False}),
        ("o", {"base_type": "crm.citext", "binary_safe": True}),
        ("r", {"base_type": "character", "type_modifier_length": None}),
        ("s", {"binary_safe": False}),
        ("t", {"type": "text[]"}),
    ],
)
def test_types_are_seen_through(catalog: Catalog, name: str, expected: dict[str, Any]) -> None:
    column = column_of(table_of(catalog, "public.types"), name).model_dump()
    assert {key: column[key] for key in expected} == expected


def test_enums_know_their_labels_in_order(catalog: Catalog) -> None:
    mood = column_of(table_of(catalog, "crm.customer"), "mood")
    assert mood.enum_labels == ("sad", "it's fine", "glücklich", "")


def test_keys_and_constraints_are_told_apart(catalog: Catalog) -> None:
    keys = table_of(catalog, "public.keys")
    assert keys.primary_key == ("a", "b")
    assert set(keys.unique_keys) == {("a", "b"), ("c",), ("d", "e")}
    assert [column.name for column in keys.columns if column.unique_alone] == ["c"]
    assert {column.name for column in keys.columns if column.unique_partial} == {"b", "d", "e", "f"}
    assert {column.name for column in keys.columns if column.not_null} == {"a", "b"}
    customer = table_of(catalog, "crm.customer")
    assert column_of(customer, "born").check_constraints == ("born before today",)
    assert column_of(customer, "id").identity and column_of(customer, "id").from_sequence
    assert not column_of(customer, "born").from_sequence
    assert column_of(customer, "shouted").generated
    assert column_of(customer, "shouted").generated_from == ("Full Name",)


def test_foreign_keys_point_to_the_table_that_was_named(catalog: Catalog) -> None:
    (to_partitioned,) = table_of(catalog, "public.event_detail").foreign_keys
    assert (to_partitioned.to_schema, to_partitioned.to_table) == ("public", "event")
    assert to_partitioned.columns == ("event_id", "event_at")
    assert to_partitioned.to_columns == ("id", "at")
    both = {key.name: key for key in table_of(catalog, "crm.customer").foreign_keys}
    assert both["main_order_fk"].to_columns == ("id", "customer")
    assert both["main_order_fk"].deferrable


def test_partitions_know_their_root_and_what_places_a_row(catalog: Catalog) -> None:
    leaf = table_of(catalog, "public.event_2025_rest_1")
    assert (leaf.root_schema, leaf.root_name) == ("public", "event")
    assert leaf.partition_key == ("at", "id")
    assert [column.name for column in leaf.columns] == ["room", "kind", "at", "id", "customer"]
    assert table_of(catalog, "public.by_day_rest").partition_key == ("b",)
    assert table_of(catalog, "public.car").root_name is None


def test_privileges_of_the_asking_role_are_seen(catalog: Catalog) -> None:
    assert not table_of(catalog, "crm.secret").readable
    assert table_of(catalog, "crm.customer").readable
    partly = table_of(catalog, "public.partly")
    assert partly.readable
    assert not partly.ctid_readable
    assert table_of(catalog, "public.rows_hidden").row_security
    assert not table_of(catalog, "public.keys").row_security


def test_sizes_are_todays(catalog: Catalog, source: Cluster, database: str) -> None:
    big = table_of(catalog, "public.big")
    assert big.estimated_rows == 10000
    assert big.pages == source.value(database, "SELECT pg_relation_size('public.big') / 8192")
    assert big.bytes >= big.pages * 8192
    assert table_of(catalog, "public.no_key").estimated_rows == 0


def test_what_a_twin_will_lack_is_listed(catalog: Catalog) -> None:
    lacking = {(item.kind, item.name) for item in catalog.not_carried}
    assert {
        ("large objects", "2 large objects"),
        ("foreign table", "public.elsewhere"),
        ("foreign server", "files"),
        ("publication", "everything"),
        ("event trigger", "watch"),
        ("owner", "postgres"),
        ("database setting", "work_mem"),
        ("foreign data wrapper", "lonely"),
        ("comment", "on the database everything"),
        ("default privileges", "of postgres in crm"),
        ("invalid index", "public.keys_d_idx"),
    } <= lacking
    assert ("foreign data wrapper", "file_fdw") not in lacking
    assert any(kind == "grants" for kind, _ in lacking)
    assert all(item.why for item in catalog.not_carried)


def test_objects_in_a_tablespace_are_counted(source: Cluster, source_database: str) -> None:
    with source.connect(source_database) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE fast LOCATION ''")
        connection.execute(
            "CREATE TABLE t (id int PRIMARY KEY USING INDEX TABLESPACE fast, v text) TABLESPACE fast"
        )
        lacking = {(item.kind, item.name) for item in read_catalog(connection).not_carried}
        connection.execute("DROP TABLE t")
        connection.execute("DROP TABLESPACE fast")
    assert ("tablespace", "fast of 2 objects") in lacking


def test_the_database_itself_is_described(catalog: Catalog) -> None:
    assert catalog.encoding == "UTF8"
    assert catalog.locale_provider == "libc"
    assert catalog.collate == "C.UTF-8"
    assert not catalog.in_recovery
    assert {name for name, _ in catalog.extensions} >= {"citext", "btree_gist", "pg_trgm"}


def test_a_thousand_tables_take_no_more_queries_than_ten(source: Cluster, source_database: str) -> None:
    def queries() -> int:
        count = 0

        with session(source, source_database) as source_session:
            execute = source_session.execute

            def counting(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                return execute(*arguments, **options)

            source_session.execute = counting  # type: ignore[method-assign]
            read_catalog(source_session)
        return count

    make = "CREATE TABLE t_{0} (id int PRIMARY KEY, a text UNIQUE, b varchar(9), c int REFERENCES t_0)"
    source.sql(source_database, "CREATE TABLE t_0 (id int PRIMARY KEY)")
    source.sql(source_database, ";".join(make.format(number) for number in range(1, 11)))
    few = queries()
    for first in range(11, 1001, 330):  # a transaction locks all that it makes
        script = ";".join(make.format(number) for number in range(first, first + 330))
        source.sql(source_database, script)
    assert queries() == few
    assert len(catalog_of(source, source_database).tables) == 1001


def test_a_column_knows_the_tables_above_that_show_it(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database,
        "CREATE TABLE being (id int, name text); CREATE TABLE person (email text) INHERITS (being);"
        "CREATE TABLE payee (email text, iban text);"
        "CREATE TABLE staff (email text, badge int) INHERITS (person, payee);",
    )
    catalog = catalog_of(source, source_database)
    staff = table_of(catalog, "public.staff")
    family = {column.name: [name for _, name in staff.family(column)] for column in staff.columns}
    assert family == {
        "id": ["staff", "person", "being"],
        "name": ["staff", "person", "being"],
        "email": ["staff", "payee", "person"],
        "iban": ["staff", "payee"],
        "badge": ["staff"],
    }
    distances = [ancestor.distance for ancestor in column_of(staff, "name").inherited_from]
    assert distances == [1, 2]


def test_where_a_null_may_be_once_too_often_is_known(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database,
        "CREATE TABLE label (id int PRIMARY KEY, release int, number text, kind int, ended date, note text,"
        " CHECK (number IS NOT NULL OR kind IS NOT NULL), CHECK (kind > 0), CHECK (num_nonnulls(note) = 1),"
        " UNIQUE NULLS NOT DISTINCT (release, number));"
        "CREATE UNIQUE INDEX ON label (kind) WHERE ended IS NULL;"
        "CREATE UNIQUE INDEX ON label (note) WHERE note IS NOT NULL;"
        "CREATE UNIQUE INDEX ON label (release, coalesce(kind, 0))",
    )
    label = table_of(catalog_of(source, source_database), "public.label")
    assert label.nulls_alike == (("release", "number"),)
    assert {each.name for each in label.columns if each.null_repeats} == {"kind", "ended"}
    assert {each.name: each.null_checks for each in label.columns if each.null_checks} == {
        "number": ("label_check",),
        "kind": ("label_check",),
        "note": ("label_note_check",),
    }
