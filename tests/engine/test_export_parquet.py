"""Parquet as an analyst reads it: with DuckDB and pyarrow, against what the twin holds."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from appliance.exports.stored import Export, damage_of, list_exports
from tests.engine.scenario import CANARY, Scenario

TYPES = Path(__file__).with_name("typed_rows.sql")
READ_BY_DUCKDB = {
    "id": "BIGINT",
    "small": "SMALLINT",
    "real_": "FLOAT",
    "double_": "DOUBLE",
    "yes": "BOOLEAN",
    "price": "DECIMAL(10,2)",
    "loose": "DECIMAL(38,3)",
    "huge": "VARCHAR",
    "hollow": "VARCHAR",
    "in_domain": "DECIMAL(6,1)",
    "blanks": "VARCHAR",
    "mood": "VARCHAR",
    "uid": "VARCHAR",
    "doc": "VARCHAR",
    "raw": "BLOB",
    "day": "DATE",
    "at": "TIMESTAMP WITH TIME ZONE",
    "local_at": "TIMESTAMP",
    "endless": "VARCHAR",
    "clock": "TIME",
    "late_clock": "VARCHAR",
    "span": "VARCHAR",
    "net": "VARCHAR",
    "range_": "VARCHAR",
    "pair": "VARCHAR",
    "ints": "INTEGER[]",
    "texts": "VARCHAR[]",
    "prices": "DECIMAL(6,2)[]",
    "moods": "VARCHAR[]",
    "times": "TIMESTAMP WITH TIME ZONE[]",
    "in_domains": "DECIMAL(6,1)[]",
    "grid": "VARCHAR",
    "object_id": "BIGINT",
}


def parquet(scenario: Scenario, **options: Any) -> Export:
    """The export of a run that delivers Parquet."""
    scenario.workflow["deliver"].append({"files": {"format": "parquet", **options}})
    scenario.policy = {"destinations": ["files"]}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (export,) = list_exports(scenario.state / "exports")
    assert damage_of(export) == []
    return export


def add(scenario: Scenario, script: str, *keep: str) -> None:
    scenario.source.sql(scenario.source_database, script)
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["keep"] += keep


def ask(export: Export, query: str, **files: str) -> list[tuple[Any, ...]]:
    """What DuckDB says; ``{name}`` in the query is a file."""
    named = {name: f"'{export.folder / file}'" for name, file in files.items()}
    return duckdb.sql("SET TimeZone = 'UTC'; " + query.format(**named)).fetchall()


def test_every_type_is_what_an_analyst_expects_and_no_value_is_lost(scenario: Scenario) -> None:
    add(scenario, TYPES.read_text(encoding="utf-8"), "public.typed.*")
    export = parquet(scenario)
    described = ask(export, "DESCRIBE SELECT * FROM {typed}", typed="public.typed.parquet")
    assert {row[0]: row[1] for row in described} == READ_BY_DUCKDB
    table = pq.read_table(export.folder / "public.typed.parquet")
    assert str(table.schema.field("mood").type) == "dictionary<values=string, indices=int32, ordered=0>"
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    (manifest,) = [each for each in export.manifest.tables if each.table == "public.typed"]
    assert manifest.columns == tuple(READ_BY_DUCKDB)
    shown = dict(zip(manifest.columns, manifest.types, strict=True))
    assert (shown["loose"], shown["prices"], shown["mood"]) == (
        "decimal(38,3)",
        "list of decimal(6,2)",
        "dictionary of text",
    )
    first, second, nothing = sorted(table.to_pylist(), key=lambda row: row["id"])
    expected = {
        "id": 1,
        "price": Decimal("12345678.90"),
        "loose": Decimal("-1.125"),
        "huge": "1" + "0" * 40,
        "hollow": "NaN",
        "in_domain": Decimal("5.5"),
        "blanks": "ab   ",
        "mood": 'so-so, "quoted"',
        "uid": "00000000-0000-0000-0000-0000000000ff",
        "doc": '{"a": [1, null]}',
        "raw": b"\x00\xff",
        "day": datetime.date(2024, 2, 29),
        "at": datetime.datetime(2024, 2, 29, 22, 30, 0, 123456, tzinfo=datetime.UTC),
        "local_at": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
        "endless": "infinity",
        "clock": datetime.time(23, 59, 59, 999999),
        "late_clock": "24:00:00",
        "span": "1 mon -1 days +02:00:00",
        "net": "10.0.0.0/8",
        "range_": "[1,5)",
        "pair": '(1,"a b")',
        "ints": [1, None, -3],
        "texts": ["", None, 'a,"b"', "NULL"],
        "prices": [Decimal("1.50"), None],
        "moods": ["good", 'so-so, "quoted"'],
        "times": [datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)],
        "in_domains": [Decimal("0.5")],
        "grid": "{{1,2},{3,4}}",
        "object_id": 4294967295,
    }
    assert {name: first[name] for name in expected} == expected
    assert (second["texts"], second["ints"], second["blanks"]) == ([], [], "     ")
    assert set(nothing.values()) == {3, None}
    customers = ask(export, "SELECT id, email FROM {c} ORDER BY id", c="crm.customer.parquet")
    assert customers == scenario.twin_rows("SELECT id, email FROM crm.customer ORDER BY id")
    assert CANARY not in str(ask(export, "SELECT * FROM {c}", c="crm.customer.parquet"))
    scenario.assert_nothing_left()


def test_a_big_table_is_several_files_that_are_one_table(scenario: Scenario) -> None:
    add(
        scenario,
        "CREATE TABLE public.event (id int, kind text, wide text) PARTITION BY HASH (id);"
        " CREATE TABLE public.event_0 PARTITION OF public.event FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        " CREATE TABLE public.event_1 PARTITION OF public.event FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        " CREATE TABLE public.nothing (id int, n numeric); CREATE TABLE public.bare ();"
        " INSERT INTO public.event SELECT i, 'k' || i % 7,"
        " CASE WHEN i > 24000 THEN repeat(md5(i::text), 2000) END FROM generate_series(1, 25000) AS i;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        "public.event*.*",
        "public.nothing.*",
    )
    export = parquet(
        scenario, rows_per_file=10_000, tables={"include": ["public.*"], "exclude": ["public.invoice"]}
    )
    files = [file for file in export.manifest.files if file.table == "public.event"]
    assert [file.file for file in files][:2] == ["public.event.0001.parquet", "public.event.0002.parquet"]
    assert sum(file.rows or 0 for file in files) == 25_000
    assert max(file.rows or 0 for file in files) == 10_000
    query = "SELECT count(*), count(DISTINCT id), sum(length(wide)) FROM {e}"
    assert ask(export, query, e="public.event.*.parquet") == [(25_000, 25_000, 1000 * 64_000)]
    assert ask(export, "SELECT * FROM {n}", n="public.nothing.parquet") == []
    names = {table.table: table.rows for table in export.manifest.tables}
    assert names == {"public.event": 25_000, "public.nothing": 0, "public.bare": 0}
    assert not list(export.folder.glob("public.bare*"))


def test_without_its_libraries_nothing_is_read(scenario: Scenario) -> None:
    hide = scenario.folder / "hidden" / "arro3"
    hide.mkdir(parents=True)
    (hide / "__init__.py").write_text("raise ImportError('not here')")
    scenario.environment_changes["PYTHONPATH"] = str(hide.parent)
    scenario.workflow["deliver"].append({"files": {"format": "parquet"}})
    scenario.policy = {"destinations": ["files"]}
    ended = scenario.run()
    assert ended.code == 2, ended.text
    assert "The libraries that write Parquet files are not installed." in ended.err
    assert "requirements/parquet.txt" in ended.err
    assert not scenario.target.sessions()
