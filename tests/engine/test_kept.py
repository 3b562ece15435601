"""A personal value in a kept column does not pass unseen, in whatever it hides, and nothing shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clusters import Cluster
from tests.engine.scenario import Ended, Scenario

CANARY = "canary4711"
ADDRESS = f"{CANARY}@corp.example"
HIDDEN = f"""
CREATE EXTENSION hstore;
CREATE TYPE contact AS (label text, address text);
CREATE DOMAIN anything AS text;
CREATE TYPE span AS RANGE (subtype = text);
CREATE TYPE choice AS ENUM ('yes', 'a.label@corp.example');
CREATE TABLE person (id int PRIMARY KEY, email text, name text);
INSERT INTO person SELECT i, 'p' || i || '@mail.example', 'Zyx{CANARY}' || i || ' Wvu' || i
    FROM generate_series(1, 300) AS i;
CREATE TABLE hiding (
    id int PRIMARY KEY, nested jsonb, old_json json, keyed jsonb, listed text[], composed contact[],
    plain contact, marked xml, sentence text, domained anything, ranged span, chosen choice, pairs hstore,
    bytes bytea, account text, harmless text, amount numeric
);
INSERT INTO hiding SELECT i, jsonb_build_object('a', jsonb_build_object('b', '[]'::jsonb)),
    '{{"x": [{{"y": "z"}}]}}', jsonb_build_object('k', 1), ARRAY['x', 'y'], ARRAY[ROW('x', 'y')::contact],
    ROW('x', 'y')::contact, '<a t="u"/>', 'nothing to see here today', 'plain', span('a', 'b'), 'yes',
    hstore('k', 'v'), '\\x00', 'none', 'as usual', i
FROM generate_series(1, 2000) AS i;
UPDATE hiding SET
    nested = '{{"a": {{"b": [{{"c": "{ADDRESS}"}}]}}}}',
    old_json = '{{"x": [{{"y": "{ADDRESS}"}}]}}', keyed = jsonb_build_object('{ADDRESS}', 1),
    listed = ARRAY['x', '{ADDRESS}'], composed = ARRAY[ROW('x', '{ADDRESS}')::contact],
    plain = ROW('x', '{ADDRESS}')::contact, marked = '<a t="{ADDRESS}"/>',
    sentence = 'as I said, write to {ADDRESS} before noon', domained = '{ADDRESS}',
    ranged = span('a', '{ADDRESS}'), pairs = hstore('k', '{ADDRESS}'), bytes = '\\xffd8ffe0',
    account = 'DE89 3704 0044 0532 0130 00'
WHERE id = 1777;
CREATE TABLE note (id int PRIMARY KEY, said text, listed text[], doc jsonb, harmless text);
INSERT INTO note SELECT i, 'all is well on day ' || i, ARRAY['a b'], '{{"x": "y"}}', 'well'
    FROM generate_series(1, 500) AS i;
UPDATE note SET said = 'We rang Zyx{CANARY}7 Wvu7, who was away.', listed = ARRAY['zyx{CANARY}8 wvu8'],
    doc = '{{"for": [{{"who": "ZYX{CANARY}9 WVU9"}}]}}' WHERE id = 123;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
"""
HIDING = {
    "nested", "old_json", "keyed", "listed", "composed", "plain", "marked", "sentence", "domained", "ranged",
    "chosen", "pairs", "bytes", "account",
}  # fmt: skip
SHIPPING = f"""
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, preferences jsonb NOT NULL);
INSERT INTO customer SELECT i, 'c' || i || '@mail.example',
    jsonb_build_object('theme', 'dark', 'alerts', jsonb_build_object('to', 'c' || i || '@mail.example'))
FROM generate_series(1, 200) AS i;
CREATE TABLE orders (id int PRIMARY KEY, ship_to jsonb NOT NULL);
INSERT INTO orders SELECT i, jsonb_build_object('name', 'Anna {CANARY.title()}', 'street', i || ' Mill Lane')
FROM generate_series(1, 200) AS i;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
"""


@pytest.fixture(scope="module")
def talkative(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """A source, and a target, that logs all that it can."""
    settings = {
        "log_statement": "'all'",
        "log_min_error_statement": "error",
        "log_error_verbosity": "verbose",
    }
    cluster = new_cluster(name="listening", settings=settings)
    cluster.role("reader")
    cluster.role("twin_owner", "CREATEDB")
    yield cluster


@pytest.fixture
def made(talkative: Cluster, tmp_path: Path) -> Iterator[Callable[..., Scenario]]:
    """``made(sql, keep=…)``: a scenario whose workflow masks what is given and keeps the rest."""

    def make(sql: str, **changes: Any) -> Scenario:
        talkative.create_database("kept")
        talkative.sql("kept", sql)
        scenario = Scenario(tmp_path, talkative, "kept", talkative, "kept_twin")
        scenario.workflow.update({"tables": {"include": ["public.*"]}, "masks": {}, "keep": [], **changes})
        return scenario

    yield make
    for name in ("kept", "kept_twin", "kept_twin__next", "kept_twin__prev"):
        talkative.drop_database(name)


def columns_of(scenario: Scenario, table: str) -> dict[str, dict[str, Any]]:
    """What ``verify.json`` says of a table's kept columns."""
    (path,) = scenario.state.rglob("verify.json")
    looks = json.loads(path.read_text())["twins"][0]["kept"]
    return {each["column"]: each for look in looks if look["table"] == table for each in look["columns"]}


def shows_nothing(scenario: Scenario, logged_from: int, ended: Ended) -> None:
    """No canary in what was printed and written, nor in what the server has logged since."""
    with scenario.source.log_file.open() as log:
        log.seek(logged_from)
        # What the test itself has loaded is logged too, as the superuser.
        logged = log.read()
    written = "".join(path.read_text(errors="replace") for path in scenario.state.rglob("*.json"))
    assert "appliance_originals" in logged
    assert not any(CANARY in text for text in (ended.text, written, logged))


def test_whatever_hides_in_a_kept_column_is_found_in_the_twin(made: Callable[..., Scenario]) -> None:
    scenario = made(
        HIDDEN, masks={"public.person.email": "email", "public.person.name": "full_name"},
        keep=["public.*.*"],
    )  # fmt: skip
    logged_from = scenario.source.log_file.stat().st_size
    ended = scenario.run()
    assert ended.code == 0, ended.text
    found = columns_of(scenario, "public.hiding")
    assert {name for name, each in found.items() if each["looks_personal"]} == HIDING
    assert all(found[name]["looks_personal"] == 1 for name in HIDING)
    said = {"said", "listed", "doc"}
    notes = columns_of(scenario, "public.note")
    met = {
        name: {each["masked"]: each["telling"] for each in column["originals"]}
        for name, column in notes.items()
    }
    assert {name: met[name] for name in said} == {name: {"public.person.name": 1} for name in said}
    assert met["harmless"] == {}
    assert (
        "public.note.said is kept: at 1 place in its 500 texts originals of public.person.name" in ended.text
    )
    shows_nothing(scenario, logged_from, ended)


def test_an_address_in_a_kept_document_halts_a_run_or_is_said(made: Callable[..., Scenario]) -> None:
    scenario = made(SHIPPING, masks={"public.customer.email": "email"}, keep=["public.*.*"])
    scenario.policy = {"kept_looks_personal": "halt"}
    logged_from = scenario.source.log_file.stat().st_size
    ended = scenario.run()
    assert ended.code == 3 and "public.orders.ship_to" in ended.text, ended.text
    assert "public.customer.preferences" in ended.text
    scenario.policy = {"kept_looks_personal": "warn"}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert "public.orders.ship_to is kept:" in ended.text
    assert "at 200 places in its 400 texts originals of public.customer.email stand" in ended.text
    assert "2 of them hold what looks personal" in ended.text
    shows_nothing(scenario, logged_from, ended)


def test_what_plan_could_not_see_halts_at_verify(made: Callable[..., Scenario]) -> None:
    scenario = made(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, CASE WHEN i = 4000 THEN"
        " 'a@b.example' ELSE 'plain words' END FROM generate_series(1, 5000) AS i; ANALYZE;"
        " GRANT SELECT ON t TO reader",
        keep=["public.t.*"],
    )
    scenario.policy = {"kept_looks_personal": "halt"}
    ended = scenario.run()
    assert ended.code == 3, ended.text
    assert "public.t.v is kept: 1 of 5,000 values look like an e-mail address" in ended.text
    assert "kept_twin" not in scenario.target.databases()
    scenario.workflow["keep"] = ["public.t.id", {"column": "public.t.v", "because": "of a test"}]
    ended = scenario.run()
    assert ended.code == 0 and "public.t.v is kept: 1 of 5,000 values" in ended.text, ended.text


def test_only_rows_that_are_copied_count_and_partitions_are_one(made: Callable[..., Scenario]) -> None:
    scenario = made(
        "CREATE TABLE person (id int PRIMARY KEY, email text);"
        "INSERT INTO person SELECT i, 'p' || i || '@mail.example' FROM generate_series(1, 100) AS i;"
        "CREATE TABLE visit (id int, old bool NOT NULL, said text) PARTITION BY RANGE (id);"
        "CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (50) TO (500);"
        "INSERT INTO visit SELECT i, i % 2 = 0, 'for P' || i || '@mail.example'"
        " FROM generate_series(1, 90) AS i;"
        "ANALYZE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        masks={"public.person.email": "email"},
        keep=["public.*.*"],
        rows={"public.visit": {"where": "not old"}},
    )
    ended = scenario.run()
    assert ended.code == 0, ended.text
    said = columns_of(scenario, "public.visit")["said"]
    assert (said["looks_personal"], said["values"], said["compared"]) == (45, 45, 45)
    assert [(each["masked"], each["telling"]) for each in said["originals"]] == [("public.person.email", 45)]
