"""Sources whose settings, catalogs or rows are odd: the twin has them, or the run says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.system.postgres_programs import PG_DUMP_VARIABLE
from tests.engine.clusters import Cluster, program
from tests.engine.engine_run import EngineRun
from tests.engine.scenario import Scenario
from tests.engine.test_as_in_source import run_of

BACKSLASHES = r"""
CREATE TABLE t (id int PRIMARY KEY, name text CHECK (name <> 'a\b'),
    g text GENERATED ALWAYS AS (name || '\n') STORED);
CREATE VIEW v AS SELECT id FROM t WHERE name ~ '^\w+\\$';
INSERT INTO t (id, name) VALUES (1, 'Zoe\');
GRANT SELECT ON t TO reader;
"""


def test_literals_mean_the_same_where_the_database_reads_backslashes_as_escapes(scenario: Scenario) -> None:
    settings = "".join(
        f"ALTER DATABASE {scenario.source_database} SET {each};"
        for each in ("standard_conforming_strings = off", "quote_all_identifiers = on")
    )
    ended = run_of(scenario, BACKSLASHES + settings)
    assert ended.code == 0, ended.text
    plainly = "SET standard_conforming_strings = on; SET quote_all_identifiers = off"
    asked = "SELECT (SELECT g FROM t), (SELECT id FROM v), pg_get_viewdef('v'::regclass)"
    with (
        scenario.source.connect(scenario.source_database) as source,
        scenario.target.connect(scenario.twin) as twin,
    ):
        source.execute(plainly)
        expected = source.execute(asked).fetchone()
        assert twin.execute(asked).fetchone() == expected
    assert expected is not None and expected[:2] == ("Zoe\\\\n", 1)


def test_a_table_that_refers_to_one_of_an_extension_is_planned_with_masks(scenario: Scenario) -> None:
    script = (
        "CREATE EXTENSION hstore; CREATE TABLE kind (id int PRIMARY KEY); INSERT INTO kind VALUES (1);"
        "ALTER EXTENSION hstore ADD TABLE kind; CREATE TABLE t (id int PRIMARY KEY, kind int REFERENCES kind,"
        " email text); INSERT INTO t VALUES (1, 1, 'zoe@corp.test'); GRANT SELECT ON t TO reader"
    )
    ended = run_of(scenario, script, masks={"*.*.email": "email"})
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT id, kind FROM t") == [(1, 1)]


def test_a_child_may_hold_null_where_its_parent_may_not(scenario: Scenario) -> None:
    script = (
        "CREATE TABLE p (id int NOT NULL, n int NOT NULL, name text NOT NULL);"
        "CREATE TABLE c () INHERITS (p); CREATE TABLE g () INHERITS (c); CREATE TABLE other () INHERITS (p);"
        "ALTER TABLE ONLY c ALTER n DROP NOT NULL, ALTER name DROP NOT NULL; INSERT INTO c VALUES (1);"
        "INSERT INTO g VALUES (2, 2, 'Zoe'); GRANT SELECT ON p, c, g, other TO reader"
    )
    ended = run_of(scenario, script)
    assert ended.code == 0, ended.text
    columns = (
        "SELECT attrelid::regclass::text, attname::text FROM pg_attribute WHERE attnotnull AND attnum > 0"
        " AND attrelid::regclass::text IN ('p', 'c', 'g', 'other') ORDER BY 1, 2"
    )
    assert scenario.twin_rows(columns) == scenario.source_rows(columns)
    assert scenario.twin_rows("SELECT id, n, name FROM ONLY c") == [(1, None, None)]


BROKEN_BEHIND_THE_SERVERS_BACK = {
    "a NULL where none may be": (
        "CREATE TABLE t (id int PRIMARY KEY, name text, note text NOT NULL);"
        "INSERT INTO t VALUES (1, 'Zoe', '');"
        "UPDATE pg_attribute SET attnotnull = false WHERE attrelid = 't'::regclass AND attname = 'note';"
        "UPDATE t SET note = NULL;"
        "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 't'::regclass AND attname = 'note';",
        "Column: note.",
    ),
    "a NULL in a masked column": (
        "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL); INSERT INTO t VALUES (1, 'Zoe');"
        "UPDATE pg_attribute SET attnotnull = false WHERE attrelid = 't'::regclass AND attname = 'name';"
        "UPDATE t SET name = NULL;"
        "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 't'::regclass AND attname = 'name';",
        "Column: name.",
    ),
    "a row outside its partition": (
        "CREATE TABLE p (n int, name text) PARTITION BY RANGE (n); CREATE TABLE t (n int, name text);"
        "INSERT INTO t VALUES (99, 'Zoe');"
        "ALTER TABLE t ADD CHECK (n IS NOT NULL AND n >= 0 AND n < 9) NOT VALID;"
        "UPDATE pg_constraint SET convalidated = true WHERE conrelid = 't'::regclass;"
        "ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (0) TO (9); GRANT SELECT ON p TO reader;",
        "A row fits no partition.",
    ),
}


@pytest.mark.parametrize("broken", BROKEN_BEHIND_THE_SERVERS_BACK)
def test_rows_that_the_source_should_not_have_are_not_laid_on_a_mask(scenario: Scenario, broken: str) -> None:
    script, said = BROKEN_BEHIND_THE_SERVERS_BACK[broken]
    ended = run_of(scenario, f"{script} GRANT SELECT ON t TO reader", masks={"*.*.name": "full_name"})
    assert ended.code == 1, ended.text
    assert said in ended.text
    assert "No mask does this: the source's own rows are so" in ended.text


def test_a_masked_key_that_the_sources_own_rows_break_is_left_out_with_their_number(
    scenario: Scenario,
) -> None:
    named = "WHERE indrelid = 't'::regclass"
    script = (
        "CREATE TABLE t (code text PRIMARY KEY, n int); CREATE TABLE r (code text REFERENCES t);"
        "INSERT INTO t SELECT 'c' || i, i FROM generate_series(1, 9) AS i; INSERT INTO r VALUES ('c1');"
        f"UPDATE pg_index SET indisready = false, indislive = false {named}; GRANT SELECT ON t, r TO reader"
    )
    masks = {"public.t.code": "hash", "public.r.code": "hash"}
    run_of(scenario, script, tables={"include": ["nothing.*"]})
    scenario.source.sql(scenario.source_database, "INSERT INTO t VALUES ('c1', 10), ('c2', 11)")
    scenario.source.sql(
        scenario.source_database, f"UPDATE pg_index SET indisready = true, indislive = true {named}"
    )
    scenario.workflow |= {"tables": {"include": ["public.*"]}, "masks": masks}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert (
        "t_pkey is not in the twin: the source's own rows, which its masks keep apart, break it" in ended.text
    )
    assert "rows with a value that another one has too: 2" in ended.text
    assert scenario.twin_rows("SELECT count(*), count(DISTINCT code) FROM t") == [(11, 9)]


OF_NO_ENCODING = """
CREATE TABLE t (id int PRIMARY KEY, email text, name text CHECK (name <> '\xfc'), note text DEFAULT '\xf6');
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN -- f\xfcr alle\n RETURN NULL; END';
CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW WHEN (new.name = '\xe9') EXECUTE FUNCTION f('\xe8');
CREATE UNIQUE INDEX i ON t (id) WHERE name <> '\xe0'; CREATE VIEW v AS SELECT name || '\xdf' AS name FROM t;
CREATE TYPE e AS ENUM ('\xe4', 'b'); CREATE TABLE kinds (e e PRIMARY KEY);
CREATE TABLE p (k text) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('\xe5');
COMMENT ON TABLE t IS '\xe1'; COMMENT ON CONSTRAINT t_name_check ON t IS '\xe2';
INSERT INTO t VALUES (1, 'zo\xeb@corp.test', 'Zo\xeb');
INSERT INTO kinds VALUES ('\xe4'); INSERT INTO p VALUES ('\xe5');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
DEFINITIONS_AS_BYTES = """
SELECT encode(convert_to(d, 'SQL_ASCII'), 'hex') FROM (
    SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT definition FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT enumlabel::text FROM pg_enum
    UNION ALL SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition
    UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
    UNION ALL SELECT description FROM pg_description WHERE objoid >= 16384
    UNION ALL SELECT e::text FROM kinds UNION ALL SELECT k FROM p UNION ALL SELECT note FROM t
) AS found (d) ORDER BY 1
"""


def test_definitions_of_a_database_without_an_encoding_are_the_same_bytes(
    scenario: Scenario, source_database: str
) -> None:
    source = scenario.source
    source.drop_database(source_database)
    source.create_database(source_database, "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with source.connect(source_database) as session:
        session.execute("SET client_encoding = 'SQL_ASCII'")
        session.execute(OF_NO_ENCODING.encode("latin-1"))
    scenario.workflow |= {
        "tables": {"include": ["public.*"]},
        "masks": {"public.t.email": "email", "public.t.name": "full_name"},
        "keep": ["*.*.*"],
    }
    ended = scenario.run()
    assert ended.code == 0, ended.text
    expected = scenario.source_rows(DEFINITIONS_AS_BYTES)
    assert len(expected) > 15
    assert scenario.twin_rows(DEFINITIONS_AS_BYTES) == expected


RELYING_ON_A_KEY = """
CREATE TABLE public.t (id int PRIMARY KEY, name text); INSERT INTO public.t VALUES (1, 'Zoe'), (2, 'Ann');
CREATE VIEW public.v AS SELECT t.*, {0}(name) AS made, count(*) FROM public.t GROUP BY id;
CREATE VIEW public.over AS SELECT id FROM public.v;
CREATE MATERIALIZED VIEW public.m AS SELECT id FROM public.over;
CREATE FUNCTION public.f() RETURNS SETOF public.v LANGUAGE sql AS 'SELECT * FROM public.v';
CREATE TRIGGER g INSTEAD OF INSERT ON public.over FOR EACH ROW
    EXECUTE FUNCTION suppress_redundant_updates_trigger();
COMMENT ON VIEW public.over IS 'over it'; GRANT SELECT ON public.t TO reader;
"""
"""A view that pg_dump writes twice: with its columns before the rows, with its query after the key."""
LEFT_OF_IT = (
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'"
)


def test_a_view_whose_query_is_refused_leaves_no_row_of_nulls_behind(scenario: Scenario) -> None:
    function = "CREATE FUNCTION pg_catalog.folded_here(text) RETURNS text LANGUAGE sql AS 'SELECT lower($1)';"
    ended = run_of(scenario, function + RELYING_ON_A_KEY.format("folded_here"))
    assert ended.code == 0, ended.text
    assert "The twin does not have the view public.v." in ended.text
    for each in ("view public.over", "materialized view public.m", "function public.f()"):
        assert each in ended.text
    assert scenario.twin_rows(LEFT_OF_IT) == [("t",)]


def test_a_view_whose_key_is_not_there_goes_with_what_needs_it(
    start_run: Callable[..., EngineRun], source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, RELYING_ON_A_KEY.format("upper"))
    run = start_run()
    run.plan_as_is()
    run.schema()
    target.sql(run.next, "INSERT INTO public.t VALUES (1, 'Zoe'), (1, 'Zoe')")
    run.finish()
    said = "\n".join(run.notices)
    assert "The view public.v is not in the twin: it needs a key or index that is not there either." in said
    assert "view public.over" in said and "materialized view public.m" in said
    names = {name for (name,) in target.rows(run.next, LEFT_OF_IT)}
    assert names == {"t"}


def test_an_empty_materialised_view_is_said_with_what_mends_its_function(scenario: Scenario) -> None:
    script = (
        "CREATE SCHEMA aside; CREATE FUNCTION aside.bare(text) RETURNS text LANGUAGE sql AS 'SELECT $1';"
        "CREATE FUNCTION public.lost(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN bare($1); END';"
        "SET search_path = aside; CREATE MATERIALIZED VIEW public.m AS SELECT public.lost('x');"
        "CREATE TABLE public.t (); GRANT SELECT ON public.t TO reader"
    )
    ended = run_of(scenario, script, keep=[])
    assert ended.code == 0, ended.text
    assert "The materialised view public.m is empty" in ended.text
    assert "ALTER FUNCTION public.lost(text) SET search_path = " in ended.text


def test_a_table_that_can_only_be_made_after_the_rows_ends_the_run_before_them(scenario: Scenario) -> None:
    script = (
        "CREATE TABLE public.t (id int PRIMARY KEY, n int); CREATE MATERIALIZED VIEW public.m AS"
        " SELECT id, n FROM public.t GROUP BY id; CREATE FUNCTION public.f(public.m DEFAULT NULL) RETURNS int"
        " LANGUAGE sql AS 'SELECT 1'; CREATE TABLE public.late (id int DEFAULT public.f());"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    )
    ended = run_of(scenario, script)
    assert ended.code == 2, ended.text
    assert "Tables cannot be made before their rows: public.late." in ended.text
    scenario.workflow["tables"]["exclude"] = ["public.late"]
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT relispopulated FROM pg_class WHERE relname = 'm'") == [(True,)]


def test_what_holds_for_new_rows_only_above_does_so_below_and_fails_no_proof(scenario: Scenario) -> None:
    script = (
        "CREATE TABLE p (id int, name text); CREATE TABLE c () INHERITS (p); CREATE TABLE g () INHERITS (c);"
        "INSERT INTO p VALUES (-1, 'Zoe'); INSERT INTO c VALUES (-2, 'Ann');"
        "INSERT INTO g VALUES (-3, 'Eva');"
        "ALTER TABLE p ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;"
        "CREATE TABLE parts (n int) PARTITION BY LIST (n);"
        "CREATE TABLE part PARTITION OF parts DEFAULT PARTITION BY LIST (n); CREATE TABLE leaf PARTITION OF"
        " part DEFAULT; INSERT INTO parts VALUES (-1);"
        "ALTER TABLE parts ADD CONSTRAINT above_zero CHECK (n > 0) NOT VALID;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    )
    ended = run_of(scenario, script, masks={"*.*.name": "full_name"})
    assert ended.code == 0, ended.text
    asked = (
        "SELECT conrelid::regclass::text, conname::text, convalidated, conislocal, coninhcount"
        " FROM pg_constraint WHERE contype = 'c' AND conrelid > 0 ORDER BY 1"
    )
    assert scenario.twin_rows(asked) == scenario.source_rows(asked)
    assert len(scenario.twin_rows(asked)) == 6


def test_ranges_of_texts_are_filled_in_the_order_that_the_target_has(
    scenario: Scenario, source_database: str, postgres18: Cluster
) -> None:
    scenario.source.drop_database(source_database)
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
    scenario.source.create_database(source_database, f"TEMPLATE template0 {locale}")
    script = (
        "CREATE TABLE p (k text) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p"
        " FOR VALUES FROM ('a') TO ('m'); CREATE TABLE p2 PARTITION OF p DEFAULT;"
        "CREATE TABLE days (d date) PARTITION BY RANGE (d); CREATE TABLE day PARTITION OF days"
        " FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
        "INSERT INTO p VALUES ('Ä'), ('b'), ('z'); INSERT INTO days VALUES ('2026-05-05');"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    )
    # It was built without ICU, and takes the nearest order that it has.
    scenario.connections["staging"] = postgres18.connection(scenario.twin, "twin_owner")
    scenario.environment_changes = {PG_DUMP_VARIABLE: program(18, "pg_dump")}
    try:
        ended = run_of(scenario, script)
        assert ended.code == 0, ended.text
        assert "Rows of public.p are spread by hashes, or by an order of texts" in ended.text
        found = postgres18.rows(scenario.twin, "SELECT tableoid::regclass::text, k FROM p ORDER BY 2")
        assert set(found) == {("p1", "b"), ("p2", "z"), ("p2", "Ä")}
    finally:
        for suffix in ("", "__next", "__prev"):
            postgres18.drop_database(scenario.twin + suffix)


def test_rights_are_asked_for_the_role_that_a_logins_sessions_have(scenario: Scenario) -> None:
    source, login = scenario.source, f"login of {scenario.source_database}"
    group = f"readers of {scenario.source_database}"
    source.role(login)
    source.sql(
        "postgres",
        f'CREATE ROLE "{group}"; GRANT "{group}" TO "{login}"; ALTER ROLE "{login}" SET role = \'{group}\'',
    )
    scenario.connections["production"] |= {"user": login, "password": source.passwords[login]}
    try:
        ended = run_of(
            scenario, "CREATE TABLE t (id int PRIMARY KEY); GRANT USAGE ON SCHEMA public TO PUBLIC"
        )
        assert ended.code == 2, ended.text
        assert f'GRANT SELECT ON "public"."t" TO "{group}";' in ended.text
        source.sql(scenario.source_database, f'GRANT SELECT ON t TO "{group}"')
        ended = scenario.run()
        assert ended.code == 0, ended.text
    finally:
        source.sql(scenario.source_database, f'DROP OWNED BY "{group}"; DROP ROLE "{login}", "{group}"')
