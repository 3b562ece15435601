"""A scan finds personal data wherever a column can hide it, and lets no value out, not even into a log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.discovery.scanning import Sampler, scan
from appliance.workflow.loading import parse_workflow
from tests.engine.clusters import Cluster, start_standby
from tests.engine.scenario import Ended, Scenario
from tests.engine.source_session import catalog_of, session

CANARY = "canary4711"
ADDRESS = f"{CANARY}@corp.example"
HIDDEN = f"""
CREATE EXTENSION hstore;
CREATE TYPE contact AS (label text, address text);
CREATE DOMAIN anything AS text;
CREATE TYPE span AS RANGE (subtype = text);
CREATE TYPE choice AS ENUM ('yes', '{ADDRESS}');
CREATE TABLE hiding (
    id int PRIMARY KEY, nested jsonb, old_json json, keyed jsonb, listed text[], composed contact[],
    plain contact, marked xml, sentence text, domained anything, ranged span, chosen choice, pairs hstore,
    bytes bytea, digits text, account text
);
INSERT INTO hiding SELECT i,
    jsonb_build_object('a', jsonb_build_object('b', jsonb_build_array(jsonb_build_object('c', '{ADDRESS}')))),
    '{{"x": [{{"y": "{ADDRESS}"}}]}}', jsonb_build_object('{ADDRESS}', 1), ARRAY['x', '{ADDRESS}'],
    ARRAY[ROW('x', '{ADDRESS}')::contact], ROW('x', '{ADDRESS}')::contact, '<a t="{ADDRESS}"/>',
    'as I said, write to {ADDRESS} before noon', '{ADDRESS}', span('a', '{ADDRESS}'), 'yes',
    hstore('k', '{ADDRESS}'), '\\xffd8ffe0'::bytea, '4111 1111 1111 1111',
    'DE89 3704 0044 0532 0130 00'
FROM generate_series(1, 30) AS i;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
FOUND = {
    "nested": "email", "old_json": "email", "keyed": "email", "listed": "email", "composed": "email",
    "plain": "email", "marked": "email", "sentence": "free_text", "domained": "email", "ranged": "email",
    "chosen": "email", "pairs": "email", "bytes": "photograph", "digits": "card", "account": "bank_account",
}  # fmt: skip


@pytest.fixture(scope="module")
def talkative(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """A source that logs all that it can."""
    settings = {
        "log_statement": "'all'",
        "log_min_error_statement": "error",
        "log_error_verbosity": "verbose",
    }
    cluster = new_cluster(name="talkative", settings=settings)
    cluster.role("reader")
    cluster.role("twin_owner", "CREATEDB")
    yield cluster


@pytest.fixture
def database(talkative: Cluster) -> Iterator[str]:
    """A database of it."""
    talkative.create_database("hidden")
    yield "hidden"
    talkative.drop_database("hidden")


def found(cluster: Cluster, database: str, **options: Any) -> dict[str, tuple[str, str | None]]:
    """The word and the kind of each column, by its name."""
    catalog = catalog_of(cluster, database, "reader")
    with session(cluster, database, "reader") as opened:
        result = scan("production", catalog, Sampler(lambda: opened, catalog.encoding, **options))
    return {each.column: (each.verdict, each.kind) for each in result.findings}


def scanned(scenario: Scenario, *options: str) -> Ended:
    """``appliance scan``, to its end."""
    _, *documents = scenario.write()
    connections = documents[documents.index("--connections") :][:2]
    state = documents[documents.index("--state") :][:2]
    return scenario.command("scan", "production", *connections, *state, *options)


def as_json(ended: Ended) -> Any:
    assert ended.code == 0, ended.text
    return json.loads(ended.out)


def test_a_canary_is_found_in_every_kind_of_place_and_nowhere_shown(
    talkative: Cluster, database: str, tmp_path: Path
) -> None:
    talkative.sql(database, HIDDEN)
    before = talkative.log_file.stat().st_size
    scenario = Scenario(tmp_path, talkative, database, talkative, "twin")
    ended = scanned(scenario, "--json")
    said = as_json(ended)
    kinds = {each["column"]: each["kind"] for each in said["findings"] if each["verdict"] == "personal"}
    assert kinds == FOUND
    with talkative.log_file.open() as log:
        log.seek(before)
        logged = log.read()
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "appliance_row" in logged and "ERROR" not in logged
    assert not any(CANARY in text for text in (ended.text, logged, kept))


def test_a_key_of_a_document_that_could_be_a_value_is_not_shown(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE t (j jsonb); INSERT INTO t SELECT jsonb_build_object('owner' || i, 'a@b.example',"
        " 'Anna', 'a@b.example') FROM generate_series(1, 30) AS i; GRANT SELECT ON t TO reader",
    )
    catalog = catalog_of(source, source_database, "reader")
    with session(source, source_database, "reader") as opened:
        result = scan("s", catalog, Sampler(lambda: opened, "UTF8"))
    assert [each.evidence for each in result.findings] == [
        ("60 of 90 values look like an e-mail address at *",)
    ]


def test_the_same_seed_looks_at_the_same_rows(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database,
        "CREATE TABLE big AS SELECT i, CASE WHEN hashtext(i::text) % 7 = 0 THEN 'a' || i || '@b.example'"
        " ELSE 'x' || i END AS v"
        " FROM generate_series(1, 60000) AS i; ANALYZE big; GRANT SELECT ON big TO reader",
    )
    catalog = catalog_of(source, source_database, "reader")
    with session(source, source_database, "reader") as opened:
        first, again, other = (
            scan("s", catalog, Sampler(lambda: opened, "UTF8", seed=seed)).findings for seed in (1, 1, 2)
        )
    assert first == again != other


def test_a_standby_can_be_scanned(new_cluster: Callable[..., Cluster]) -> None:
    primary = new_cluster(name="primary", settings={"wal_level": "replica"})
    primary.role("reader")
    primary.create_database("one")
    primary.sql("one", "CREATE TABLE t (mail_to text); INSERT INTO t VALUES ('a@b.example')")
    primary.sql("one", "GRANT SELECT ON t TO reader")
    standby = start_standby(primary)
    try:
        assert found(standby, "one") == {"mail_to": ("personal", "email")}
    finally:
        standby.remove()


BAD = r"""
CREATE TABLE "it's ""odd"" %(names)s
" ("e-mail
 %s" text, "_" int);
CREATE TABLE secret (email text);
CREATE TABLE empty (x text, email text);
CREATE TABLE nulls AS SELECT NULL::text AS x FROM generate_series(1, 100);
CREATE TABLE broken (x json);
INSERT INTO broken SELECT '{"a": "\u0000", "b": "\ud800"}' FROM generate_series(1, 60);
INSERT INTO "it's ""odd"" %(names)s
" VALUES ('a@b.example', 1);
CREATE VIEW failing AS SELECT 1 / (random() * 0)::int AS email;
CREATE TABLE busy (email text);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
REVOKE SELECT ON secret FROM reader;
"""


def test_what_cannot_be_looked_at_is_said_and_the_rest_goes_on(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, BAD)
    with scenario.source.connect(scenario.source_database) as locking:
        locking.execute("BEGIN")
        locking.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        said = as_json(scanned(scenario, "--json", "--tables", "public.*"))
    words = {f"{each['table_name']}.{each['column']}": each["verdict"] for each in said["findings"]}
    assert {each["table_name"]: each["why"] for each in said["not_looked_at"]} == {
        "secret": "the role may not read it",
        "busy": "it is locked by another session",
    }
    assert words['it\'s "odd" %(names)s\n.e-mail\n %s'] == "personal"
    assert (words["empty.x"], words["empty.email"], words["nulls.x"]) == (
        "undetermined",
        "personal",
        "undetermined",
    )
    assert (words["busy.email"], words["secret.email"], words["broken.x"]) == (
        "personal",
        "personal",
        "undetermined",
    )


def test_a_database_without_tables_is_no_failure(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, "DROP SCHEMA crm, public CASCADE")
    assert as_json(scanned(scenario, "--json"))["tables"] == 0
    # A document without a table is none: it could not be planned.
    written = scenario.folder / "none.yaml"
    ended = scanned(scenario, "--write", str(written))
    assert ended.code == 1
    assert "No workflow was written" in ended.text
    assert not written.exists()


def test_a_pattern_that_matches_no_table_is_an_error(scenario: Scenario) -> None:
    ended = scanned(scenario, "--tables", "crm.custmer")
    assert ended.code == 2
    assert "crm.custmer" in ended.text


def test_nothing_that_could_be_looked_at_is_a_failure(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database, "REVOKE SELECT ON ALL TABLES IN SCHEMA crm, public FROM reader"
    )
    assert scanned(scenario).code == 1


def test_a_connection_that_dies_costs_one_table(source: Cluster, source_database: str) -> None:
    source.sql(source_database, "CREATE TABLE a (x text); CREATE TABLE b (y text); CREATE TABLE c (z text)")
    source.sql(source_database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    catalog = catalog_of(source, source_database, "reader")
    # As it would be with many rows: looked at by itself.
    large = [
        each.model_copy(update={"pages": 1000, "estimated_rows": 100_000}) if each.name == "b" else each
        for each in catalog.tables
    ]
    catalog = catalog.model_copy(update={"tables": tuple(large)})
    opened: list[Any] = []

    def connect() -> Any:
        opened.append(source.connect(source_database, "reader"))
        return opened[-1]

    def end(at: int) -> None:
        source.sql("postgres", f"SELECT pg_terminate_backend({opened[at].info.backend_pid}, 5000)")

    sampler = Sampler(connect, "UTF8")
    result = scan("s", catalog, sampler, progress=lambda done, _: end(0) if done == 1 else None)
    assert [(each.table_name, each.why) for each in result.not_looked_at] == [("b", "the connection broke")]
    assert len(opened) == 2
    # Small ones are looked at together, and then each by itself.
    end(1)
    again = scan("s", catalog, sampler)
    assert again.not_looked_at == () and len(opened) == 3


def test_what_is_new_since_the_last_scan_is_said_by_name_alone(scenario: Scenario) -> None:
    assert as_json(scanned(scenario, "--json"))["new"] is None
    scenario.source.sql(scenario.source_database, "ALTER TABLE crm.customer ADD COLUMN shoe_size int")
    assert as_json(scanned(scenario, "--json"))["new"] == ["crm.customer.shoe_size"]
    kept = json.loads((scenario.state / "scans" / "production.json").read_text())
    assert kept["columns"]["crm.customer.email"] == ["personal", "email", 0.99]


def test_a_function_of_the_sources_owner_is_never_called(source: Cluster, source_database: str) -> None:
    source.sql(
        source_database,
        "CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (a text, b mood);"
        " CREATE TABLE called (what text); CREATE TABLE t (m mood, p pair, d pair[], j jsonb);"
        " CREATE FUNCTION spy(mood) RETURNS text LANGUAGE sql AS 'SELECT (1 / 0)::text';"
        " CREATE FUNCTION spy(pair) RETURNS text LANGUAGE sql AS 'SELECT (1 / 0)::text';"
        " CREATE CAST (mood AS text) WITH FUNCTION spy(mood);"
        " CREATE CAST (pair AS text) WITH FUNCTION spy(pair);"
        " INSERT INTO t VALUES ('a', ROW('x@y.example', 'a'), ARRAY[ROW('x@y.example', 'a')::pair], '{}');"
        " GRANT SELECT ON t TO reader",
    )
    assert found(source, source_database)["p"] == ("personal", "email")


def test_a_written_workflow_runs(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, "DROP TABLE public.audit_log")
    written = scenario.folder / "written.yaml"
    assert scanned(scenario, "--write", str(written)).code == 0
    assert scanned(scenario, "--write", str(written)).code == 2
    text = written.read_text()
    scenario.workflow = yaml.safe_load(text)
    assert parse_workflow(text, "written.yaml").workflow.unlisted == "halt"
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*) FROM crm.customer WHERE email LIKE '%canary%'") == [(0,)]


def test_a_kept_column_that_looks_personal_is_said_at_plan(scenario: Scenario) -> None:
    del scenario.workflow["masks"]["crm.customer.phone"]
    scenario.workflow["keep"].append("crm.customer.phone")
    assert "crm.customer.phone is kept and looks like a phone number: 300 of 300" in scenario.run("plan").text
    scenario.policy = {"kept_looks_personal": "halt"}
    refused = scenario.run("plan")
    assert refused.code == 3 and "policy rule kept_looks_personal" in refused.text
    scenario.workflow["keep"][-1] = {"column": "crm.customer.phone", "because": "numbers of the shop"}
    assert scenario.run("plan").code == 0


def test_an_address_of_many_words_is_masked_as_a_whole(source: Cluster, source_database: str) -> None:
    """A scrubber would leave it."""
    source.sql(
        source_database,
        "CREATE TABLE t (address text, place text); INSERT INTO t SELECT address, address"
        " FROM generate_series(1, 30) AS i, LATERAL (SELECT i || ' Rue de la Paix' AS address) AS a;"
        " GRANT SELECT ON t TO reader",
    )
    assert set(found(source, source_database).values()) == {("personal", "street")}


def test_the_numbers_of_migrations_are_moments_and_no_phone_numbers(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.schema_migrations (version varchar PRIMARY KEY, reached varchar);"
        "INSERT INTO public.schema_migrations SELECT to_char(timestamp '2019-03-04 15:16:17'"
        " + n * interval '77 hours', 'YYYYMMDDHH24MISS'), (49301000000 + n * 7919)::text"
        " FROM generate_series(1, 200) AS n; GRANT SELECT ON public.schema_migrations TO reader",
    )
    verdicts = found(source, source_database)
    assert verdicts["version"] == ("not personal", None)
    assert verdicts["reached"] == ("undetermined", None), "eleven digits may well be a phone's"


def test_a_comment_is_read_and_not_repeated_and_a_table_with_hidden_rows_is_left_out(
    scenario: Scenario,
) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE TABLE public.odd (id int PRIMARY KEY, c7 text, c8 int);"
        f"COMMENT ON COLUMN public.odd.c7 IS 'Nachname, {CANARY}';"
        "COMMENT ON COLUMN public.odd.c8 IS 'e-mail';"
        "INSERT INTO public.odd SELECT i, md5(i::text), i % 2 FROM generate_series(1, 40) AS i;"
        "CREATE TABLE public.hidden (id int, what text); ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY;"
        "GRANT SELECT ON public.odd, public.hidden TO reader",
    )
    written = scenario.folder / "written.yaml"
    ended = scanned(scenario, "--write", str(written))
    text = written.read_text()
    assert ended.code == 0 and CANARY not in ended.text + text
    assert "public.odd.c7: last_name" in text and "its comment" in text
    assert "public.odd.c8: " not in text
    assert "row-level security hides rows of it from the role" in ended.text
    scenario.workflow = yaml.safe_load(text) | {"unlisted": "null"}
    assert scenario.run("plan").code == 0
