"""Archives: whole for a stock pg_restore, of the chosen tables, and gone with a run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.exports.stored import Export, damage_of, list_exports
from appliance.postgres.exporting.archive import compression_of, dump_command
from appliance.postgres.plan import TableName
from appliance.system.postgres_programs import PgDump, find_pg_dump
from tests.engine.breakable_proxy import wait_until
from tests.engine.clusters import SUPERUSER, program
from tests.engine.scenario import CANARY, Scenario

DETAILS = """
CREATE SEQUENCE public.ticket START 100;
SELECT nextval('public.ticket') FROM generate_series(1, 5);
CREATE VIEW public.totals AS SELECT customer_id, sum(total) FROM public.invoice GROUP BY 1;
CREATE INDEX by_total ON public.invoice (total);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader;
"""


def deliver(scenario: Scenario, **files: Any) -> None:
    scenario.workflow["deliver"].append({"files": files})
    scenario.policy = {"destinations": ["files"]}


def exported(scenario: Scenario) -> Export:
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (export,) = list_exports(scenario.state / "exports")
    assert damage_of(export) == []
    return export


@contextmanager
def restored(scenario: Scenario, export: Export) -> Iterator[str]:
    """An empty database that the manifest's own line has filled."""
    (archive,) = [each for each in export.manifest.formats if each.format == "archive"]
    name = scenario.twin + "_restored"
    scenario.target.create_database(name)
    try:
        assert archive.restore is not None
        programs = Path(program(scenario.target.major, "pg_restore")).parent
        address = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": scenario.target.host,
            "PGPORT": str(scenario.target.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": scenario.target.passwords[SUPERUSER],
        }
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", archive.restore.replace("DATABASE", name)],
            cwd=export.folder,
            env={**os.environ, **address},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield name
    finally:
        scenario.target.drop_database(name)


@pytest.mark.parametrize("layout", ["file", "folder"])
def test_an_archive_restores_the_whole_twin_without_grants_and_without_what_is_ours(
    scenario: Scenario, layout: str
) -> None:
    scenario.source.sql(scenario.source_database, DETAILS)
    scenario.objects_at_first = scenario.source_objects()
    deliver(scenario, format="archive", layout=layout)
    deliver(scenario, format="csv", tables={"include": ["crm.*"]})
    export = exported(scenario)
    archive, csv = export.manifest.formats
    assert [table.table for table in csv.tables] == ["crm.customer"]
    assert {table.table: table.rows for table in archive.tables} == {
        "crm.customer": 300,
        "public.invoice": 3000,
    }
    assert archive.made_with == f"pg_dump {find_pg_dump(scenario.target.major * 10000).major}"
    names = [file.file for file in archive.files]
    assert names == ["archive.dump"] if layout == "file" else "archive/toc.dat" in names
    modes = {oct(path.stat().st_mode & 0o777) for path in export.folder.rglob("*") if path.is_file()}
    assert modes == {"0o600"}
    query = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM {} AS t"
    with restored(scenario, export) as name:
        for table in ("crm.customer", "public.invoice"):
            assert scenario.target.rows(name, query.format(table)) == scenario.twin_rows(query.format(table))
        assert scenario.target.value(name, "SELECT last_value FROM public.ticket") == 104
        assert scenario.target.value(name, "SELECT count(*) FROM public.totals") == 300
        assert scenario.target.value(name, "SELECT count(*) FROM public.audit_log") == 0
        assert scenario.target.value(name, "SELECT to_regclass('public.by_total') IS NOT NULL") is True
        assert scenario.target.value(name, "SELECT to_regnamespace('appliance_ledger') IS NULL") is True
        assert scenario.target.value(
            name, "SELECT bool_and(relacl IS NULL) FROM pg_class WHERE relname = 'invoice'"
        )
        assert CANARY not in str(scenario.target.rows(name, "SELECT * FROM crm.customer"))
    scenario.assert_nothing_left()


def test_an_archive_of_a_part_has_every_table_and_rows_of_the_chosen_ones(scenario: Scenario) -> None:
    deliver(scenario, format="archive", tables={"include": ["crm.*"]})
    export = exported(scenario)
    with restored(scenario, export) as name:
        assert scenario.target.value(name, "SELECT count(*) FROM crm.customer") == 300
        assert scenario.target.value(name, "SELECT count(*) FROM public.invoice") == 0


@pytest.mark.parametrize(
    ("include", "said", "also"),
    [
        ("public.invoice", "The archive could not be restored", "public.invoice refers to crm.customer."),
        ("public.nowhere", "The archive delivery would hold no table", "deliver[1].files.tables"),
    ],
)
def test_a_part_that_cannot_be_delivered_is_refused_before_a_row_is_read(
    scenario: Scenario, include: str, said: str, also: str
) -> None:
    deliver(scenario, format="archive", tables={"include": [include]})
    ended = scenario.run()
    assert ended.code == 2, ended.text
    assert said in ended.err
    assert also in ended.err
    assert scenario.twin not in scenario.target.databases()


def without_twin(scenario: Scenario, *formats: str) -> None:
    scenario.connections["scratch"] = scenario.connections.pop("staging")
    scenario.workflow["deliver"] = [{"files": {"format": each}} for each in formats]
    scenario.workflow["deliver"][0]["files"]["build_in"] = "scratch"
    scenario.policy = {"destinations": ["files"], "read": ["production"], "write": ["scratch"]}


def databases(scenario: Scenario) -> set[str]:
    return {name for name in scenario.target.databases() if name.startswith(scenario.twin)}


def test_files_without_a_twin_leave_no_database_and_touch_none(scenario: Scenario) -> None:
    scenario.target.create_database(scenario.twin)
    scenario.target.sql(scenario.twin, "CREATE TABLE public.of_somebody (id int)")
    without_twin(scenario, "csv", "archive", "parquet")
    planned = scenario.run("plan")
    assert planned.code == 0, planned.text
    assert f"It builds '{scenario.twin}-staging-twin__files' on scratch, and drops it again." in planned.out
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    (export,) = list_exports(scenario.state / "exports")
    assert damage_of(export) == []
    assert export.manifest.shown_formats == "csv, archive, parquet"
    assert export.manifest.rows == 3300
    assert databases(scenario) == {scenario.twin}
    assert scenario.twin_rows("SELECT count(*) FROM public.of_somebody") == [(0,)]
    with restored(scenario, export) as name:
        assert scenario.target.value(name, "SELECT count(*) FROM public.invoice") == 3000


def test_policy_allows_where_it_is_built_as_well_as_the_files(scenario: Scenario) -> None:
    without_twin(scenario, "csv")
    scenario.policy = {"destinations": ["files"], "read": ["production"], "write": ["elsewhere"]}
    ended = scenario.run()
    assert ended.code == 3
    assert "The connection `scratch` may not be written to." in ended.err


def with_a_big_table(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE TABLE public.event (id int PRIMARY KEY, filler text); INSERT INTO public.event"
        " SELECT i, (SELECT string_agg(md5((i * 100 + j)::text), '') FROM generate_series(1, 40) AS j)"
        " FROM generate_series(1, 20000) AS i; GRANT SELECT ON public.event TO reader",
    )
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["keep"].append("public.event.*")


def processes_that_write(folder: Path) -> list[int]:
    """pg_dump processes of that export."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"pg_dump" in line and str(folder).encode() in line:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_ends_while_pg_dump_writes_leaves_no_process_file_or_database(
    scenario: Scenario, how: signal.Signals
) -> None:
    with_a_big_table(scenario)
    without_twin(scenario, "archive")
    exports = scenario.state / "exports"
    process = scenario.start()
    wait_until(lambda: bool(processes_that_write(exports)))
    process.send_signal(how)
    process.communicate()
    wait_until(lambda: not processes_that_write(exports))
    wait_until(lambda: not list(exports.rglob("archive.dump")))
    assert list_exports(exports) == []
    if how is signal.SIGTERM:
        # A run that is asked to stop has the time to tidy up; what is left otherwise, the next run drops.
        assert databases(scenario) == set()
    wait_until(lambda: not scenario.target.sessions("staging-twin"))
    # The size was for pg_dump to be met at work.
    scenario.source.sql(scenario.source_database, "DELETE FROM public.event WHERE id > 200")
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (export,) = list_exports(exports)
    assert {table.table: table.rows for table in export.manifest.tables}["public.event"] == 200
    assert databases(scenario) == set()


def test_files_that_cannot_be_written_leave_no_database_that_was_built_for_them(
    scenario: Scenario, tmp_path: Path
) -> None:
    with_a_big_table(scenario)
    without_twin(scenario, "archive")
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tiny], check=True)
    try:
        ended = scenario.run("run", "--exports-dir", str(tiny))
        assert ended.code == 1
        assert "The files could not be written." in ended.err
        assert "No space left on device" in ended.err
        assert [path for path in tiny.rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", "--lazy", tiny], check=True)
    assert databases(scenario) == set()


def test_the_command_line_names_tables_literally_and_holds_no_secret(tmp_path: Path) -> None:
    odd = TableName(schema_name='a"b', name="x*?.y")
    command = dump_command(
        PgDump(Path("/bin/pg_dump"), 17),
        tmp_path,
        database="next db",
        layout="folder",
        compression="zstd",
        snapshot="00000003-1",
        without_rows=[odd],
        jobs=3,
    )
    assert '--exclude-table-data="a""b"."x*?.y"' in command
    assert "--dbname=dbname='next db'" in command
    assert {"--no-owner", "--no-privileges", "--format=directory", "--jobs=3", "--compress=zstd"} <= set(
        command
    )


def test_zstd_is_asked_for_where_pg_dump_has_it(tmp_path: Path) -> None:
    for said, expected in (
        ("this build does not support compression with zstd", "gzip"),
        ("no server", "zstd"),
    ):
        fake = tmp_path / expected
        fake.write_text(f"#!/bin/sh\necho 'pg_dump: error: {said}' >&2; exit 1\n")
        fake.chmod(0o755)
        assert compression_of(PgDump(fake, 17)) == expected
        assert compression_of(PgDump(fake, 15)) == "gzip"
