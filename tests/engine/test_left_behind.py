"""What a target cannot have is listed with its reason, and left out together with what needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.postgres.source.unsupported_objects import LeftBehind, find_left_behind
from appliance.postgres.twin.target.abilities import read_abilities
from appliance.postgres.twin.target.checks import table_problems
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

StartRun = Callable[..., EngineRun]

NEEDS_A_SUPERUSER = """
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'secret-host');
CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (user 'x', password 'mapping-secret');
CREATE FOREIGN TABLE public.far (id integer) SERVER elsewhere;
CREATE VIEW public.far_view AS SELECT id FROM public.far;
CREATE VIEW public.far_view_view AS SELECT id FROM public.far_view;
CREATE FUNCTION public.far_row(public.far) RETURNS integer LANGUAGE sql AS 'SELECT ($1).id';
CREATE TABLE public.near (id integer PRIMARY KEY, n integer);
CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER guard ON ddl_command_start EXECUTE FUNCTION public.refuse();
CREATE FUNCTION public.internal_one(text) RETURNS text LANGUAGE internal IMMUTABLE AS 'textin';
CREATE FUNCTION public.leakproof_one(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE LEAKPROOF
    AS 'SELECT $1 = $2';
CREATE OPERATOR public.=== (FUNCTION = public.leakproof_one, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR CLASS public.backwards FOR TYPE integer USING btree AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <,
    FUNCTION 1 btint4cmp(integer, integer);
CREATE INDEX near_backwards ON public.near (n public.backwards);
CREATE INDEX near_plain ON public.near (n);
ALTER TABLE public.near ENABLE ROW LEVEL SECURITY;
CREATE ROLE only_at_source;
CREATE POLICY theirs ON public.near TO only_at_source USING (true);
CREATE POLICY ours ON public.near USING (true);
SELECT lo_create(0);
CREATE PUBLICATION news FOR TABLE public.near;
"""


@pytest.fixture(autouse=True)
def _no_role_left(source: Cluster, source_database: str) -> Iterator[None]:
    """Roles outlive the database they were made for."""
    yield
    if source.rows("postgres", "SELECT FROM pg_roles WHERE rolname = 'only_at_source'"):
        source.sql(source_database, "DROP OWNED BY only_at_source; DROP ROLE only_at_source")


def test_what_only_a_superuser_can_make_is_listed_with_what_needs_it_and_all_else_is_there(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(source_database, NEEDS_A_SUPERUSER)
    run = start_run()
    run.plan_as_is()
    listed = {(item.kind, item.name) for item in run.check.not_carried}
    assert listed == {
        ("extension", "postgres_fdw"),
        ("extension", "file_fdw"),
        ("view", "public.far_view"),
        ("view", "public.far_view_view"),
        ("function", "public.far_row(public.far)"),
        ("function", "public.internal_one(pg_catalog.text)"),
        ("function", "public.leakproof_one(integer,integer)"),
        ("operator", "public.===(integer,integer)"),
        ("operator family", "public.backwards USING btree"),
        ("index", "public.near_backwards"),
        ("policy", "theirs on public.near"),
    }
    reasons = {item.name: item.why for item in run.check.not_carried}
    assert "only a superuser" in reasons["postgres_fdw"]
    assert "It needs the extension postgres_fdw" in reasons["public.far_view_view"]
    assert "only_at_source" in reasons["theirs on public.near"]
    run.schema()
    run.copy()
    run.finish()
    run.publish()
    there = {
        name
        for (name,) in target.rows(twin_database, "SELECT relname::text FROM pg_class WHERE oid >= 16384")
    }
    assert {"near", "near_pkey", "near_plain"} <= there
    assert not {"far", "far_view", "near_backwards"} & there
    assert target.rows(twin_database, "SELECT polname::text FROM pg_policy") == [("ours",)]
    assert target.rows(twin_database, "SELECT FROM pg_proc WHERE proname = 'refuse'") == [()]


def test_secrets_of_foreign_servers_never_reach_the_run_folder(
    start_run: StartRun, source: Cluster, source_database: str
) -> None:
    source.sql(source_database, NEEDS_A_SUPERUSER)
    run = start_run(reader="postgres")
    run.plan_as_is()
    run.schema()
    for path in run.run_dir.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            content = path.read_bytes()
            assert b"mapping-secret" not in content and b"secret-host" not in content, path


def test_a_copied_table_that_the_target_cannot_have_stops_the_plan_with_what_it_lacks(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE EXTENSION pageinspect;"
        "CREATE TABLE public.t (id integer DEFAULT length(fsm_page_contents('x')));"
        "CREATE TABLE public.fine (id integer)",
    )
    with pytest.raises(WrongRequestError) as caught:
        start_run().plan_as_is()
    text = caught.value.text()
    assert "public.t cannot be made" in text and "pageinspect" in text and "superuser" in text
    assert "public.fine" not in text
    assert not target.databases() & {twin_database, f"{twin_database}__next"}
    run = start_run()
    run.publish_as_is(exclude={"public.t"})
    assert target.rows(
        twin_database, "SELECT to_regclass('public.t')::text, to_regclass('public.fine')::text"
    ) == [(None, "fine")]
    assert run.check.facts.missing_extensions == ("pageinspect",)


def test_a_table_that_the_reader_may_not_read_is_left_out_with_what_needs_it(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.role("narrow_reader")
    source.sql(
        source_database,
        'CREATE TABLE public."secret ""one""" (id integer PRIMARY KEY);'
        'CREATE VIEW public.window AS SELECT id FROM public."secret ""one""";'
        'CREATE TABLE public.open (id integer PRIMARY KEY, s integer REFERENCES public."secret ""one""");'
        "CREATE SCHEMA hidden; CREATE TABLE hidden.t (id integer);"
        "GRANT SELECT ON public.open, hidden.t TO narrow_reader",
    )
    run = start_run(reader="narrow_reader")
    run.publish_as_is()
    listed = {(item.kind, item.name): item.why for item in run.check.not_carried}
    assert listed.keys() == {
        ("table", 'public."secret ""one"""'),
        ("view", 'public."window"'),
        ("table constraint", "open_s_fkey on public.open"),
        ("table", "hidden.t"),
    }
    assert "may not read" in listed["view", 'public."window"']
    there = {
        name
        for (name,) in target.rows(twin_database, "SELECT relname::text FROM pg_class WHERE oid >= 16384")
    }
    assert there == {"open", "open_pkey"}


def test_row_security_that_is_forced_on_owners_keeps_no_row_out_and_is_forced_again_in_the_twin(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.t (id integer); INSERT INTO public.t SELECT generate_series(1, 10);"
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; ALTER TABLE public.t FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY few ON public.t USING (id < 3)",
    )
    start_run().publish_as_is()
    assert target.value(twin_database, "SELECT count(*) FROM public.t") == 10
    assert target.value(twin_database, "SELECT count(*) FROM public.t", user="twin_owner") == 2
    assert target.value(twin_database, "SELECT relforcerowsecurity FROM pg_class WHERE relname = 't'")
    assert target.value(twin_database, "SELECT to_regnamespace('appliance_ledger')") is None


def test_a_source_without_a_public_schema_gets_a_twin_without_one(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(source_database, "DROP SCHEMA public; CREATE SCHEMA crm; CREATE TABLE crm.t (id integer)")
    start_run().publish_as_is()
    assert target.value(twin_database, "SELECT to_regnamespace('public')") is None
    assert target.value(twin_database, "SELECT to_regclass('crm.t')::text") == "crm.t"


def test_a_locale_that_the_target_lacks_falls_back_and_is_reported(
    start_run: StartRun, source: Cluster, target: Cluster, twin_database: str, tmp_path: Path
) -> None:
    name = f"icu_{twin_database}"
    source.create_database(
        name, "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    try:
        run = EngineRun(source, name, target, twin_database, tmp_path)
        run.publish_as_is()
        run.close()
        assert target.rows(
            "postgres",
            "SELECT datlocprovider::text, daticulocale, datcollate FROM pg_database WHERE datname = %s",
            [twin_database],
        ) == [("i", "de-AT", "C")]
        assert run.check.fallbacks == ()
    finally:
        source.drop_database(name)


def find_left_behind_of(source: Cluster, database: str) -> LeftBehind:
    """What cannot be read by the reader, for a target that can do everything."""
    with source.connect(database, "reader") as connection:
        return find_left_behind(connection, read_abilities(connection))


def test_a_partition_of_a_table_that_may_not_be_read_says_what_to_grant(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.whole (id integer) PARTITION BY LIST (id);"
        "CREATE TABLE public.one PARTITION OF public.whole FOR VALUES IN (1);"
        "GRANT SELECT ON public.one TO reader",
    )
    run = EngineRun(source, source_database, target, twin_database, tmp_path)
    with pytest.raises(WrongRequestError) as caught:
        run.plan_as_is()
    run.close()
    text = caught.value.text()
    assert "It needs the table public.whole, and the source's role may not read it." in text
    assert "Next: Grant SELECT on what these tables need to the source's role" in text
    closed = find_left_behind_of(source, source_database)
    (problem,) = table_problems(closed, [("public", "whole")])
    assert problem.what == "The table public.whole cannot be made there. The source's role may not read it."
    assert problem.fix.startswith("Grant SELECT")


BASE_TYPE = """
CREATE TYPE public.half_done;
CREATE TYPE public.point_of_sale;
CREATE FUNCTION public.pos_in(cstring) RETURNS public.point_of_sale LANGUAGE internal
    STRICT IMMUTABLE AS 'int4in';
CREATE FUNCTION public.pos_out(public.point_of_sale) RETURNS cstring LANGUAGE internal
    STRICT IMMUTABLE AS 'int4out';
CREATE TYPE public.point_of_sale (INPUT = public.pos_in, OUTPUT = public.pos_out, LIKE = integer);
CREATE TABLE public.fine (id integer);
"""


def test_a_base_type_and_a_type_that_was_never_finished_are_left_out_with_their_shells(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(source_database, BASE_TYPE)
    run = start_run()
    run.plan_as_is()
    assert {(item.kind, item.name) for item in run.check.not_carried} == {
        ("type", "public.half_done"),
        ("type", "public.point_of_sale"),
        ("function", "public.pos_in(pg_catalog.cstring)"),
        ("function", "public.pos_out(public.point_of_sale)"),
    }
    run.schema()
    run.copy()
    run.finish()
    run.publish()
    types = "SELECT typname::text FROM pg_type WHERE typname IN ('half_done', 'point_of_sale', 'fine')"
    assert target.rows(twin_database, types) == [("fine",)]
