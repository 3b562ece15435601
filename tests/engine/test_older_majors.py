"""PostgreSQL 13, 14 and 16, each as a source and as a target, read by a pg_dump that is far newer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from appliance.errors import WrongRequestError
from appliance.exports.stored import list_exports
from appliance.postgres.planning.foreign_functions import find_foreign_functions
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.pulling.destination import Destination
from appliance.pulling.restoring import Archive, restore
from appliance.rehearsals.owning import require_fit
from appliance.system.postgres_programs import PG_DUMP_VARIABLE, PG_RESTORE_VARIABLE
from tests.engine.clusters import OLDER, SUPERUSER, WHEEL_MAJOR, Cluster, program, start_standby
from tests.engine.erasure_shop import TABLES, ErasureShop
from tests.engine.every_object import ROWS, every_object_of
from tests.engine.rehearsal_rig import rehearsal_rig
from tests.engine.scenario import SHOP, Scenario
from tests.engine.schema_text import restore_schema, schema_text
from tests.engine.source_session import session

Older = Callable[[int], Cluster]
Begin = Callable[..., Scenario]
ODD_ROWS = (Path(__file__).parent / "odd_rows.sql").read_text()
TYPED_ROWS = (Path(__file__).parent / "typed_rows.sql").read_text()
SCHEMAS = 'public, crm, "Verkauf & Co"'
READ = (
    f"GRANT USAGE ON SCHEMA {SCHEMAS} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMAS} TO reader;"
    f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {SCHEMAS} TO reader"
)
MASKS = {
    "crm.customer.email": "email",
    'crm.customer."Full Name"': "full_name",
    "crm.customer.born": "date_shift",
    "crm.customer.home": "null",
    "crm.customer.tags": "null",
}
MASKED = ("email", "Full Name", "born", "home", "tags", "shouted")
KEPT = """
SELECT format('%%I.%%I', n.nspname, c.relname), string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND n.nspname IN ('public', 'crm', 'Verkauf & Co')
    AND NOT (c.relname = 'customer' AND a.attname = ANY (%s))
GROUP BY 1
"""
ALL_KEPT = {"tables": {"include": ["*.*"]}, "masks": {}, "unlisted": "keep", "keep": []}


@pytest.fixture(autouse=True)
def _newest_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PG_DUMP_VARIABLE, program(WHEEL_MAJOR, "pg_dump"))
    monkeypatch.setenv(PG_RESTORE_VARIABLE, program(WHEEL_MAJOR, "pg_restore"))


@pytest.fixture
def begin(older: Older, tmp_path: Path) -> Iterator[Begin]:
    """``begin(13, 16, sql)``: a workflow from one to the other, over what the script makes in a database."""
    made: list[tuple[Cluster, str]] = []

    def make(source: int, target: int, script: str, options: str = "") -> Scenario:
        from_cluster, to_cluster = older(source), older(target)
        database, twin = f"of_{source}_to_{target}", f"twin_{source}_to_{target}"
        from_cluster.create_database(database, options)
        made.append((from_cluster, database))
        made.extend((to_cluster, twin + suffix) for suffix in ("", "__next", "__prev", "__golden"))
        for statements in script.split(";\n\n"):
            from_cluster.sql(database, statements)
        return Scenario(tmp_path, from_cluster, database, to_cluster, twin)

    yield make
    for cluster, name in made:
        cluster.drop_database(name)


@pytest.mark.parametrize(("source", "target"), [(13, 13), (14, 16), (16, 14)])
def test_a_masked_twin_has_the_schema_of_its_source_and_what_is_kept(
    begin: Begin, source: int, target: int
) -> None:
    parts = (every_object_of(source), ROWS, ODD_ROWS, TYPED_ROWS, READ)
    scenario = begin(source, target, ";\n\n".join(part.strip().rstrip(";") for part in parts))
    scenario.workflow |= ALL_KEPT | {"masks": MASKS}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    newer = max(source, target)
    expected = f"{scenario.twin}__gone"
    restore_schema(scenario.source, scenario.source_database, scenario.target, expected)
    try:
        there = schema_text(scenario.target, scenario.twin, major=newer)
        assert there == schema_text(scenario.target, expected, major=newer)
    finally:
        scenario.target.drop_database(expected)
    kept = scenario.source.rows(scenario.source_database, KEPT, [list(MASKED)])
    assert len(kept) > 25
    for table, columns in kept:
        query = (
            "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\"))"
            f" FROM (SELECT {columns} FROM {table}) AS t"
        )
        assert scenario.twin_rows(query) == scenario.source_rows(query), table
    names = 'SELECT email::text, "Full Name" FROM crm.customer'
    assert not set(scenario.twin_rows(names)) & set(scenario.source_rows(names))
    scenario.assert_nothing_left()


@pytest.mark.parametrize("major", [13, 16])
def test_each_command_does_its_work(begin: Begin, major: int) -> None:
    scenario = begin(major, major, SHOP.replace(";\n", ";\n\n"))
    workflow, *given = scenario.write()
    checked = scenario.command("connections", "check", "--workflow", workflow, *given[:2])
    assert checked.code == 0, checked.text
    for command in ("plan", "preview", "run"):
        ended = scenario.run(command)
        assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*) FROM crm.customer") == [(300,)]
    scanned = scenario.command("scan", "production", *given)
    assert "crm.customer.email" in scanned.out, scanned.text
    (receipt,) = (scenario.state / "receipts").glob("*-staging-twin-*.json")
    key = str(scenario.state / "receipts" / "receipts.pub")
    assert scenario.command("receipt", "verify", str(receipt), "--key", key).code == 0


@pytest.mark.parametrize("by", ["the manifest's command", "a pull"])
def test_what_the_newest_pg_dump_wrote_of_an_old_server_is_restored_on_one_of_its_age(
    begin: Begin, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = begin(13, 13, SHOP.replace(";\n", ";\n\n"))
    scenario.workflow["deliver"] = [{"files": {"format": "archive"}}, *scenario.workflow["deliver"]]
    scenario.policy = {"destinations": ["files"]}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (export,) = list_exports(scenario.state / "exports")
    (form,) = export.manifest.formats
    assert form.made_with == f"pg_dump {WHEEL_MAJOR}" and form.restore is not None
    target, restored = scenario.target, "restored_here"
    monkeypatch.setenv("PGPASSWORD", target.passwords[SUPERUSER])
    try:
        if by == "a pull":
            rows = {each.table: each.rows for each in form.tables}
            restore(
                Archive(export.folder / "archive.dump", WHEEL_MAJOR, rows, "staging-twin", "run"),
                Destination(f"postgresql://{SUPERUSER}@{target.host}:{target.port}/{restored}"),
                jobs=2,
                replace=False,
                on_progress=lambda _: None,
            )
        else:
            target.create_database(restored)
            monkeypatch.setenv(
                "PATH", f"{Path(program(WHEEL_MAJOR, 'pg_restore')).parent}:{os.environ['PATH']}"
            )
            monkeypatch.setenv("PGHOST", target.host)
            monkeypatch.setenv("PGPORT", str(target.port))
            monkeypatch.setenv("PGUSER", SUPERUSER)
            typed = form.restore.replace("DATABASE", restored)
            subprocess.run(["bash", "-o", "pipefail", "-c", typed], cwd=export.folder, check=True)
        assert target.value(restored, "SELECT count(*) FROM crm.customer") == 300
        assert schema_text(target, restored) == schema_text(target, scenario.twin)
    finally:
        target.drop_database(restored)


@pytest.mark.parametrize("major", OLDER)
def test_a_migration_is_rehearsed_in_a_branch(older: Older, major: int, tmp_path: Path) -> None:
    with rehearsal_rig(older(major), f"rehearsed_{major}", tmp_path) as rig:
        made = rig.only("CREATE INDEX by_name ON item (name)")
        assert [(lock.table, lock.mode) for lock in made.locks] == [("public.item", "ShareLock")]
        assert rig.only("ALTER TABLE item ALTER COLUMN price TYPE bigint").rewrites
        taken_back = rig.rehearse("ALTER TABLE item ADD COLUMN n int", "ALTER TABLE item DROP COLUMN n")
        assert taken_back.verdict == "passed", taken_back.reasons


def test_a_subject_is_erased_from_every_copy_on_13(begin: Begin) -> None:
    shop = ErasureShop(begin(13, 13, TABLES))
    shop.delivered()
    assert shop.about_the_subject()
    ended = shop.erasure("run", "--yes", "--reference", "REQ-17")
    assert ended.code == 0, ended.text
    assert shop.about_the_subject() == {}


def test_a_hot_standby_of_13_can_be_the_source(begin: Begin) -> None:
    scenario = begin(13, 13, SHOP.replace(";\n", ";\n\n"))
    standby = start_standby(scenario.source)
    try:
        scenario.connections["production"]["port"] = standby.port
        ended = scenario.run()
        assert ended.code == 0, ended.text
        assert scenario.twin_rows("SELECT count(*) FROM public.invoice") == [(3000,)]
    finally:
        standby.remove()


def test_what_13_does_not_know_is_named_and_left_out_where_no_row_needs_it(begin: Begin) -> None:
    scenario = begin(
        *(16, 13),
        "CREATE TYPE public.span AS RANGE (subtype = float8, subtype_diff = float8mi);"
        "CREATE TABLE public.stay (id int PRIMARY KEY, during public.span, note text COMPRESSION pglz,"
        " CONSTRAINT once UNIQUE NULLS NOT DISTINCT (note));"
        "CREATE VIEW public.careful WITH (security_invoker) AS SELECT id FROM public.stay;"
        "CREATE FUNCTION public.one() RETURNS int LANGUAGE sql BEGIN ATOMIC; SELECT 1; END;"
        "INSERT INTO public.stay VALUES (1, '[1,2]', 'x'); GRANT SELECT ON public.stay TO reader",
    )
    scenario.workflow |= ALL_KEPT
    ended = scenario.run()
    assert ended.code == 0, ended.text
    for named in (
        "constraint public.stay once. The target does not make it: it does not understand the definition,"
        " which the source's PostgreSQL does",
        "view public.careful. The target does not make it",
        "function public.one(). The target does not make it",
        "a multirange, which the target does not know: type public.span",
        "compression of a column by a method of its own, which the target does not know: table public.stay",
    ):
        assert named in ended.text
    assert scenario.twin_rows("SELECT id, during::text, note FROM public.stay") == [(1, "[1,2]", "x")]


def test_a_table_that_13_cannot_hold_stops_the_run_before_a_row_is_read(begin: Begin) -> None:
    scenario = begin(
        *(14, 13),
        "CREATE TABLE public.stay (id int, at int4multirange, price numeric);"
        "INSERT INTO public.stay VALUES (1, '{[1,2)}', 1); GRANT SELECT ON public.stay TO reader",
    )
    scenario.workflow |= ALL_KEPT
    for command in ("plan", "run"):
        ended = scenario.run(command)
        assert ended.code != 0
        assert "The target could not make the table public.stay." in ended.text
        assert "target of the source's own major version" in ended.text
        assert "PostgreSQL 13 has no infinite numeric" in ended.text and "public.stay.price" in ended.text


def test_a_schema_public_that_an_older_target_keeps_is_said(begin: Begin) -> None:
    scenario = begin(
        *(16, 13),
        "DROP SCHEMA public; CREATE SCHEMA crm; CREATE TABLE crm.t (id int);"
        "GRANT USAGE ON SCHEMA crm TO reader; GRANT SELECT ON crm.t TO reader",
    )
    scenario.workflow |= ALL_KEPT
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert "The twin has a schema public, which the source lacks" in ended.text


def test_rules_of_an_icu_locale_are_the_twins_too(begin: Begin) -> None:
    scenario = begin(
        *(16, 16),
        "CREATE TABLE public.t (name text); INSERT INTO public.t VALUES ('a'), ('g'), ('h');"
        "GRANT SELECT ON public.t TO reader",
        "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' ICU_RULES '&h < g' LOCALE 'C'",
    )
    scenario.workflow |= ALL_KEPT
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT name FROM public.t ORDER BY name") == [("a",), ("h",), ("g",)]


def test_what_only_13_knows_is_left_out_on_a_newer_target_and_named(begin: Begin) -> None:
    scenario = begin(
        *(13, 14),
        "CREATE TABLE public.item (id int PRIMARY KEY);"
        "CREATE VIEW public.factorial AS SELECT id ! AS f FROM public.item;"
        "CREATE AGGREGATE public.all_of(anyelement) (sfunc = array_append, stype = anyarray);"
        "INSERT INTO public.item VALUES (3); GRANT SELECT ON public.item TO reader",
    )
    scenario.workflow |= ALL_KEPT
    ended = scenario.run()
    assert ended.code == 0, ended.text
    refused = "view public.factorial. The target does not make it: it does not understand the definition"
    assert f"{refused}, which the source's PostgreSQL does" in ended.text
    assert "does not have the aggregate public.all_of(anyelement)." in ended.text
    # Two kinds of rights, and these two.
    assert "What is delivered lacks 4 things of the source" in ended.text
    assert scenario.twin_rows("SELECT id FROM public.item") == [(3,)]


@pytest.mark.parametrize("major", [13, 14])
def test_what_a_generated_column_is_computed_from_is_known(begin: Begin, major: int) -> None:
    scenario = begin(
        *(major, major),
        "CREATE FUNCTION public.shown(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';"
        "CREATE FUNCTION public.hidden(text) RETURNS text IMMUTABLE LANGUAGE internal AS 'upper';"
        "CREATE TABLE public.person (id int PRIMARY KEY, email text,"
        " login text GENERATED ALWAYS AS (public.shown(email)) STORED);"
        "CREATE TABLE public.odd (id int, t text, u text GENERATED ALWAYS AS (public.hidden(t)) STORED);"
        "ALTER FUNCTION public.shown(text) OWNER TO reader;"
        "INSERT INTO public.person SELECT i, 'Person' || i || '@shop.test' FROM generate_series(1, 9) AS i;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    with session(scenario.source, scenario.source_database, SUPERUSER) as reading:
        (odd, person) = sorted(read_catalog(reading).tables, key=lambda table: table.name)
        (function,) = find_foreign_functions(reading, [person.oid])
    assert {each.name: each.generated_from for each in (*odd.columns, *person.columns) if each.generated} == {
        "u": ("t",),
        "login": ("email",),
    }
    assert (function.in_source, function.in_twin) == (False, True)
    assert function.places == ("the column login of public.person",)
    scenario.workflow |= ALL_KEPT | {"tables": {"include": ["public.person"]}}
    scenario.workflow["masks"] = {"public.person.email": "email"}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    scenario.policy = {"always_mask": ["*.*.login"]}
    planned = scenario.run("plan")
    assert planned.code == 0 and "table public.odd: It needs the function public.hidden(text)" in planned.text
    del scenario.workflow["masks"]["public.person.email"]
    refused = scenario.run("plan")
    assert "login must be masked (*.*.login); it is generated from email, not masked" in refused.text
    logins = "SELECT count(*) FILTER (WHERE login = lower(email)), max(login) ~ 'shop' FROM public.person"
    assert scenario.twin_rows(logins) == [(9, False)]


def test_a_branch_is_not_given_to_a_role_that_16_does_not_let_its_maker_become(older: Older) -> None:
    cluster = older(16)
    cluster.role("migrator")
    try:
        cluster.sql("postgres", "GRANT migrator TO twin_owner WITH SET FALSE")
        with cluster.connect("postgres", "twin_owner") as admin:
            with pytest.raises(WrongRequestError) as caught:
                require_fit(admin, "migrator")
            assert 'GRANT "migrator" TO "twin_owner";' in caught.value.text()
            cluster.sql("postgres", 'GRANT "migrator" TO "twin_owner" WITH SET TRUE')
            require_fit(admin, "migrator")
    finally:
        with cluster.connect() as session:
            session.execute(psycopg.sql.SQL("DROP ROLE migrator"))
