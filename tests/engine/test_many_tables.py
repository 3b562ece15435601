"""Small tables are planned, copied and built together, and each comes out as it would by itself."""

from __future__ import annotations

import pytest

from appliance.postgres.building.as_in_source import accepted, set_as_in_source
from appliance.postgres.plan import DefinitionSettings, OwnerSettings, TableName
from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario
from tests.engine.test_as_in_source import run_of

COUNT = 40
TABLES = "".join(
    f"CREATE TABLE t{n} (id int PRIMARY KEY, email text UNIQUE, note text);"
    f"INSERT INTO t{n} SELECT i, 'p' || i || '@corp.example', 'note' FROM generate_series(1, {n}) AS i;"
    for n in range(COUNT)
)
GRANTS = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;"
ORPHANS = """
CREATE TABLE person (code text PRIMARY KEY);
CREATE TABLE visit (id int PRIMARY KEY, code text REFERENCES person);
INSERT INTO person SELECT 'c' || i FROM generate_series(1, 9) AS i;
INSERT INTO visit SELECT i, 'c' || i FROM generate_series(1, 9) AS i;
SET session_replication_role = replica; DELETE FROM person WHERE code IN ('c1', 'c2');
SET session_replication_role = origin;
"""
FULL = """
CREATE TABLE person (a text, b text, PRIMARY KEY (a, b));
CREATE TABLE visit (id int PRIMARY KEY, a text, b text,
    CONSTRAINT visit_person FOREIGN KEY (a, b) REFERENCES person (a, b) MATCH FULL);
INSERT INTO person VALUES ('x', 'y'); INSERT INTO visit VALUES (1, 'x', 'y');
"""


def test_each_of_many_small_tables_arrives_masked_and_with_its_keys(scenario: Scenario) -> None:
    ended = run_of(scenario, TABLES + GRANTS, masks={"*.*.email": "email"}, keep=["*.*.*"])
    assert ended.code == 0, ended.text
    counts = " UNION ALL ".join(
        f"SELECT {n}, count(*), count(*) FILTER (WHERE email LIKE '%@corp.example') FROM t{n}"
        for n in range(COUNT)
    )
    assert scenario.twin_rows(f"{counts} ORDER BY 1") == [(n, n, 0) for n in range(COUNT)]
    keys = "SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'u') AND convalidated"
    assert scenario.twin_rows(f"{keys} AND connamespace = 'public'::regnamespace") == [(2 * COUNT,)]


def test_what_one_of_many_small_tables_keeps_is_said_of_it(scenario: Scenario) -> None:
    """Also if another one cannot be read with the rest: its index finds a function by a bare name."""
    odd = (
        "UPDATE t7 SET note = 'write to p' || id || '@mail.example';"
        "CREATE FUNCTION inner_of(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT lower($1) $$;"
        "CREATE FUNCTION outer_of(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT inner_of($1) $$;"
        "CREATE TABLE odd (id int PRIMARY KEY, note text); INSERT INTO odd VALUES (1, 'note');"
        "CREATE INDEX ON odd (outer_of(note));"
    )
    ended = run_of(scenario, TABLES + odd + GRANTS, masks={"*.*.email": "email"}, keep=["*.*.*"])
    assert ended.code == 0, ended.text
    said = [line for line in ended.text.splitlines() if line.startswith("verify: ") and " is kept" in line]
    assert len(said) == 1 and "public.t7.note is kept: 7 of 7 values look like an e-mail" in said[0], (
        ended.text
    )


def test_a_small_table_that_is_refused_by_a_row_is_named_among_the_others(scenario: Scenario) -> None:
    # The row stands where the trial of the checks before the load does not look any more.
    broken = (
        "CREATE DOMAIN code AS text CHECK (substr(value, 1, 2) = 'ok');"
        "CREATE TABLE odd (id int PRIMARY KEY, s code);"
        "INSERT INTO odd SELECT n FROM generate_series(1, 1000) AS n; INSERT INTO odd VALUES (0, 'ok');"
    )
    ended = run_of(scenario, TABLES + broken + GRANTS, masks={"public.odd.s": "hash"}, keep=["*.*.*"])
    assert ended.code == 1
    assert "public.odd" in ended.text and "public.t1 " not in ended.text


def test_a_masked_reference_that_the_source_itself_breaks_is_kept_unchecked(scenario: Scenario) -> None:
    ended = run_of(scenario, ORPHANS + GRANTS, masks={"*.*.code": "hash"}, keep=["*.*.*"])
    assert ended.code == 0, ended.text
    assert "visit_code_fkey is not checked for these rows" in ended.text
    assert "alike at both ends" in ended.text and "refer to none: 2" in ended.text
    assert scenario.twin_rows("SELECT convalidated FROM pg_constraint WHERE contype = 'f'") == [(False,)]


def test_a_reference_whose_ends_are_masked_differently_is_named_with_both_masks(scenario: Scenario) -> None:
    masks = {"*.*.a": "hash", "public.person.b": "hash", "public.visit.b": "null"}
    ended = run_of(scenario, FULL + GRANTS, masks=masks, keep=["*.*.*"])
    assert ended.code != 0
    assert "visit_person" in ended.text
    assert "public.visit.b (masked with null) refers to public.person.b (masked with hash)" in ended.text
    assert "same mask" in ended.text


@pytest.mark.parametrize("first", ["a", "b"])
def test_nothing_that_one_owners_table_was_given_stays_for_the_next(target: Cluster, first: str) -> None:
    wanted = DefinitionSettings(
        common=(("search_path", "pg_temp"),),
        owners=(
            OwnerSettings(
                settings=(("app.tenant", "one"), ("search_path", "pg_temp")),
                tables=(TableName(schema_name="public", name="a"),),
            ),
        ),
    )
    with target.connect() as session:
        settings, notes = accepted(session, wanted)
        seen = {}
        with session.transaction():
            for name in (first, "b" if first == "a" else "a"):
                session.execute(set_as_in_source(settings.of("public", name), "define").encode())
                row = session.execute("SELECT current_setting('app.tenant', true)").fetchone()
                seen[name] = row[0] if row else None
    assert notes == []
    assert seen["a"] == "one" and not seen["b"]
