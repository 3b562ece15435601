"""What is evaluated while a twin is built is evaluated as a session on the source would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.scenario import Ended, Scenario

StartRun = Callable[..., EngineRun]

FOLDED = """
CREATE FUNCTION public.bare(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) $$;
CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT bare($1) $$;
CREATE TABLE public.partner (id int PRIMARY KEY, name text);
CREATE INDEX partner_fold ON public.partner (public.fold(name));
INSERT INTO public.partner SELECT i, 'Zoe ' || i FROM generate_series(1, 50) AS i;
GRANT SELECT ON public.partner TO reader;
"""


def run_of(scenario: Scenario, script: str, **document: object) -> Ended:
    """The scenario's source with only ``script`` in it, run."""
    scenario.source.sql(
        scenario.source_database, "DROP SCHEMA IF EXISTS crm, public CASCADE; CREATE SCHEMA public"
    )
    scenario.source.sql(scenario.source_database, f"GRANT USAGE ON SCHEMA public TO reader; {script}")
    scenario.workflow |= {"tables": {"include": ["public.*"]}, "masks": {}, "keep": ["*.*.*"], **document}
    return scenario.run()


@pytest.mark.parametrize("masks", [{}, {"public.partner.name": "full_name"}])
def test_an_index_over_a_function_that_needs_the_search_path_is_built(
    scenario: Scenario, masks: dict[str, str]
) -> None:
    ended = run_of(scenario, FOLDED, masks=masks, keep=["public.partner.*"] if not masks else ["*.*.id"])
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT indexname FROM pg_indexes WHERE indexname = 'partner_fold'")
    assert scenario.twin_rows("SELECT count(*) FROM partner") == [(50,)]


FIRM = """
CREATE TABLE public.firm (id int PRIMARY KEY, name text, CHECK (public.{0}(name) <> ''),
    folded text GENERATED ALWAYS AS (public.{0}(name)) STORED);
CREATE VIEW public.firms AS SELECT public.{0}(name) FROM public.firm;
INSERT INTO public.firm SELECT i, 'Zoe ' || i FROM generate_series(1, 9) AS i;
GRANT SELECT ON public.firm TO reader;
"""


def test_a_table_with_a_column_whose_function_needs_the_search_path_is_made(scenario: Scenario) -> None:
    ended = run_of(scenario, FOLDED + FIRM.format("fold"))
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*) FROM firm WHERE folded = lower(name)") == [(9,)]
    assert scenario.twin_rows("SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid > 0") == [
        (1,)
    ]


def test_a_table_whose_function_finds_its_names_in_no_session_stops_the_run_with_what_mends_it(
    scenario: Scenario,
) -> None:
    aside = (
        "CREATE SCHEMA aside; CREATE FUNCTION aside.bare(text) RETURNS text LANGUAGE sql IMMUTABLE AS"
        " $$ SELECT lower($1) $$; SET search_path = aside; CREATE FUNCTION public.lost(text) RETURNS text"
        " LANGUAGE sql IMMUTABLE AS $$ SELECT bare($1) $$;"
    )
    ended = run_of(scenario, aside + FIRM.format("lost"))
    assert ended.code == 1, ended.text
    assert "The target could not make the table public.firm." in ended.text
    assert "ALTER FUNCTION public.lost(text) SET search_path = " in ended.text


def test_a_key_is_not_bound_where_others_may_make_functions(scenario: Scenario) -> None:
    opened = f"{FOLDED}; GRANT CREATE ON SCHEMA public TO PUBLIC"
    whole = run_of(scenario, opened)
    assert whole.code == 0, whole.text
    masked = run_of(scenario, opened, masks={"public.partner.name": "full_name"}, keep=["*.*.id"])
    assert masked.code == 2
    assert "ALTER FUNCTION" in masked.text and 'SET search_path = "public"' in masked.text


def test_settings_of_the_database_and_of_an_owner_are_in_force(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    owner = f"owner_of_{source_database}"
    source.sql(
        source_database,
        f"ALTER DATABASE {source_database} SET timezone = 'America/New_York';"
        f"ALTER DATABASE {source_database} SET datestyle = 'German'; SET timezone = 'America/New_York';"
        f"CREATE ROLE {owner}; CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO {owner};"
        f"ALTER ROLE {owner} IN DATABASE {source_database} SET search_path = elsewhere;"
        "CREATE FUNCTION elsewhere.here() RETURNS text LANGUAGE sql AS $$ SELECT 'else'::text $$;"
        "CREATE FUNCTION public.here() RETURNS text LANGUAGE sql AS $$ SELECT 'public'::text $$;"
        "CREATE FUNCTION public.place() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN here(); END $$;"
        "CREATE TABLE public.shift (id int PRIMARY KEY, starts timestamptz,"
        " CHECK (date_trunc('day', starts) = starts));"
        "INSERT INTO public.shift VALUES (1, '2024-06-01 00:00 America/New_York');"
        "CREATE MATERIALIZED VIEW public.plain AS SELECT place(), starts::text FROM public.shift;"
        "CREATE MATERIALIZED VIEW public.owned AS SELECT place() FROM public.shift;"
        f"ALTER MATERIALIZED VIEW public.owned OWNER TO {owner};"
        f"GRANT SELECT ON public.shift TO {owner};",
    )
    start_run().publish_as_is()
    rows = target.rows(twin_database, "SELECT * FROM public.plain, public.owned")
    assert rows == [("public", "01.06.2024 00:00:00 EDT", "else")]
    assert target.rows(
        twin_database, "SELECT convalidated FROM pg_constraint WHERE conname = 'shift_starts_check'"
    ) == [(True,)]
    source.sql(source_database, f"DROP OWNED BY {owner}; DROP ROLE {owner}")


def test_checks_may_look_at_other_tables_and_come_back_as_they_were(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.aaa (id int PRIMARY KEY, kind text); CREATE TABLE public.zzz (name text);"
        "CREATE FUNCTION public.known(k text) RETURNS boolean LANGUAGE sql AS"
        " $$ SELECT EXISTS (SELECT FROM public.zzz WHERE name = k) $$;"
        "INSERT INTO public.zzz VALUES ('x'); INSERT INTO public.aaa VALUES (1, 'x');"
        "ALTER TABLE public.aaa ADD CONSTRAINT known CHECK (public.known(kind));"
        "COMMENT ON CONSTRAINT known ON public.aaa IS 'it''s known';"
        "CREATE TABLE public.part (n int, CONSTRAINT positive CHECK (n > 0)) PARTITION BY RANGE (n);"
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES FROM (0) TO (9);"
        "ALTER TABLE public.part_1 ADD CONSTRAINT own CHECK (n < 8); INSERT INTO public.part VALUES (3);"
        "CREATE TABLE public.above (n int, CONSTRAINT shared CHECK (n > 0), CONSTRAINT mine CHECK (n > -1)"
        " NO INHERIT); CREATE TABLE public.below (CONSTRAINT shared CHECK (n > 0)) INHERITS (public.above);"
        "CREATE TABLE public.under () INHERITS (public.above); INSERT INTO public.under VALUES (5)",
    )
    start_run().publish_as_is()
    query = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, conislocal,"
        " coninhcount, connoinherit, obj_description(oid, 'pg_constraint')"
        " FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    expected = source.rows(source_database, query)
    assert len(expected) == 8
    assert target.rows(twin_database, query) == expected


def test_what_the_source_itself_breaks_is_kept_as_far_as_can_be(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.p (id int PRIMARY KEY); CREATE TABLE public.c (p int REFERENCES public.p);"
        "CREATE FUNCTION public.good(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE TABLE public.checked (n int CONSTRAINT fine CHECK (public.good(n)));"
        "CREATE TABLE public.twice (n int, m text); CREATE UNIQUE INDEX once ON public.twice (lower(m))"
        " WHERE n > 0; INSERT INTO public.p SELECT generate_series(1, 5);"
        "INSERT INTO public.c SELECT generate_series(1, 5); INSERT INTO public.checked VALUES (1), (2);"
        "INSERT INTO public.twice VALUES (1, 'a'), (1, 'b');"
        "CREATE OR REPLACE FUNCTION public.good(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 1';"
        "SET session_replication_role = replica; DELETE FROM public.p WHERE id < 3;"
        "UPDATE pg_index SET indisready = false, indislive = false"
        " WHERE indexrelid = 'public.once'::regclass",
    )
    source.sql(source_database, "UPDATE public.twice SET m = 'A'")
    source.sql(
        source_database,
        "UPDATE pg_index SET indisready = true, indislive = true WHERE indexrelid = 'public.once'::regclass",
    )
    run = start_run()
    run.publish_as_is()
    assert target.rows(
        twin_database,
        "SELECT conname, convalidated FROM pg_constraint WHERE contype IN ('c', 'f')"
        " AND connamespace = 'public'::regnamespace ORDER BY 1",
    ) == [("c_p_fkey", False), ("fine", False)]
    assert target.rows(twin_database, "SELECT FROM pg_indexes WHERE indexname = 'once'") == []
    said = "\n".join(run.notices)
    assert "c_p_fkey is not checked for these rows" in said and "refer to none: 2" in said
    assert "check fine on public.checked is not checked" in said and "do not satisfy it: 1" in said
    assert "index public.once is not in the twin" in said and "another one has too: 1" in said
    assert "mask that" not in said


def test_partitions_whose_hash_follows_an_enum_are_loaded_through_their_root(scenario: Scenario) -> None:
    ended = run_of(
        scenario,
        "CREATE TYPE lvl AS ENUM ('a','b','c','d','e','f','g','h');"
        "CREATE TABLE public.log (id int, l lvl) PARTITION BY HASH (l);"
        "CREATE TABLE public.log0 PARTITION OF public.log FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE public.log1 PARTITION OF public.log FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO public.log SELECT i, (enum_range(NULL::lvl))[1 + i % 8] FROM generate_series(1, 80) i;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    assert ended.code == 0, ended.text
    assert "loaded through the table above" in ended.text and "A mask changes" not in ended.text
    assert scenario.twin_rows("SELECT count(*), count(DISTINCT l) FROM log") == [(80, 8)]


def test_a_value_that_names_what_the_twin_lacks_is_said_to_be_a_name(scenario: Scenario) -> None:
    ended = run_of(
        scenario,
        "CREATE TABLE public.watched (id int PRIMARY KEY, what regclass);"
        "INSERT INTO public.watched VALUES (1, 'public.watched'), (2, 'public.watched_pkey');"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    assert ended.code != 0
    assert "A value is the name of an object" in ended.text and "42P01" in ended.text
    assert "watched_pkey" not in ended.text


def test_a_partitions_trigger_that_is_off_is_off_whatever_the_order_of_names(scenario: Scenario) -> None:
    ended = run_of(
        scenario,
        "CREATE FUNCTION public.quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TABLE public.zoo (id int) PARTITION BY RANGE (id);"
        + "".join(
            f"CREATE TABLE public.ant{n} PARTITION OF public.zoo FOR VALUES FROM ({n}) TO ({n + 1});"
            for n in range(12)
        )
        + 'CREATE TRIGGER "ma rk" AFTER INSERT ON public.zoo FOR EACH ROW EXECUTE FUNCTION public.quiet();'
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.zoo FOR EACH ROW"
        " EXECUTE FUNCTION public.quiet();"
        'ALTER TABLE public.ant3 DISABLE TRIGGER "ma rk"; ALTER TABLE public.ant4 ENABLE ALWAYS TRIGGER late;'
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    assert ended.code == 0, ended.text
    states = (
        "SELECT tgrelid::regclass::text, tgname::text, tgenabled FROM pg_trigger"
        " WHERE tgenabled <> 'O' ORDER BY 1"
    )
    assert scenario.twin_rows(states) == [("ant3", "ma rk", "D"), ("ant4", "late", "A")]
    assert "not in the twin" not in ended.text


def test_bytes_without_an_encoding_pass_as_they_are(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.drop_database(source_database)
    source.create_database(source_database, "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    source.sql(
        source_database,
        "CREATE TABLE public.t (id int PRIMARY KEY, name text);"
        "INSERT INTO public.t SELECT i, convert_from('\\xe9', 'SQL_ASCII') || i FROM generate_series(1, 9) i",
    )
    run = start_run()
    run.publish_as_is()
    query = "SELECT string_agg(encode(name::bytea, 'hex'), ' ' ORDER BY id)::bytea FROM public.t"
    assert target.rows(twin_database, query) == source.rows(source_database, query)
