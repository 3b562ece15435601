"""What a target refuses to make is found by making it, before a row is read, and is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from appliance.errors import ApplianceError
from appliance.postgres.twin.target.abilities import TargetAbilities, read_abilities
from appliance.postgres.twin.target.extension_trial import try_extensions
from appliance.steps.schema import SchemaResult
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.scenario import Scenario
from tests.engine.test_as_in_source import run_of

StartRun = Callable[..., EngineRun]

WHAT_A_PLAIN_OWNER_MAY_NOT_MAKE = """
CREATE TABLE public.t (id integer PRIMARY KEY, v varchar, name text);
INSERT INTO public.t SELECT i, '5', 'Zoe ' || i FROM generate_series(1, 30) AS i;
CREATE CAST (varchar AS integer) WITH INOUT AS IMPLICIT;
CREATE FUNCTION public.bulk_fix() RETURNS integer LANGUAGE plpgsql
    SET session_replication_role TO 'replica' AS 'BEGIN UPDATE public.t SET v = v; RETURN 1; END';
COMMENT ON FUNCTION public.bulk_fix() IS 'goes with it';
CREATE VIEW public.fixing AS SELECT public.bulk_fix();
CREATE FUNCTION public.fold_c(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'lower';
CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT public.fold_c($1)';
CREATE INDEX t_fold ON public.t (public.fold(name));
CREATE FUNCTION public.fold_later(text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN public.fold_c($1); END';
CREATE INDEX t_fold_later ON public.t (public.fold_later(name));
CREATE INDEX t_plain ON public.t (name);
"""


def test_a_plan_lists_what_shows_only_when_it_is_tried_and_leaves_nothing(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    scenario.source.sql(scenario.source_database, WHAT_A_PLAIN_OWNER_MAY_NOT_MAKE)
    scenario.source.sql(scenario.source_database, "GRANT SELECT ON public.t TO reader")
    scenario.workflow["keep"] = [*scenario.workflow["keep"], "public.t.*"]
    before = scenario.target.databases()
    scenario.objects_at_first = scenario.source_objects()
    planned = scenario.run("plan", "--json")
    assert planned.code == 0, planned.text
    listed = {
        f"{item['kind']} {item['name']}": item["why"] for item in json.loads(planned.out)["not_carried"]
    }
    assert "42501" in listed["function public.bulk_fix()"]
    assert "function public.bulk_fix()" in listed["view public.fixing"]
    assert "42883" in listed["index public.t_fold"]
    assert scenario.target.databases() == before
    assert scenario.twin_is_the_former()
    scenario.assert_nothing_left()


def test_what_nobody_needs_is_left_out_and_listed_with_the_reason(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(source_database, WHAT_A_PLAIN_OWNER_MAY_NOT_MAKE)
    run = start_run()
    run.plan_as_is()
    made = run.schema()
    assert isinstance(made, SchemaResult)
    listed = {f"{item.kind} {item.name}": item.why for item in made.not_carried}
    assert listed.keys() == {
        "cast CAST (character varying AS integer)",
        "function public.bulk_fix()",
        "view public.fixing",
        "index public.t_fold",
    }
    assert "42501" in listed["function public.bulk_fix()"]
    assert "function public.bulk_fix()" in listed["view public.fixing"]
    assert "42883" in listed["index public.t_fold"]
    # It names the function with its schema: no path would find what is not there.
    assert "ALTER FUNCTION" not in listed["index public.t_fold"]
    assert any("view public.fixing" in text for text in run.notices)
    run.copy()
    run.finish()
    # A body in PL/pgSQL shows only where rows are that it calls what is not there.
    (later,) = [text for text in run.notices if "t_fold_later" in text]
    assert "42883" in later and "ALTER FUNCTION" not in later
    run.publish()
    there = {
        name
        for (name,) in target.rows(twin_database, "SELECT relname::text FROM pg_class WHERE oid >= 16384")
    }
    assert {"t", "t_pkey", "t_plain"} <= there
    assert not {"fixing", "t_fold", "t_fold_later"} & there
    assert target.value(twin_database, "SELECT count(*) FROM public.t") == 30


def test_a_copied_table_that_needs_what_is_refused_stops_the_run_before_a_row_is_read(
    start_run: StartRun, source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE FUNCTION public.number() RETURNS integer LANGUAGE plpgsql"
        " SET session_replication_role TO 'replica' AS 'BEGIN RETURN 1; END';"
        "CREATE TABLE public.t (id integer PRIMARY KEY DEFAULT public.number());",
    )
    run = start_run()
    run.plan_as_is()
    with pytest.raises(ApplianceError) as caught:
        run.schema()
    text = caught.value.text()
    assert "table public.t" in text and "function public.number()" in text and "tables.exclude" in text


FOUND_ONLY_IN_A_SESSION_WITH_A_PATH = """
CREATE SCHEMA tools;
CREATE FUNCTION tools.folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE TABLE public.t (id integer PRIMARY KEY, name text);
SET search_path = public, tools;
CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT folded($1)';
CREATE INDEX t_fold ON public.t (fold(name));
CREATE FUNCTION public.fold_later(text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN folded($1); END';
CREATE INDEX t_fold_later ON public.t (fold_later(name));
"""


def test_an_index_that_finds_its_names_under_no_path_of_the_database_is_left_out_with_what_mends_it(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, FOUND_ONLY_IN_A_SESSION_WITH_A_PATH)
    run = start_run()
    run.plan_as_is()
    listed = {item.name: item.why for item in run.schema().not_carried}
    assert listed.keys() == {"public.t_fold"}
    assert "ALTER FUNCTION public.fold(text) SET search_path = " in listed["public.t_fold"]
    target.sql(f"{run.twin}__next", "INSERT INTO public.t VALUES (1, 'Zoe')")
    run.finish()
    text = run.notices[-1]
    assert "index public.t_fold_later is not in the twin" in text and "42883" in text
    assert "ALTER FUNCTION public.fold_later(text) SET search_path = " in text


def test_what_the_path_of_the_source_finds_is_made(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, FOUND_ONLY_IN_A_SESSION_WITH_A_PATH)
    source.sql(source_database, f'ALTER DATABASE "{source_database}" SET search_path = public, tools')
    run = start_run()
    run.plan_as_is()
    assert run.schema().not_carried == ()
    target.sql(f"{run.twin}__next", "INSERT INTO public.t VALUES (1, 'Zoe')")
    run.finish()
    found = target.rows(f"{run.twin}__next", "SELECT relname::text FROM pg_class WHERE relname ~ '^t_fold'")
    assert sorted(found) == [("t_fold",), ("t_fold_later",)]
    assert run.notices == []


def test_every_index_is_tried_however_many_objects_there_are(
    start_run: StartRun, source: Cluster, source_database: str
) -> None:
    many = "".join(
        f"CREATE TABLE public.t{i} (id integer PRIMARY KEY, name text);"
        f"CREATE INDEX i{i} ON public.t{i} (lower(name)); CREATE INDEX j{i} ON public.t{i} (upper(name));"
        for i in range(700)
    )
    source.sql(source_database, many)
    source.sql(
        source_database,
        "CREATE FUNCTION public.fold_c(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'lower';"
        "CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT"
        " AS 'SELECT public.fold_c($1)';"
        "CREATE INDEX z_last ON public.t699 (public.fold(name));",
    )
    run = start_run()
    run.plan_as_is()
    assert [item.name for item in run.schema().not_carried] == ["public.z_last"]


def test_leave_out_names_what_the_twin_does_without(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE VIEW public.report AS SELECT id FROM public.invoice;"
        "CREATE VIEW public.report_of_report AS SELECT id FROM public.report;"
        "CREATE FUNCTION public.shout(text, integer) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';"
        "CREATE FUNCTION public.whisper(text) RETURNS text LANGUAGE sql AS 'SELECT lower($1)'",
    )
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["leave_out"] = [
        "view public.report",
        "function public.shout",
        "view public.gone_by_now",
    ]
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    assert "leave_out names `view public.gone_by_now`" in ended.text
    listed = {f"{item['kind']} {item['name']}" for item in ended.lines[-1]["not_carried"]}
    assert {"view public.report", "view public.report_of_report"} <= listed
    assert scenario.twin_rows("SELECT proname::text FROM pg_proc WHERE oid >= 16384") == [("whisper",)]
    assert scenario.twin_rows("SELECT to_regclass('public.report_of_report')") == [(None,)]


def test_a_copied_table_that_needs_what_leave_out_names_stops_the_plan(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE DOMAIN public.sum AS numeric; ALTER TABLE public.invoice ADD tip public.sum",
    )
    scenario.workflow["leave_out"] = ["domain public.sum"]
    ended = scenario.run()
    assert ended.code == 2
    assert "public.invoice cannot be made" in ended.text and "leave_out" in ended.text


CHECKED = """
CREATE FUNCTION odd(int) RETURNS int IMMUTABLE LANGUAGE internal AS 'int4abs';
CREATE TABLE t (id int PRIMARY KEY, n int CONSTRAINT "Odd One" CHECK (odd(n) > 0),
    CONSTRAINT stays CHECK (n < 100), CONSTRAINT here CHECK (odd(id) >= 0) NO INHERIT);
COMMENT ON CONSTRAINT "Odd One" ON t IS 'goes with it';
CREATE TABLE kid (x text, CHECK (odd(n) > 0 AND x <> 'a
, b')) INHERITS (t);
CREATE TABLE p (id int, CHECK (odd(id) > 0)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p (CONSTRAINT own CHECK (odd(id) > 1)) FOR VALUES FROM (0) TO (10);
CREATE TABLE nothing (CONSTRAINT c CHECK (odd(3) > 0));
CREATE TABLE late (id int); ALTER TABLE late ADD CONSTRAINT of_late CHECK (odd(id) > 0) NOT VALID;
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i; INSERT INTO kid VALUES (20, 20, 'x');
INSERT INTO p VALUES (5); GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""


def test_a_check_over_what_the_target_cannot_have_is_left_out_and_its_table_is_not(
    scenario: Scenario,
) -> None:
    ended = run_of(scenario, CHECKED)
    assert ended.code == 0, ended.text
    checks = (
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid > 0 ORDER BY 1"
    )
    assert scenario.twin_rows(checks) == [("kid", "stays"), ("t", "stays")]
    counts = "SELECT (SELECT count(*) FROM ONLY t), (SELECT count(*) FROM kid), (SELECT count(*) FROM p1)"
    assert scenario.twin_rows(counts) == [(9, 1, 1)]
    planned = scenario.run("plan", "--json")
    listed = {
        item["name"] for item in json.loads(planned.out)["not_carried"] if item["kind"] == "table constraint"
    }
    assert listed == {
        '"Odd One" on public.t',
        "here on public.t",
        "kid_check on public.kid",
        "p_id_check on public.p",
        "own on public.p1",
        "c on public.nothing",
        "of_late on public.late",
    }


def test_leave_out_names_a_check(scenario: Scenario) -> None:
    script = (
        "CREATE TABLE t (id int PRIMARY KEY, CONSTRAINT small CHECK (id < 9), CONSTRAINT big CHECK (id > 0));"
        "INSERT INTO t VALUES (1); GRANT SELECT ON t TO reader"
    )
    ended = run_of(scenario, script, leave_out=["check small on public.t"])
    assert ended.code == 0, ended.text
    checks = "SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND conrelid > 0"
    assert scenario.twin_rows(checks) == [("big",)]


def test_a_table_of_an_access_method_that_is_not_there_is_stored_as_others_are(
    scenario: Scenario,
) -> None:
    script = (
        "CREATE FUNCTION public.in_columns(internal) RETURNS table_am_handler LANGUAGE internal"
        " AS 'heap_tableam_handler'; CREATE ACCESS METHOD columnar TYPE TABLE HANDLER public.in_columns;"
        "CREATE TABLE public.t (id int PRIMARY KEY, at date) USING columnar;"
        "INSERT INTO public.t SELECT i, '2026-01-01' FROM generate_series(1, 9) AS i;"
        "CREATE MATERIALIZED VIEW public.m USING columnar AS SELECT id FROM public.t;"
        "GRANT SELECT ON public.t TO reader;"
    )
    ended = run_of(scenario, script)
    assert ended.code == 0, ended.text
    assert "public.t, public.m. The target does not have their access method columnar." in ended.text
    assert scenario.twin_rows("SELECT count(*) FROM public.t JOIN public.m USING (id)") == [(9,)]
    stored = (
        "SELECT DISTINCT a.amname::text FROM pg_am AS a JOIN pg_class AS c ON c.relam = a.oid"
        " WHERE c.relkind IN ('r', 'm')"
    )
    assert scenario.twin_rows(stored) == [("heap",)]


def _without(abilities: TargetAbilities, extension: str) -> TargetAbilities:
    return replace(abilities, extensions=abilities.extensions - {extension})


def test_an_extension_that_the_server_creates_is_believed_over_its_catalog(target: Cluster) -> None:
    with closing(target.connect("postgres", "twin_owner")) as admin:
        # Managed servers show a plain role what they let it create as if only a superuser could.
        shown = _without(read_abilities(admin), "cube")
        believed = try_extensions(
            admin,
            lambda database: target.connect(database, "twin_owner", options="-c search_path="),
            "shop_twin__try",
            shown,
            ["cube", "pageinspect", "hstore", "not_there"],
        )
    assert believed.extensions >= {"cube", "hstore"}
    assert believed.extensions.isdisjoint({"pageinspect", "not_there"})
    assert "shop_twin__try" not in target.databases()


def test_a_database_of_somebody_else_is_not_taken_for_the_trial(target: Cluster) -> None:
    target.create_database("theirs__try", "OWNER twin_owner")
    try:
        with closing(target.connect("postgres", "twin_owner")) as admin:
            believed = try_extensions(
                admin,
                lambda database: target.connect(database, "twin_owner"),
                "theirs__try",
                known := _without(read_abilities(admin), "pg_prewarm"),
                ["pg_prewarm"],
            )
        assert believed == known
        assert "theirs__try" in target.databases()
    finally:
        target.drop_database("theirs__try")
