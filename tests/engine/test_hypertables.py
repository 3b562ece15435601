"""Hypertables of TimescaleDB, played by tables that stand as it lays them out: all of their rows are carried.

The extension itself has no package here. How version 2.30 fares is in docs/carried.md.
"""

from __future__ import annotations

import json

from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario
from tests.engine.source_session import catalog_of, table_of
from tests.engine.test_as_in_source import run_of

# A superuser may write down an extension without its files: that is all that a reader of the catalog sees.
METRICS = """
CREATE SCHEMA _timescaledb_catalog; CREATE SCHEMA _timescaledb_internal;
CREATE TABLE _timescaledb_catalog.hypertable (schema_name name, table_name name);
CREATE FUNCTION public.time_bucket(timestamptz) RETURNS date LANGUAGE sql STABLE AS 'SELECT $1::date';
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (99999, 'timescaledb', 10, 'public'::regnamespace, false, '2.30');
INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    SELECT classid, objid, 0, 'pg_extension'::regclass, 99999, 0, 'e' FROM (VALUES
        ('pg_namespace'::regclass, '_timescaledb_catalog'::regnamespace::oid),
        ('pg_namespace', '_timescaledb_internal'::regnamespace::oid),
        ('pg_class', '_timescaledb_catalog.hypertable'::regclass::oid),
        ('pg_proc', 'public.time_bucket(timestamptz)'::regprocedure::oid)) AS member (classid, objid);

CREATE TABLE public.device (id int PRIMARY KEY, owner_email text NOT NULL);
INSERT INTO public.device SELECT i, format('person%s@corp.test', i) FROM generate_series(1, 9) AS i;
CREATE TABLE public.reading
    (at timestamptz NOT NULL, device_id int NOT NULL REFERENCES public.device, email text);
INSERT INTO _timescaledb_catalog.hypertable VALUES
    ('public', 'reading'), ('_timescaledb_internal', '_materialized_hypertable_2');
CREATE TABLE _timescaledb_internal._hyper_1_1_chunk () INHERITS (public.reading);
CREATE SCHEMA own_chunks;
CREATE TABLE own_chunks.reading_2 () INHERITS (public.reading);
INSERT INTO _timescaledb_internal._hyper_1_1_chunk
    SELECT '2026-01-01', 1 + i % 9, format('a%s@corp.test', i) FROM generate_series(1, 300) AS i;
INSERT INTO own_chunks.reading_2
    SELECT '2026-01-02', 1 + i % 9, format('b%s@corp.test', i) FROM generate_series(1, 200) AS i;
CREATE TABLE _timescaledb_internal._materialized_hypertable_2 (day date, n bigint);
CREATE VIEW public.daily AS SELECT day, n FROM _timescaledb_internal._materialized_hypertable_2;
CREATE VIEW public.days AS SELECT DISTINCT public.time_bucket(at) FROM public.reading;
CREATE VIEW public.late AS SELECT * FROM public.reading WHERE at > '2026-01-01';
ANALYZE public.reading;
GRANT USAGE ON SCHEMA _timescaledb_catalog, _timescaledb_internal, own_chunks TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, _timescaledb_catalog TO reader;
"""
MASKED = {"masks": {"*.*.*email": "email"}, "keep": ["*.*.*id", "*.*.at"], "tables": {"include": ["*.*"]}}


def test_an_ordinary_table_has_all_rows_of_a_hypertable_masked(scenario: Scenario) -> None:
    ended = run_of(scenario, METRICS, **MASKED)
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*), count(DISTINCT email) FROM ONLY public.reading") == [
        (500, 500)
    ]
    assert scenario.twin_rows("SELECT count(*) FROM public.reading WHERE email LIKE '%corp.test'") == [(0,)]
    assert scenario.twin_rows("SELECT count(*) FROM public.late") == [(200,)]
    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname ~ 'timescale|chunks'"
    assert scenario.twin_rows(schemas)[0][0] <= 1, "of the owner's own at most"


def test_a_plan_says_what_becomes_of_it_and_names_no_chunk(scenario: Scenario) -> None:
    run_of(scenario, METRICS, **MASKED)
    planned = scenario.run("plan", "--json")
    assert planned.code == 0, planned.text
    answer = json.loads(planned.out)
    listed = {f"{item['kind']} {item['name']}" for item in answer["not_carried"]}
    assert {
        "hypertable public.reading",
        "extension timescaledb",
        "view public.daily",
        "view public.days",
    } <= listed
    assert not any("chunk" in each and each.startswith("table ") for each in listed), listed


def test_filters_reach_the_rows_of_a_hypertable_and_those_that_it_refers_to(scenario: Scenario) -> None:
    rows = {"public.device": {"where": "id <= 3"}, "public.reading": {"where": "at > '2026-01-01'"}}
    ended = run_of(scenario, METRICS, **MASKED, rows=rows)
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*), max(device_id) FROM public.reading") == [(68, 3)]


def test_what_stands_in_no_pages_of_its_own_is_neither_cut_nor_sampled_by_places(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        METRICS + "CREATE FUNCTION public.in_columns(internal) RETURNS table_am_handler LANGUAGE internal"
        " AS 'heap_tableam_handler'; CREATE ACCESS METHOD columnar TYPE TABLE HANDLER public.in_columns;"
        "CREATE TABLE public.event (id int) USING columnar; INSERT INTO public.event VALUES (1);"
        "ANALYZE public.event, public.device, _timescaledb_internal._hyper_1_1_chunk;"
        "GRANT SELECT ON public.event TO reader",
    )
    catalog = catalog_of(source, source_database)
    hypertable, event, device = (
        table_of(catalog, f"public.{name}") for name in ("reading", "event", "device")
    )
    assert hypertable.hypertable and hypertable.estimated_rows == 300, "as far as it was analysed"
    assert not event.hypertable and event.estimated_rows == 1
    assert (hypertable.paged, event.paged, device.paged) == (False, False, True)
    assert (hypertable.pages, event.pages, device.pages) == (0, 0, 1)
    assert (hypertable.ctid_readable, event.ctid_readable, device.ctid_readable) == (False, False, True)


def test_a_parent_without_its_children_is_said_to_show_fewer_rows(scenario: Scenario) -> None:
    script = (
        "CREATE TABLE public.person (id int PRIMARY KEY); CREATE SCHEMA hr;"
        "CREATE TABLE hr.staff () INHERITS (public.person); GRANT SELECT ON public.person TO reader;"
    )
    ended = run_of(scenario, script)
    assert ended.code == 0, ended.text
    assert "A query of public.person shows fewer rows than in the source" in ended.text
    assert "hr.staff" in ended.text
