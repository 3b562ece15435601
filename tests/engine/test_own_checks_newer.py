"""Checks, generated columns and partitions are tried on masked rows on PostgreSQL 17 and 18 too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system.postgres_programs import PG_DUMP_VARIABLE
from tests.engine.clusters import Cluster, Newer, program
from tests.engine.test_own_checks import BROKEN, FUNCTIONS, SHELF, SHELF_BROKEN, SLOW, refusal, runs_of

DATABASE, TWIN = "own_checks_newer", "own_checks_newer_twin"


@pytest.fixture
def dropped(newer: Newer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in newer.environment.items():
        monkeypatch.setenv(name, value)
    newer.cluster.create_database(DATABASE)
    yield newer.cluster
    for name in (DATABASE, f"{TWIN}__next"):
        newer.cluster.drop_database(name)


def test_what_masked_rows_break_ends_the_run_on_a_newer_server(dropped: Cluster, run_folder: Path) -> None:
    dropped.sql(DATABASE, FUNCTIONS + SHELF)
    person = [each for each in BROKEN if each[0] in {"email", "other", "digits"}]
    shelf = [SHELF_BROKEN[place] for place in (0, 7)]
    masks = {column: mask for column, mask, _, _ in person}
    masks |= {f"public.shelf.{column}": mask for column, mask, _ in shelf}
    said = refusal(runs_of(dropped, DATABASE, dropped, TWIN, run_folder)(masks))
    for column, words in [*((each[0], each[3]) for each in person), *((each[0], each[2]) for each in shelf)]:
        assert any(f".{column}: " in each and words in each for each in said.splitlines()), said


def test_what_masked_rows_keep_is_loaded_on_a_newer_server(dropped: Cluster, run_folder: Path) -> None:
    dropped.sql(DATABASE, FUNCTIONS + SHELF)
    masks = {
        "email": "email",
        "other": "email",
        "noted": "hash",
        "pathed": "email",
        "public.shelf.number": {"mask": "constant", "value": 7},
        "public.shelf.short": {"mask": "constant", "value": "AAAAa "},
        "public.shelf.place": {"mask": "constant", "value": "A"},
        "public.shelf.day": {"mask": "random_date", "earliest": "2020-02-01", "latest": "2020-05-01"},
    }
    run = runs_of(dropped, DATABASE, dropped, TWIN, run_folder)(masks, leave_out=SLOW)
    run.schema()
    run.copy()
    run.finish()
    run.close()
    (undecided,) = [each for each in run.notices if "not decided" in each and "as_a_whole" not in each]
    assert "person_noted_check of public.person is not decided before the load: it writes" in undecided
    assert dropped.rows(run.next, "SELECT DISTINCT share, total FROM public.shelf") == [(14, 14)]


VIRTUAL = """
CREATE SCHEMA crm;
CREATE TABLE crm.code (code text);
CREATE TABLE public.person (
    id int PRIMARY KEY, number int, name text, share int GENERATED ALWAYS AS (100 / number) VIRTUAL,
    short varchar(5) GENERATED ALWAYS AS (name) VIRTUAL, low text GENERATED ALWAYS AS (lower(name)) VIRTUAL,
    there int GENERATED ALWAYS AS (nullif(number, 7)) VIRTUAL NOT NULL,
    CONSTRAINT begins CHECK (low LIKE 'a%'), CONSTRAINT never CHECK (name IS NOT NULL) NOT ENFORCED
);
INSERT INTO public.person (id, number, name) SELECT n, n + 10, 'a' || n FROM generate_series(1, 20) AS g (n);
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
"""


def test_virtual_columns_are_tried_and_what_is_not_enforced_is_not(
    postgres18: Cluster, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PG_DUMP_VARIABLE, program(18, "pg_dump"))
    postgres18.create_database(DATABASE)
    try:
        postgres18.sql(DATABASE, VIRTUAL)
        make = runs_of(postgres18, DATABASE, postgres18, TWIN, run_folder)
        for number, words in ((0, "generated column share"), (7, "generated column there")):
            assert words in refusal(make({"number": {"mask": "constant", "value": number}}))
        said = refusal(make({"name": {"mask": "constant", "value": "bbbbbb"}}))
        assert "generated column short" in said and "CHECK constraint begins" in said
        run = make({"name": "null"})
        run.schema()
        run.copy()
        run.finish()
        run.close()
        assert not run.notices
        assert postgres18.rows(run.next, "SELECT DISTINCT num_nulls(name, short, low) FROM person") == [(3,)]
    finally:
        for name in (DATABASE, f"{TWIN}__next"):
            postgres18.drop_database(name)
