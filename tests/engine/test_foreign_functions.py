"""Code of a table's owner that a run would call: it is listed, policy may refuse it, and no cast calls it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.errors import ApplianceError
from appliance.policy.policy import Policy
from appliance.postgres.planning.foreign_functions import find_foreign_functions
from tests.engine.plan_making import plan_of
from tests.engine.scenario import Scenario
from tests.engine.source_session import session

# It says in the server's log as whom it runs: a session that may only read can do no more.
SPY = """
CREATE FUNCTION public.spy(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE LOG 'spying as %', current_user;
    RETURN true;
END $$;
ALTER FUNCTION public.spy(int) OWNER TO shopkeeper;
"""
EVERY_PLACE = """
CREATE FUNCTION public.index_condition(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
CREATE FUNCTION public.index_key(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.checked(int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION public.domain_checked(text) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION public.by_default() RETURNS text LANGUAGE sql AS $$SELECT ''$$;
CREATE FUNCTION public.generated(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.viewed(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.partitioned(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.operated(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION public.measured(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.unused(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.of_a_superuser(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR public.=~= (FUNCTION = public.operated, LEFTARG = int, RIGHTARG = int);
CREATE TYPE public.mood AS ENUM ('fine', 'sad');
CREATE FUNCTION public.cast_to_text(public.mood) RETURNS text LANGUAGE sql AS $$SELECT ''$$;
CREATE CAST (public.mood AS text) WITH FUNCTION public.cast_to_text(public.mood);
CREATE DOMAIN public.word AS text CHECK (public.domain_checked(VALUE));
CREATE EXTENSION citext SCHEMA public;
CREATE TABLE public.t (
    id int CHECK (public.checked(id)) CHECK (public.of_a_superuser(id)),
    note text DEFAULT public.by_default(), twice int GENERATED ALWAYS AS (public.generated(id)) STORED,
    moods public.mood[], word public.word, name public.citext
);
CREATE INDEX ON public.t (id) WHERE public.index_condition(1);
CREATE INDEX ON public.t (public.index_key(note));
CREATE INDEX ON public.t (name);
CREATE INDEX ON public.t (id) WHERE id OPERATOR(public.=~=) 1;
CREATE VIEW public.seen AS SELECT public.viewed(id) FROM public.t;
CREATE TABLE public.parted (id int) PARTITION BY RANGE (public.partitioned(id));
"""
IN_SOURCE = {"index_condition", "index_key", "operated", "partitioned", "measured", "cast_to_text"}
IN_TWIN_ONLY = {"checked", "domain_checked", "by_default", "generated", "viewed"}


@pytest.fixture
def owned(scenario: Scenario) -> Iterator[Scenario]:
    """A plain role owns the customers, and has a function in an index's condition there."""
    source, database = scenario.source, scenario.source_database
    source.role("shopkeeper")
    source.sql(database, SPY)
    source.sql(database, "ALTER TABLE crm.customer OWNER TO shopkeeper")
    yield scenario
    source.sql(database, "DROP OWNED BY shopkeeper CASCADE")
    source.sql("postgres", "DROP ROLE shopkeeper")


def spied(scenario: Scenario, as_role: str) -> bool:
    return f"spying as {as_role}" in scenario.source.log_file.read_text()


def test_a_function_in_an_indexs_condition_runs_as_the_reader_and_is_said(owned: Scenario) -> None:
    owned.source.sql(owned.source_database, "CREATE INDEX spied ON crm.customer (id) WHERE public.spy(1)")
    reader = owned.source.role("own_reader_1")
    owned.source.sql(
        owned.source_database,
        "GRANT USAGE ON SCHEMA crm, public TO own_reader_1;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA crm, public TO own_reader_1",
    )
    owned.connections["production"].update(user="own_reader_1", password=reader)
    owned.policy = {"foreign_functions": "refuse"}
    refused = owned.run()
    assert refused.code == 3
    assert "public.spy(integer) of 'shopkeeper' (the index crm.spied)" in refused.err
    assert "as 'own_reader_1'" in refused.err
    assert "policy rule foreign_functions" in refused.err
    assert not spied(owned, "own_reader_1"), "it ran before it was refused"
    owned.policy = None
    ended = owned.run("run", "--json")
    assert ended.code == 0, ended.text
    assert "public.spy(integer) of 'shopkeeper' (the index crm.spied)" in ended.text
    # No planner can be kept from it: that is why it is said, and why a reader may do little.
    assert spied(owned, "own_reader_1")


def test_functions_are_found_in_every_place_that_a_run_calls(owned: Scenario) -> None:
    source, database = owned.source, owned.source_database
    source.sql(database, EVERY_PLACE)
    if source.major >= 14:
        source.sql(database, "CREATE STATISTICS public.measures ON (public.measured(id)) FROM public.t")
    everything = {*IN_SOURCE, *IN_TWIN_ONLY, "unused"}
    for (name,) in source.rows(
        database, "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY (%s)", [list(everything)]
    ):
        source.sql(database, f"ALTER ROUTINE {name} OWNER TO shopkeeper")
    of_tables = "SELECT oid FROM pg_class WHERE relname IN ('t', 'parted') AND relkind IN ('r', 'p')"
    tables = [oid for (oid,) in source.rows(database, of_tables)]
    with session(source, database, "reader") as reading:
        found = find_foreign_functions(reading, tables)
    names = {each.name.removeprefix("public.").partition("(")[0]: each for each in found}
    expected = (IN_SOURCE | IN_TWIN_ONLY) - (set() if source.major >= 14 else {"measured"})
    assert set(names) == expected
    assert {name for name, each in names.items() if each.in_source} == expected & IN_SOURCE
    assert {each.owner for each in found} == {"shopkeeper"}


def test_only_the_tables_that_are_selected_count(owned: Scenario) -> None:
    owned.source.sql(owned.source_database, "CREATE INDEX spied ON crm.customer (id) WHERE public.spy(1)")
    plan = plan_of(
        owned.source,
        owned.source_database,
        policy=Policy(powerful_roles=("production",), foreign_functions="refuse"),
        tables={"include": ["public.*"]},
    )
    assert plan.tables


def test_no_cast_that_a_types_owner_has_made_is_called(owned: Scenario) -> None:
    source, database = owned.source, owned.source_database
    source.sql(
        database,
        "CREATE TYPE crm.mood AS ENUM ('fine', 'sad'); CREATE TYPE crm.place AS (street text, city text);"
        " ALTER TABLE crm.customer ADD mood crm.mood NOT NULL DEFAULT 'fine', ADD moods crm.mood[],"
        " ADD place crm.place DEFAULT ROW('Main St 1', NULL);"
        " UPDATE crm.customer SET moods = '{fine,sad}';",
    )
    for name in ("crm.mood", "crm.place", "crm.mood[]"):
        cast = f"crm.text_of_{name.strip('crm.[]')}_{'s' if '[' in name else ''}"
        source.sql(
            database,
            f"CREATE FUNCTION {cast}({name}) RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'spied in a cast'; END $$;"
            f" CREATE CAST ({name} AS text) WITH FUNCTION {cast}({name})",
        )
    owned.workflow["masks"] |= {
        "crm.customer.full_name": {"mask": "full_name", "subject": ["mood", "moods", "place"]},
        "crm.customer.mood": {"mask": "constant", "value": "sad"},
        "crm.customer.moods": {"mask": "constant", "value": ["sad"], "keep_null": True},
        "crm.customer.place": "null",
    }
    ended = owned.run()
    assert ended.code == 0, ended.text
    assert owned.twin_rows("SELECT DISTINCT mood = 'sad', place IS NULL FROM crm.customer") == [(True, True)]


def test_no_check_of_a_domain_is_evaluated_by_the_source(owned: Scenario) -> None:
    source, database = owned.source, owned.source_database
    source.sql(
        database,
        "CREATE FUNCTION crm.fine(text) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE LOG 'asked in %', current_database(); RETURN true; END $$;"
        " CREATE DOMAIN crm.mail AS text CHECK (crm.fine(VALUE));"
        " CREATE TYPE crm.both AS (mail crm.mail, since int);"
        " ALTER TABLE crm.customer ADD mail crm.mail, ADD mails crm.mail[], ADD parts crm.both,"
        " ADD more crm.both[];"
        " UPDATE crm.customer SET mail = 'a@b.example', mails = '{a@b.example}', parts = ('a@b.example', 1),"
        " more = ARRAY[('a@b.example', 1)::crm.both]",
    )
    for column, value in (("mails", ["x@y.example"]), ("parts", "(x@y.example,1)")):
        with pytest.raises(ApplianceError, match="is made of a domain with a CHECK; use null or keep"):
            plan_of(source, database, masks={f"crm.customer.{column}": {"mask": "constant", "value": value}})
    before = len(source.log_file.read_text())
    parts = {"mask": "composite", "fields": {"mail": "null", "since": "keep"}}
    owned.workflow["masks"] |= {"crm.customer.mail": "email", "crm.customer.mails": "null"}
    owned.workflow["masks"] |= {"crm.customer.parts": parts, "crm.customer.more": parts}
    ended = owned.run()
    assert ended.code == 0, ended.text
    assert f"asked in {database}" not in source.log_file.read_text()[before:]
    assert owned.twin_rows("SELECT DISTINCT parts, more[1] FROM crm.customer") == [("(,1)", "(,1)")]
