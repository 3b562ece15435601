"""Files beside a twin: what was verified, whole, and nothing of a run that failed."""

from __future__ import annotations

import csv
import gzip
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.exports.stored import Export, damage_of, list_exports
from tests.engine.breakable_proxy import breakable_proxy, wait_until
from tests.engine.scenario import CANARY, Scenario

ODD = Path(__file__).with_name("odd_rows.sql")
EVENTS = 100_000


def deliver_files(scenario: Scenario, form: str) -> None:
    """Files beside the twin, which the policy allows."""
    scenario.workflow["deliver"].append({"files": {"format": form}})
    scenario.policy = {"destinations": ["files"]}


def with_odd_tables(scenario: Scenario) -> None:
    for statement in ODD.read_text(encoding="utf-8").split(";\n")[:-1]:
        scenario.source.sql(scenario.source_database, statement)
    scenario.objects_at_first = scenario.source_objects()
    for table in ("odd.name/ü", "part*", "parent", "child", "nothing", "t"):
        scenario.workflow["keep"].append(f'public."{table}".*' if "." in table else f"public.{table}.*")


def only_export(folder: Path) -> Export:
    (export,) = list_exports(folder)
    assert damage_of(export) == []
    return export


def csv_rows(export: Export, file: str) -> list[dict[str, str]]:
    with gzip.open(export.folder / file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def json_rows(export: Export, file: str) -> list[dict[str, Any]]:
    with gzip.open(export.folder / file, "rt", encoding="utf-8", newline="\n") as text:
        return [json.loads(line) for line in text]


def test_csv_holds_what_the_twin_holds_with_every_awkward_value(scenario: Scenario) -> None:
    with_odd_tables(scenario)
    deliver_files(scenario, "csv")
    ended = scenario.run()
    assert ended.code == 0, ended.text
    export = only_export(scenario.state / "exports")
    assert "Files: 8 tables, 3,397 rows, " in ended.out
    assert str(export.folder) in ended.out
    rows = {file.table: (file.file, file.rows) for file in export.manifest.files}
    assert rows == {
        "crm.customer": ("crm.customer.csv.gz", 300),
        "public.child": ("public.child.csv.gz", 1),
        "public.invoice": ("public.invoice.csv.gz", 3000),
        "public.nothing": ("public.nothing.csv.gz", 0),
        "public.odd.name/ü": ("public.odd%2Ename%2Fü.csv.gz", 4),
        "public.parent": ("public.parent.csv.gz", 1),
        "public.part": ("public.part.csv.gz", 90),
        "public.t": ("public.t.csv.gz", 1),
    }
    customers = csv_rows(export, "crm.customer.csv.gz")
    twin = scenario.twin_rows("SELECT id::text, email, full_name FROM crm.customer AS c ORDER BY c.id")
    found = sorted(customers, key=lambda row: int(row["id"]))
    assert [(row["id"], row["email"], row["full_name"]) for row in found] == twin
    assert CANARY not in str(customers)
    # A table loaded back from its file is the table.
    scenario.target.sql(scenario.twin, 'CREATE TABLE public.again (LIKE public."odd.name/ü")')
    with scenario.target.connect(scenario.twin) as session:
        with session.cursor().copy("COPY public.again FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(gzip.decompress((export.folder / "public.odd%2Ename%2Fü.csv.gz").read_bytes()))
        assert session.execute(
            "SELECT count(*) FROM (SELECT * FROM public.again) AS a"
            ' FULL JOIN public."odd.name/ü" AS o ON a.id = o.id WHERE a::text IS DISTINCT FROM o::text'
        ).fetchone() == (0,)
    assert csv_rows(export, "public.nothing.csv.gz") == []
    scenario.assert_nothing_left()


def test_json_lines_are_one_object_a_row_with_every_awkward_value(scenario: Scenario) -> None:
    with_odd_tables(scenario)
    deliver_files(scenario, "jsonl")
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    export = only_export(scenario.state / "exports")
    assert ended.lines[-1]["export"] == str(export.folder)
    rows = sorted(json_rows(export, "public.odd%2Ename%2Fü.jsonl.gz"), key=lambda row: row["id"])
    assert rows[0] == {
        "id": 1,
        'say "what"': 'back\\slash, "quoted"\nnew line\ttab \x01\x02',
        "doc": {"a": "x\ny", "b": [1]},
        "docb": {"k": None},
        "tags": ["a,b", 'c"d'],
        "raw": "\\x00ff",
        "n": "NaN",
        "f": "Infinity",
        "at": "2026-01-02T03:04:05.678+00:00",
        "twice": 2,
    }
    assert rows[1]["doc"] is None
    assert rows[1]['say "what"'] == ""
    assert rows[2]['say "what"'] is None
    assert rows[3]['say "what"'] == "\\."
    assert len(json_rows(export, "public.part.jsonl.gz")) == 90
    assert [row["id"] for row in json_rows(export, "public.parent.jsonl.gz")] == [1]
    assert json_rows(export, "public.t.jsonl.gz") == [{"t": "12:00:00", "r": "2026-01-02", "x": 3}]
    assert CANARY not in str(json_rows(export, "crm.customer.jsonl.gz"))


def test_only_their_owner_may_read_them_and_they_go_where_they_are_asked_to(
    scenario: Scenario, tmp_path: Path
) -> None:
    deliver_files(scenario, "csv")
    ended = scenario.run("run", "--exports-dir", str(tmp_path / "elsewhere"))
    assert ended.code == 0, ended.text
    export = only_export(tmp_path / "elsewhere")
    assert export.folder == tmp_path / "elsewhere" / "staging-twin" / export.manifest.run
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in export.folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(export.folder.stat().st_mode) == 0o700
    assert not (scenario.state / "exports").exists()


def test_without_a_word_of_the_policy_no_file_is_written(scenario: Scenario) -> None:
    deliver_files(scenario, "csv")
    scenario.policy = {"destinations": []}
    ended = scenario.run()
    assert ended.code == 3
    assert "Files may not be exported here" in ended.err
    assert "policy rule destinations" in ended.err
    assert not (scenario.state / "exports").exists()


def with_a_big_table(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE TABLE public.event (id int PRIMARY KEY, filler text);"
        " INSERT INTO public.event"
        f" SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, {EVENTS}) AS i;"
        " GRANT SELECT ON public.event TO reader",
    )
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["keep"].append("public.event.*")


def writing(exports: Path) -> bool:
    """Some of the big table's file is there."""
    return any(path.stat().st_size for path in exports.glob("*/.*/public.event.*"))


def test_a_run_that_is_killed_while_it_writes_files_leaves_the_former_twin_and_nothing_to_list(
    scenario: Scenario,
) -> None:
    scenario.publish_first_twin()
    with_a_big_table(scenario)
    deliver_files(scenario, "jsonl")
    exports = scenario.state / "exports"
    process = scenario.start()
    wait_until(lambda: writing(exports))
    process.kill()
    process.communicate()
    assert list_exports(exports) == []
    assert scenario.twin_is_the_former()
    # Its step notices, cancels its query, and takes its half of a file with it.
    wait_until(lambda: not scenario.target.sessions("staging-twin") and not writing(exports))
    scenario.workflow["limits"]["retries"] = 1
    with breakable_proxy(scenario.target.port) as proxy:
        scenario.connections["staging"]["port"] = proxy.port
        process = scenario.start()
        wait_until(lambda: writing(exports))
        proxy.cut()
        ended = scenario.finish(process)
    assert ended.code == 0, ended.text
    assert "A table could not be exported." in ended.text
    assert "Trying again" in ended.text
    assert not scenario.twin_is_the_former()
    export = only_export(exports)
    assert {table.table: table.rows for table in export.manifest.tables}["public.event"] == EVENTS


def test_files_of_a_run_whose_twin_cannot_be_swapped_in_are_not_delivered(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    deliver_files(scenario, "csv")
    scenario.target.role("holder")
    scenario.target.sql(scenario.twin, "GRANT CONNECT ON DATABASE " + scenario.twin + " TO holder")
    with scenario.target.connect(scenario.twin, "holder"):
        ended = scenario.run()
    assert ended.code == 1, ended.text
    assert scenario.twin_is_the_former()
    assert list_exports(scenario.state / "exports") == []
    assert not list((scenario.state / "exports").glob("*/.*"))
    scenario.target.drop_database(scenario.twin + "__next")
    scenario.target.sql("postgres", f"REVOKE ALL ON DATABASE {scenario.twin} FROM holder; DROP ROLE holder")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_full_fails_the_run_and_leaves_the_former_twin_and_no_file(
    scenario: Scenario, tiny_disk: Path
) -> None:
    scenario.publish_first_twin()
    deliver_files(scenario, "csv")
    ended = scenario.run("run", "--exports-dir", str(tiny_disk))
    assert ended.code == 1
    assert "The files could not be written." in ended.err
    assert "No space left on device" in ended.err
    assert scenario.twin_is_the_former()
    assert [path for path in tiny_disk.rglob("*") if path.is_file()] == []
