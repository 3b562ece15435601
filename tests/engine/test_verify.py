"""``verify`` finds what is wrong with a copy, and nothing wrong with a right one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance.errors import WorkFailedError, WorkFailedForGoodError
from appliance.postgres.errors import retry_can_help
from appliance.postgres.proof.sample import EXACT_ROWS
from appliance.postgres.proof.verdicts import chance_bound
from appliance.postgres.proof.verification import SEARCHED_ROWS, one_in
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

CANARY = "verify-canary-0815"
PEOPLE = f"""
CREATE TABLE public.person (
    id int PRIMARY KEY, email text UNIQUE, first_name text, born date, notes text, status text, code text
);
INSERT INTO public.person SELECT i, 'p' || i || '@{CANARY}.example',
    (ARRAY['Anna', 'Luis', 'Mia', 'Noa', '{CANARY}'])[1 + i % 5], date '1980-01-01' + i % 9000,
    CASE WHEN i % 4 = 0 THEN 'write to p' || i || '@{CANARY}.example or call' END, 'gold', 'c' || i % 500
    FROM generate_series(1, 2000) AS i;
CREATE TABLE public.purchase (id int PRIMARY KEY, person int NOT NULL REFERENCES public.person);
INSERT INTO public.purchase SELECT i, 1 + i % 2000 FROM generate_series(1, 500) AS i;
CREATE TABLE public.no_rows (id int PRIMARY KEY, email text, born date);
CREATE TABLE public.keyless (first_name text, born date);
INSERT INTO public.keyless SELECT 'Anna', date '1990-05-05' FROM generate_series(1, 50);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
DOCUMENT: dict[str, Any] = {
    "masks": {
        "*.*.email": "email",
        "*.*.first_name": "first_name",
        "*.*.born": "date_shift",
        "public.keyless.born": {"mask": "date_shift", "subject": "first_name"},
        "public.person.notes": "text_scrub",
        "public.person.status": {"mask": "constant", "value": "gold"},
        "public.person.code": "hash",
    },
    "keep": ["*.*.id", "public.purchase.person"],
}
BACK = f"email = 'p' || id || '@{CANARY}.example'"
Spoil = Callable[[str], None]


@pytest.fixture
def people(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> Iterator[EngineRun]:
    source.sql(source_database, PEOPLE)
    yield EngineRun(source, source_database, target, twin_database, run_folder, DOCUMENT)


def the_fault(run: EngineRun) -> str:
    """What verification says; never a value."""
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    assert not retry_can_help(failed.value), "the same copy would fail again"
    text = failed.value.text()
    assert CANARY not in text
    assert CANARY not in (run.context.run_dir / "verify.json").read_text()
    return text


def test_a_right_copy_is_proven_column_by_column(people: EngineRun) -> None:
    result = people.copied().verify()
    assert (result.tables, result.rows, result.masked_columns) == (4, 2550, 10)
    report = json.loads((people.context.run_dir / "verify.json").read_text())
    (twin,) = report["twins"]
    proofs = {(table["table"], each["column"]): each for table in twin["tables"] for each in table["columns"]}
    assert proofs["public.person", "email"]["compared"] == 2000
    assert proofs["public.no_rows", "email"]["compared"] == 0
    assert all(each["fault"] is None for each in proofs.values())
    gathered = {table["table"]: (table["gathered"], table["source_rows"]) for table in twin["tables"]}
    assert gathered["public.person"] == (2000, 2000)


def test_a_table_without_a_key_says_that_its_rows_could_not_be_compared(people: EngineRun) -> None:
    notes = people.copied().verify().notes
    assert any(note.startswith("public.keyless.born") and "could not be paired" in note for note in notes)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE public.person SET {BACK}", "public.person.email (email): 2,000 of 2,000"),
        (f"UPDATE public.person SET {BACK} WHERE id % 20 = 0", "public.person.email (email): 100 of 2,000"),
        (f"UPDATE public.person SET {BACK} WHERE id = 7", "public.person.email (email): 1 of 2,000"),
        ("UPDATE public.person SET born = date '1980-01-01' + id % 9000", "public.person.born (date_shift)"),
        (
            f"UPDATE public.person SET first_name = '{CANARY}' WHERE id = 4",
            "public.person.first_name (first_name)",
        ),
        (
            f"UPDATE public.person SET notes = 'a@{CANARY}.example' WHERE id = 9",
            "public.person.notes (text_scrub)",
        ),
        ("UPDATE public.person SET status = 'x' WHERE id = 9", "public.person.status (constant): 1 of"),
        (
            "UPDATE public.person SET code = 'same'",
            "public.person.code (hash): 2,000 of 2,000 values were not made",
        ),
        (
            "DELETE FROM public.person WHERE id = 2000; DELETE FROM public.purchase WHERE person = 2000",
            "public.person: the source has 2,000 rows, the twin 1,999",
        ),
        ("INSERT INTO public.no_rows VALUES (1)", "public.no_rows: the source has 0 rows, the twin 1"),
        ("INSERT INTO public.keyless SELECT * FROM public.keyless", "public.keyless: the source has 50 rows"),
    ],
)
def test_a_spoilt_copy_is_found_out(people: EngineRun, statement: str, said: str) -> None:
    run = people.copied()
    run.spoil(statement)
    assert said in the_fault(run)


def test_evidence_survives_a_crash_of_the_server_and_its_loss_is_no_proof(people: EngineRun) -> None:
    run = people.copied()
    kept = "SELECT relpersistence::text FROM pg_class WHERE oid = 'appliance_ledger.evidence'::regclass"
    assert run.target.value(run.next, kept) == "p"
    run.spoil("TRUNCATE appliance_ledger.evidence")
    assert "public.person.email (email): nothing was gathered to prove it with" in the_fault(run)


def test_what_the_source_has_not_counted_is_not_taken_as_proven(people: EngineRun) -> None:
    run = people.copied()
    run.spoil("DELETE FROM appliance_ledger.evidence WHERE facet IS NOT NULL")
    said = the_fault(run)
    assert "public.person.email (email): nothing was gathered to prove it with" in said
    assert "public.person.born (date_shift): nothing was gathered to prove it with" in said


def test_a_constraint_that_was_never_checked_is_found_out(people: EngineRun) -> None:
    run = people.copied()
    run.spoil("ALTER TABLE public.purchase ADD CONSTRAINT odd CHECK (id > 0) NOT VALID")
    assert "constraint purchase odd was not validated" in the_fault(run)


def test_a_constraint_that_the_source_does_not_check_either_is_no_fault(people: EngineRun) -> None:
    statement = "ALTER TABLE public.purchase ADD CONSTRAINT odd CHECK (id > 400) NOT VALID"
    people.source.sql(people.source_database, statement)
    assert people.copied().verify().tables == 4


BROKEN_KEY = """
CREATE TABLE public.damaged (id int PRIMARY KEY, email text);
GRANT SELECT ON public.damaged TO reader;
INSERT INTO public.damaged SELECT i, 'd' || i || '@x.example' FROM generate_series(1, 50) AS i;
UPDATE pg_index SET indisready = false WHERE indexrelid = 'public.damaged_pkey'::regclass;
"""
MORE_OF_ITS_ROWS = """
INSERT INTO public.damaged SELECT i, 'e' || i || '@x.example' FROM generate_series(41, 60) AS i;
UPDATE pg_index SET indisready = true WHERE indexrelid = 'public.damaged_pkey'::regclass;
"""


@pytest.mark.parametrize("spoilt", [False, True])
def test_rows_that_share_a_key_which_the_source_breaks_are_compared_all_the_same(
    people: EngineRun, spoilt: bool
) -> None:
    for script in (BROKEN_KEY, MORE_OF_ITS_ROWS):
        people.source.sql(people.source_database, script)
    run = people.copied()
    if spoilt:
        run.spoil("UPDATE public.damaged SET email = 'other@mail.example' WHERE id = 45")
        assert "public.damaged.email (email): 2 of 70" in the_fault(run)
        return
    verified = run.verify()
    assert verified.tables == 5
    assert any(each.table == "public.damaged" and each.proven == ("email",) for each in verified.said)


def test_names_that_the_mask_could_have_made_itself_raise_no_alarm(people: EngineRun) -> None:
    """Many people are called Anna, in the source and out of the mask's own words."""
    run = people.copied()
    made = {name for (name,) in run.target.rows(run.next, "SELECT DISTINCT first_name FROM public.person")}
    name = min(made)
    people.source.sql(people.source_database, f"UPDATE public.person SET first_name = '{name}'")
    run.target.drop_database(run.next)
    assert run.copied().verify().tables == 4


def test_a_large_table_is_compared_on_a_sample_that_still_finds_a_leak(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    rows = 10 * EXACT_ROWS
    source.sql(
        source_database,
        "CREATE TABLE public.person (id int PRIMARY KEY, email text);"
        f" INSERT INTO public.person SELECT i, 'p' || i || '@{CANARY}.example'"
        f" FROM generate_series(1, {rows}) AS i;"
        " GRANT SELECT ON public.person TO reader; ANALYZE public.person",
    )
    document = {"masks": {"*.*.email": "email"}, "keep": ["*.*.id"], "limits": {"parallel": 1}}
    run = EngineRun(source, source_database, target, twin_database, run_folder, document).copied()
    run.spoil(f"UPDATE public.person SET {BACK} WHERE id % 1000 = 0")
    assert "public.person.email (email)" in the_fault(run)
    (table,) = json.loads((run.context.run_dir / "verify.json").read_text())["twins"][0]["tables"]
    assert table["source_rows"] == rows
    assert EXACT_ROWS / 2 < table["gathered"] < EXACT_ROWS * 2
    assert 0.9 * SEARCHED_ROWS < table["searched"] < 0.75 * rows
    assert table["rows"] == rows


def test_a_large_table_is_searched_in_part_where_a_value_has_moved_to_another_row(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    """Rows that are compared with themselves do not show it: only a search of all others does."""
    rows = 3 * SEARCHED_ROWS
    source.sql(
        source_database,
        "CREATE TABLE public.person (id int PRIMARY KEY, first_name text, email text);"
        f" INSERT INTO public.person SELECT i, 'Ann', 'p' || i || '@{CANARY}.example'"
        f" FROM generate_series(1, {rows}) AS i;"
        " GRANT SELECT ON public.person TO reader; ANALYZE public.person",
    )
    document = {"masks": {"*.*.email": "email", "*.*.first_name": "first_name"}, "keep": ["*.*.id"]}
    run = EngineRun(source, source_database, target, twin_database, run_folder, document).copied()
    run.spoil(
        f"UPDATE public.person SET email = 'p' || ({rows} + 1 - id) || '@{CANARY}.example',"
        f" first_name = '{CANARY}' WHERE id % 100 = 0"
    )
    said = the_fault(run)
    assert "public.person.email (email)" in said
    assert "public.person.first_name (first_name)" in said


@pytest.mark.parametrize("rows", [0, 1, SEARCHED_ROWS, 2 * SEARCHED_ROWS, 10**7, 10**10])
def test_what_is_searched_of_a_table_is_never_too_little(rows: int) -> None:
    assert rows // one_in(rows) >= min(rows, SEARCHED_ROWS)
    assert one_in(rows) in (1, 2, 4, 8, 16)


@pytest.mark.parametrize(("values", "chance"), [(0, 0.1), (1, 0.001), (1000, 0.5), (10**7, 1e-6)])
def test_the_bound_on_chance_is_never_below_what_is_expected(values: int, chance: float) -> None:
    assert values * chance <= chance_bound(values, chance)


def test_without_chance_nothing_may_meet() -> None:
    assert chance_bound(10**9, 0.0) == 0


def test_a_database_that_another_run_has_taken_is_said_to_be_gone(people: EngineRun) -> None:
    with pytest.raises(WorkFailedForGoodError, match="another run that builds the same twin"):
        people.context.connect_target("staging", people.next)
