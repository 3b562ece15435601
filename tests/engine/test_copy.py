"""Copying: every value arrives as it was or masked, once, whatever breaks in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from appliance.contract.step_messages import Progress, Result, parse_message
from appliance.errors import ApplianceError, WorkFailedError
from appliance.masking.compiler import compile_column
from appliance.postgres.copying import ledger
from appliance.postgres.errors import retry_can_help
from appliance.postgres.plan import CopyItem, PlannedTable, TableName
from appliance.steps.calling.call import to_arguments
from appliance.workflow.document import MaskSpec
from tests.engine.breakable_proxy import breakable_proxy, wait_until
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.locking import MakeRig
from tests.engine.source_session import catalog_of, column_of, kept, table_of

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'glücklich');
CREATE TYPE pair AS (a int, b mood);
CREATE DOMAIN email AS text CHECK (value LIKE '%@%');
CREATE TABLE "Größe & Co" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "Näme" text, flag boolean, small smallint, num numeric, price money, f4 real, f8 double precision,
    day date, at timestamptz, local timestamp, clock time, span interval, doc jsonb, raw bytea, uid uuid,
    tags text[], grid int[][], during tstzrange, address inet, bits bit varying(9), mail email, feeling mood,
    doubled bigint GENERATED ALWAYS AS (small * 2) STORED
);
CREATE TABLE awkward (a pair, b mood[], c regclass);
CREATE TABLE nothing ();
"""
ROWS = """
INSERT INTO "Größe & Co" ("Näme", flag, small, num, price, f4, f8, day, at, local, clock, span, doc, raw, uid,
    tags, grid, during, address, bits, mail, feeling)
VALUES ('Ærøskøbing ☃ tab' || chr(9) || ' line' || chr(10) || ' \\ "quoted"', true, -3,
    12345678901234567890.123456789, '12.34', 1.1, 0.1, '0044-03-15 BC', 'infinity',
    '2024-02-29 23:59:59.999999', '24:00', '-1 mon +3 days',
    '{"a": [1, null, "é"]}', '\\x00ff10', gen_random_uuid(), ARRAY['a', NULL, '{b}'], '{{1,2},{3,4}}',
    '[2024-01-01,)', '10.0.0.0/8', B'101', 'a@b', 'glücklich'),
    (NULL, NULL, NULL, 'NaN', NULL, 'Infinity', '-0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO awkward VALUES (ROW(1, 'sad'), ARRAY['sad', NULL]::mood[], 'pg_class'), (NULL, NULL, NULL);
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
"""


def big_table(source: Cluster, database: str, rows: int = 200_000) -> PlannedTable:
    source.sql(
        database,
        "CREATE TABLE big (id int PRIMARY KEY, filler text);"
        f"INSERT INTO big SELECT i, repeat('x', 100) FROM generate_series(1, {rows}) AS i; ANALYZE big",
    )
    return kept(table_of(catalog_of(source, database), "public.big"))


BIG = "CREATE TABLE big (id int, filler text)"


def test_every_type_arrives_as_it_was(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, TYPES)
    source.sql(source_database, ROWS)
    catalog = catalog_of(source, source_database)
    tables = [kept(table) for table in catalog.tables]
    assert {table.name: table.format for table in tables} == {
        "Größe & Co": "binary",
        "awkward": "text",
        "nothing": "binary",
    }
    rig = make_rig(tables)
    rig.prepare(TYPES)
    assert rig.copy().rows == 6
    for name in ('"Größe & Co"', "awkward"):
        query = f"SELECT t::text FROM {name} AS t ORDER BY 1"
        assert target.rows(rig.next, query) == source.rows(source_database, query)
    assert target.value(rig.next, "SELECT count(*) FROM nothing") == 2
    assert target.value(rig.next, 'SELECT max(doubled) FROM "Größe & Co"') == -6


def test_values_are_masked_before_they_leave_the_source(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE person (id int, email text);"
        "INSERT INTO person SELECT i, 'real' || i || '@corp.example' FROM generate_series(1, 500) AS i",
    )
    table = table_of(catalog_of(source, source_database), "public.person")
    email = compile_column(table, column_of(table, "email"), MaskSpec(mask="email"))
    planned = kept(table)
    rig = make_rig([planned.model_copy(update={"columns": (planned.columns[0], email)})])
    rig.prepare("CREATE TABLE person (id int, email text)")
    rig.copy()
    masked = target.rows(rig.next, "SELECT DISTINCT email FROM person")
    assert len(masked) == 500
    assert not any("real" in value or "corp" in value for (value,) in masked)


def test_a_table_cut_by_pages_arrives_whole(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    table = big_table(source, source_database)
    cuts = [None, 100, 101, 2000, None]
    items = [
        [CopyItem(table=0, part=part, parts=4, first_page=first, end_page=end)]
        for part, (first, end) in enumerate(pairwise(cuts))
    ]
    rig = make_rig([table], items=items)
    rig.prepare(BIG)
    rows = [rig.copy(shard).rows for shard in range(4)]
    assert sum(rows) == 200_000
    assert all(rows)
    assert target.rows(rig.next, "SELECT count(*), count(DISTINCT id), sum(id) FROM big") == [
        (200_000, 200_000, 200_000 * 200_001 // 2)
    ]


def test_rows_and_children_that_come_later_are_not_seen(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);"
        "INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (3)",
    )
    catalog = catalog_of(source, source_database)
    rig = make_rig([kept(table_of(catalog, "public.parent"), where_sql="t.id <> 2")])
    rig.prepare("CREATE TABLE parent (id int)")
    source.sql(source_database, "INSERT INTO parent VALUES (4)")
    rig.copy()
    assert target.rows(rig.next, "SELECT id FROM parent") == [(1,)]


def test_rows_find_their_partition_where_a_mask_moves_them(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    parted = (
        "CREATE TABLE event (id int, at date) PARTITION BY RANGE (at);"
        "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');"
        "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2024-07-01') TO ('2025-01-01')"
    )
    source.sql(source_database, parted)
    source.sql(source_database, "INSERT INTO event VALUES (1, '2024-02-01')")
    leaf = kept(table_of(catalog_of(source, source_database), "public.event_1"))
    moved = leaf.columns[1].model_copy(update={"sql": "(at + 200)::date", "mask": "date_shift"})
    root = TableName(schema_name="public", name="event")
    rig = make_rig([leaf.model_copy(update={"columns": (leaf.columns[0], moved), "load_into": root})])
    rig.prepare(parted)
    rig.copy()
    assert target.rows(rig.next, "SELECT tableoid::regclass::text, id FROM event") == [("event_2", 1)]


def test_a_shard_that_is_tried_again_copies_nothing_twice(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database, 1000)])
    rig.prepare(BIG)
    first = rig.copy()
    again = rig.copy()
    assert (first.rows, first.skipped) == (1000, 0)
    assert (again.rows, again.skipped, again.bytes) == (1000, 1, first.bytes)
    assert target.value(rig.next, "SELECT count(*) FROM big") == 1000
    with target.connect(rig.next) as connection:
        assert ledger.arrived(connection) == {"0/0": (1000, first.bytes)}


def test_two_attempts_at_the_same_time_copy_once(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database)])
    rig.prepare(BIG)
    results = []
    threads = [threading.Thread(target=lambda: results.append(rig.copy())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert sorted(result.skipped for result in results) == [0, 1]
    assert [result.rows for result in results] == [200_000, 200_000]
    assert target.value(rig.next, "SELECT count(*) FROM big") == 200_000


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_connection_that_dies_in_the_middle_is_rolled_back_and_worth_another_try(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str, side: str
) -> None:
    table = big_table(source, source_database)
    broken = source if side == "source" else target
    with breakable_proxy(broken.port) as proxy:
        rig = make_rig([table], **{f"{side}_changes": {"port": proxy.port}})
        rig.prepare(BIG)
        proxy.cut_after(5_000_000)
        with pytest.raises(ApplianceError) as caught:
            rig.copy()
        assert proxy.cuts == 1
        assert isinstance(caught.value, WorkFailedError)
        assert retry_can_help(caught.value)
        assert "public.big" in caught.value.what
        wait_until(lambda: target.value(rig.next, "SELECT count(*) FROM big") == 0)
        wait_until(lambda: not target.sessions("rig-"))
        wait_until(lambda: not source.sessions("rig-"))
        if side == "target":
            assert rig.copy().rows == 200_000
            assert target.value(rig.next, "SELECT count(*) FROM big") == 200_000


def test_a_snapshot_whose_keeper_died_is_said_to_be_gone(
    make_rig: MakeRig, source: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database, 10)])
    rig.prepare(BIG)
    rig.close()
    with pytest.raises(WorkFailedError, match="The run's snapshot is gone") as caught:
        rig.copy()
    assert not retry_can_help(caught.value)


def test_progress_is_told_now_and_then_and_at_the_end(
    make_rig: MakeRig, source: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database)])
    rig.prepare(BIG)
    result = rig.copy()
    progress = [message for message in rig.messages if isinstance(message, Progress)]
    assert progress[-1].done
    assert progress[-1].rows == progress[-1].rows_expected == 200_000
    assert progress[-1].bytes == result.bytes > 20_000_000
    assert [message.rows for message in progress] == sorted(message.rows for message in progress)


def test_an_error_in_a_row_shows_neither_the_row_nor_the_servers_words(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, "CREATE TABLE t (v text); INSERT INTO t VALUES ('canary-7c1e')")
    rig = make_rig([kept(table_of(catalog_of(source, source_database), "public.t"))])
    rig.prepare("CREATE TABLE t (v text CHECK (v <> 'canary-7c1e'))")
    with pytest.raises(WorkFailedError) as caught:
        rig.copy()
    assert "canary" not in caught.value.text()
    assert caught.value.sqlstate == "23514"
    assert "public.t" in caught.value.text()


MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.stdout.splitlines()[-1])
"""
"""Runs a command and measures it. The kernel counts the peak of the process that a program was forked from
as the program's own, and these tests, once they have run for a while, are large."""


def peak_memory_mib(rig: EngineRun) -> float:
    """Run the step as a container does, as a program, and measure it."""
    step = rig.step("copy", shard=0)
    arguments = [sys.executable, "-m", "appliance.steps", *to_arguments(step.call, step.paths)]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    kib, last = measured.stdout.split(" ", 1)
    assert isinstance(parse_message(last), Result)
    return int(kib) / 1024


def test_memory_does_not_grow_with_the_table(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    small = big_table(source, source_database, 20_000)
    rig = make_rig([small])
    rig.prepare(BIG)
    little = peak_memory_mib(rig)
    rig.close()
    target.drop_database(rig.next)
    source.sql(
        source_database, "INSERT INTO big SELECT i, repeat('x', 600) FROM generate_series(20001, 400000) AS i"
    )
    rig = make_rig([small])
    rig.prepare(BIG)
    assert peak_memory_mib(rig) < little + 10
    assert little < 150
    assert target.value(rig.next, "SELECT count(*) FROM big") == 400_000
