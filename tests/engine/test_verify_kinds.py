"""``verify`` over every kind of mask and table: what was not masked is found, what was is not suspected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from appliance.errors import WorkFailedError
from appliance.postgres.proof.hashes import NO_ROW, SETTING, encodings_differ, hashed, tagged
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

# Every value follows from a number, so that a test can write the raw ones back.
RAW = {
    "phone": "'+49 170 ' || lpad((n * 7919 %% 10000000)::text, 7, '0')",
    "born": "date '1950-01-01' + n %% 20000",
    "seen": "timestamp '2024-01-01' + make_interval(mins => n)",
    "salary": "(1000 + n)::numeric(9,2)",
    "points": "n",
    "city": "(ARRAY['Bergen', 'Graz', 'Lyon', 'Pisa'])[1 + n %% 4]",
    "full_name": "'Ann ' || n",
    "tags": "ARRAY['tag' || n, NULL, '']",
    "doc": """jsonb_build_object('mail', 'u' || n || '@raw.test', 'list', jsonb_build_array(n))""",
    "raw_json": """json_build_object('mail', 'u' || n || '@raw.test')""",
    "note": "'call 0170-' || (1000000 + n)",
    "card": "'4111 1111 1111 ' || (1000 + n)",
    "address": "'192.0.2.0'::inet + n %% 200",
    "token": "md5(n::text)::uuid",
}
RAW = {name: value.replace("%%", "%") for name, value in RAW.items()}
TYPES = {
    **{"phone": "text", "born": "date", "seen": "timestamp", "salary": "numeric(9,2)", "points": "int"},
    **{"city": "varchar(30)", "full_name": "text", "tags": "text[]", "doc": "jsonb", "raw_json": "json"},
    **{"note": "text", "card": "char(24)", "address": "inet", "token": "uuid"},
}
MASKS: dict[str, Any] = {
    "*.*.phone": {"mask": "phone", "keep_prefix": 4},
    "*.*.born": "date_shift",
    "*.*.seen": "date_shift",
    "*.*.salary": "number_noise",
    "*.*.points": {"mask": "number_noise", "amount": 3},
    "*.*.city": "city",
    "*.*.full_name": "full_name",
    "*.*.tags": "hash",
    "*.*.doc": {"mask": "json", "paths": {"mail": "email", "list[*]": "number_noise"}},
    "*.*.raw_json": {"mask": "json", "paths": {"mail": "hash"}},
    "*.*.note": "text_scrub",
    "*.*.card": "partial",
    "*.*.address": "hash",
    "*.*.token": "hash",
}
COLUMNS = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
VALUES = ", ".join(RAW.values())


def script(rows: int, key: str = "n int PRIMARY KEY") -> str:
    """public.thing with so many rows."""
    number = "n, " if key else ""
    return (
        f"CREATE TABLE public.thing ({key}{', ' if key else ''}{COLUMNS});"
        f" INSERT INTO public.thing SELECT {number}{VALUES} FROM generate_series(1, {rows}) AS g (n);"
        " GRANT SELECT ON public.thing TO reader; ANALYZE public.thing"
    )


class Runs:
    """Runs over one source database."""

    def __init__(self, source: Cluster, database: str, target: Cluster, twin: str, folder: Any) -> None:
        self.source, self.database, self.target, self.twin, self.folder = (
            *(source, database, target, twin, folder),
        )

    def copied(
        self, statements: str, masks: Mapping[str, Any] = MASKS, keep: Sequence[str] = ("*.*.n",)
    ) -> EngineRun:
        """The source filled and copied."""
        self.source.sql(self.database, statements)
        whole = {"masks": masks, "keep": list(keep)}
        run = EngineRun(self.source, self.database, self.target, self.twin, self.folder, whole)
        return run.copied()


@pytest.fixture
def runs(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> Iterator[Runs]:
    yield Runs(source, source_database, target, twin_database, run_folder)


def faults(run: EngineRun) -> str:
    """What verification says."""
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    assert "raw.test" not in failed.value.text() and "0170" not in failed.value.text()
    return failed.value.text()


def test_every_mask_is_proven_and_nothing_is_suspected(runs: Runs) -> None:
    assert runs.copied(script(1500)).verify().masked_columns == len(TYPES)


def test_every_column_that_came_through_raw_is_named(runs: Runs) -> None:
    run = runs.copied(script(800))
    run.spoil(f"UPDATE public.thing SET {', '.join(f'{name} = {value}' for name, value in RAW.items())}")
    found = faults(run)
    for name in RAW:
        assert f"public.thing.{name} " in found or f"public.thing.{name} (" in found, name


def test_one_row_in_twenty_that_came_through_raw_is_enough(runs: Runs) -> None:
    run = runs.copied(script(800))
    raw = ", ".join(f"{name} = {value}" for name, value in RAW.items())
    run.spoil(f"UPDATE public.thing SET {raw} WHERE n % 20 = 0")
    found = faults(run)
    for name in RAW:
        assert f"public.thing.{name} " in found, name
    assert "public.thing.born (date_shift): 40 of 800" in found


def test_rows_are_paired_by_a_key_that_is_masked_too(runs: Runs) -> None:
    statements = (
        "CREATE TABLE public.thing (token uuid PRIMARY KEY, born date);"
        " INSERT INTO public.thing SELECT md5(n::text)::uuid, date '1980-01-01' + n"
        " FROM generate_series(1, 300) AS g (n); GRANT SELECT ON public.thing TO reader"
    )
    masks = {"*.*.token": "hash", "*.*.born": "date_shift"}
    run = runs.copied(statements, masks, keep=[])
    assert run.verify(again=True).notes == ()
    run.spoil("UPDATE public.thing SET token = md5('x' || token)::uuid")
    assert "public.thing: 300 of 300 rows are not in the twin" in faults(run)


def test_a_date_that_stayed_is_found_by_a_key_that_is_masked_too(runs: Runs) -> None:
    statements = (
        "CREATE TABLE public.thing (token uuid PRIMARY KEY, born date);"
        " INSERT INTO public.thing SELECT md5(n::text)::uuid, date '1980-01-01'"
        " FROM generate_series(1, 300) AS g (n); GRANT SELECT ON public.thing TO reader"
    )
    run = runs.copied(statements, {"*.*.token": "hash", "*.*.born": "date_shift"}, keep=[])
    run.spoil("UPDATE public.thing SET born = '1980-01-01' WHERE token::text < '2'")
    assert "public.thing.born (date_shift):" in faults(run)


def test_rows_without_a_key_are_paired_by_what_is_kept(runs: Runs) -> None:
    statements = (
        "CREATE TABLE public.thing (kept int, born date); INSERT INTO public.thing"
        " SELECT n, date '1980-01-01' + n FROM generate_series(1, 300) AS g (n);"
        " GRANT SELECT ON public.thing TO reader"
    )
    masks = {"*.*.born": {"mask": "date_shift", "subject": "kept"}}
    run = runs.copied(statements, masks, keep=["*.*.kept"])
    assert run.verify(again=True).notes == ()
    run.spoil("UPDATE public.thing SET born = date '1980-01-01' + kept WHERE kept % 20 = 0")
    assert "public.thing.born (date_shift): 15 of 300" in faults(run)


@pytest.mark.parametrize("beside", ["", ", kept"])
def test_rows_that_cannot_be_paired_must_not_all_be_as_they_were(runs: Runs, beside: str) -> None:
    statements = (
        "CREATE TABLE public.thing (kept int, born date, city varchar(30)); INSERT INTO public.thing"
        " SELECT n % 2, date '1980-01-01' + n % 9, 'Bergen' FROM generate_series(1, 90) AS g (n);"
        " GRANT SELECT ON public.thing TO reader"
    )
    masks: dict[str, Any] = {"*.*.born": {"mask": "date_shift", "subject": "kept"}, "*.*.city": "city"}
    if not beside:
        masks["*.*.kept"] = {"mask": "constant", "value": 1}
    run = runs.copied(statements, masks, keep=["*.*.kept"] if beside else [])
    assert any("could not be paired" in note for note in run.verify(again=True).notes)
    run.spoil(
        "TRUNCATE public.thing; INSERT INTO public.thing"
        f" SELECT {'n % 2' if beside else '1'}, date '1980-01-01' + n % 9, 'Graz'"
        " FROM generate_series(1, 90) AS g (n)"
    )
    assert "public.thing.born (date_shift): " in faults(run)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_a_tiny_table_raises_no_alarm(runs: Runs, rows: int) -> None:
    assert runs.copied(script(rows)).verify().rows == rows


def test_columns_of_nothing_raise_no_alarm(runs: Runs) -> None:
    run = runs.copied(
        f"CREATE TABLE public.thing (n int PRIMARY KEY, {COLUMNS});"
        " INSERT INTO public.thing (n, phone, note, doc, salary, points, born, tags)"
        " SELECT n, CASE WHEN n % 2 = 0 THEN '' END, '', '{\"mail\": null}', 0, NULL, 'infinity', '{}'"
        " FROM generate_series(1, 200) AS g (n); GRANT SELECT ON public.thing TO reader"
    )
    assert run.verify().rows == 200


def test_a_value_that_is_everywhere_raises_no_alarm(runs: Runs) -> None:
    """One value's luck would be that of every row."""
    run = runs.copied(
        f"CREATE TABLE public.thing (n int PRIMARY KEY, {COLUMNS});"
        " INSERT INTO public.thing SELECT n, '+49 170 0', '1980-01-01', '2024-01-01', 5, 1,"
        " 'Graz', 'Ann Lee', ARRAY['x'], '{\"mail\": \"x\", \"list\": [1]}', '{\"mail\": \"x\"}',"
        " 'nothing', '****', '10.0.0.1',"
        " md5('x')::uuid FROM generate_series(1, 300) AS g (n); GRANT SELECT ON public.thing TO reader"
    )
    assert run.verify().rows == 300


def test_values_that_differ_in_their_case_only_are_one_value_to_citext(runs: Runs) -> None:
    run = runs.copied(
        "CREATE EXTENSION citext; CREATE DOMAIN mail AS citext;"
        "CREATE TABLE public.t (n int PRIMARY KEY, a citext, b mail, c citext, d citext[], e text);"
        "INSERT INTO public.t SELECT n, v, v, v, ARRAY[v]::citext[], v FROM (SELECT n,"
        " CASE WHEN n % 2 = 0 THEN 'ann' ELSE 'ANN' END || n / 2 || '@raw.test'"
        " FROM generate_series(1, 200) AS g (n)) AS s (n, v); GRANT SELECT ON public.t TO reader",
        masks={
            "*.*.a": "email",
            "*.*.b": "hash",
            "*.*.c": "random_string",
            "*.*.d": "hash",
            "*.*.e": {"mask": "email", "ignore_case": True},
        },
    )
    assert run.verify(again=True).masked_columns == 5
    run.spoil("UPDATE public.t SET b = 'Ann7@raw.test' WHERE n = 9")
    assert "public.t.b (hash)" in faults(run)


@pytest.mark.parametrize(
    ("columns", "mask"),
    [(420, {"mask": "constant", "value": "x"}), (1599, "null"), (420, "hash"), (1599, "phone")],
)
def test_a_table_of_many_masked_columns_is_proven_in_parts(runs: Runs, columns: int, mask: Any) -> None:
    names = [f"c{number}" for number in range(columns)]
    values = ", 'y'" * columns
    run = runs.copied(
        f"CREATE TABLE public.wide (n int PRIMARY KEY, {', '.join(f'{name} text' for name in names)});"
        f"INSERT INTO public.wide (n, {', '.join(names)})"
        f" SELECT n{values} FROM generate_series(1, 3) AS g (n);"
        "GRANT SELECT ON public.wide TO reader",
        masks={"*.*.c*": mask},
    )
    assert run.verify(again=True).masked_columns == columns
    run.spoil(f"UPDATE public.wide SET {names[-1]} = 'z' WHERE n = 2")
    assert f"public.wide.{names[-1]} " in faults(run)


def test_a_constant_may_be_what_the_source_has(runs: Runs) -> None:
    masks = {**MASKS, "*.*.city": {"mask": "constant", "value": "Graz"}, "*.*.points": "null"}
    run = runs.copied(script(50), masks)
    assert run.verify(again=True).rows == 50
    run.spoil("UPDATE public.thing SET points = 3 WHERE n = 7")
    assert "public.thing.points (null): 1 of 1 values were not made by the mask" in faults(run)


def test_one_piece_twice_and_another_never_is_found_out(runs: Runs) -> None:
    run = runs.copied(script(400))
    run.spoil(
        "CREATE TABLE public.twice AS SELECT * FROM public.thing WHERE n <= 100;"
        " DELETE FROM public.thing WHERE n > 300; UPDATE public.twice SET n = n + 1000;"
        " INSERT INTO public.thing SELECT * FROM public.twice; DROP TABLE public.twice"
    )
    assert "public.thing: 100 of 400 rows are not in the twin" in faults(run)


def test_a_piece_that_never_arrived_is_found_out(runs: Runs) -> None:
    run = runs.copied(script(20))
    run.spoil("DELETE FROM appliance_ledger.done")
    assert "public.thing: piece 1 of 1 has not arrived" in faults(run)


def test_only_numbers_and_names_are_written_down(runs: Runs) -> None:
    run = runs.copied(script(30))
    run.verify()
    report = (run.context.run_dir / "verify.json").read_text()
    assert "raw.test" not in report and "Bergen" not in report
    (table,) = json.loads(report)["twins"][0]["tables"]
    assert (table["rows"], table["source_rows"], table["gathered"], table["missing"]) == (30, 30, 30, 0)


def test_the_ledger_holds_neither_a_value_nor_the_seed(runs: Runs) -> None:
    run = runs.copied(script(30))
    names = run.target.rows(
        run.next, "SELECT relname FROM pg_class WHERE relnamespace = 'appliance_ledger'::regnamespace"
    )
    assert {"done", "evidence"} <= {name for (name,) in names} and "seed" not in {name for (name,) in names}
    (dump,) = run.target.rows(
        run.next, "SELECT string_agg(e::text, ' ') FROM appliance_ledger.evidence AS e"
    )[0]
    assert "raw.test" not in dump and "Bergen" not in dump


def test_text_is_hashed_alike_in_two_encodings(source: Cluster) -> None:
    shown = hashed("v", tagged(1, 2, 3), NO_ROW, converted=True)
    hashes = set()
    for name, encoding in (("one_latin1", "LATIN1"), ("one_utf8", "UTF8")):
        source.create_database(name, f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        with source.connect(name, client_encoding="UTF8") as session:
            session.execute("SELECT set_config(%s, %s, false)", (SETTING, "5c" * 32))
            hashes.update(
                session.execute(f"SELECT {shown} FROM (VALUES ('Zoë Ñandú'::text)) AS t (v)".encode())
            )
        source.drop_database(name)
    message = bytes.fromhex("5c" * 32 + tagged(1, 2, 3)) + bytes(8) + "Zoë Ñandú".encode()
    assert hashes == {(hashlib.sha256(message).digest()[:8],)}
    assert encodings_differ("LATIN1", "UTF8")
    assert not encodings_differ("UTF8", "UTF8") and not encodings_differ("SQL_ASCII", "UTF8")
