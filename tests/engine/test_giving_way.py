"""Who changes a table that a run reads gets their lock, and the run goes on, or ends with a clear word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedError, WorkFailedForGoodError
from appliance.masking.compiled import SubjectLookup
from appliance.postgres.errors import retry_can_help
from appliance.postgres.source.lock_watch import LockWatch
from appliance.steps.copy import CopyResult
from appliance.steps.source.reading import read_source
from tests.engine.clusters import Cluster, start_standby
from tests.engine.engine_run import EngineRun
from tests.engine.locking import (
    BIG,
    SLOW,
    InBackground,
    MakeRig,
    big_table,
    is_reading,
    small_table,
    wait_until,
)
from tests.engine.scenario import Scenario


def test_an_alter_table_in_the_middle_of_a_copy_gets_its_lock_and_no_row_is_missing(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database)], limits=SLOW)
    rig.prepare(BIG)
    copying = InBackground(rig.copy)
    wait_until(lambda: is_reading(source, source_database, "big"))
    altering = InBackground(lambda: source.sql(source_database, "ALTER TABLE big ADD COLUMN late int"))
    assert source.value(source_database, "SELECT count(*) FROM big") == 40_000
    altering.result()
    result: CopyResult = copying.result()
    assert any("waited on the source for public.big" in text for text in rig.notices)
    assert result.rows == 40_000
    assert target.rows(rig.next, "SELECT count(*), count(DISTINCT id) FROM big") == [(40_000, 40_000)]
    assert source.sessions("rig-") == []


def test_tables_that_were_copied_are_not_held_while_others_are(
    make_rig: MakeRig, source: Cluster, source_database: str
) -> None:
    done = small_table(source, source_database, "done")
    rig = make_rig([done, big_table(source, source_database)], limits=SLOW)
    rig.prepare(BIG + "; CREATE TABLE done (id int, a text, b text)")
    copying = InBackground(rig.copy)
    wait_until(lambda: is_reading(source, source_database, "big"))
    source.sql(source_database, "TRUNCATE done")
    assert copying.result().rows == 40_009
    assert rig.notices == []


@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE thing",
        "VACUUM FULL thing",
        "ALTER TABLE thing ALTER COLUMN id TYPE bigint",
        "ALTER TABLE thing RENAME COLUMN a TO c; ALTER TABLE thing RENAME COLUMN b TO a;"
        " ALTER TABLE thing RENAME COLUMN c TO b",
        "ALTER TABLE thing DROP COLUMN a; ALTER TABLE thing ADD COLUMN a text",
        "ALTER TABLE thing RENAME TO old; CREATE TABLE thing (LIKE old)",
        "DROP TABLE thing; CREATE TABLE thing (id int PRIMARY KEY, a text, b text)",
        "DROP TABLE thing",
        "ALTER TABLE thing RENAME TO aside",
        "CREATE SCHEMA elsewhere; ALTER TABLE thing SET SCHEMA elsewhere",
    ],
)
def test_a_table_that_the_snapshot_does_not_fit_any_more_ends_the_run(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str, change: str
) -> None:
    rig = make_rig([small_table(source, source_database, "thing")])
    rig.prepare("CREATE TABLE thing (id int, a text, b text)")
    with source.connect(source_database) as other:
        for statement in change.split("; "):
            other.execute(statement.encode())
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot does not fit public\.thing") as caught:
        rig.copy()
    assert not retry_can_help(caught.value)
    assert target.value(rig.next, "SELECT count(*) FROM thing") == 0
    assert target.value(rig.next, "SELECT count(*) FROM appliance_ledger.done") == 0


def test_a_filter_that_reads_an_emptied_table_ends_the_run(
    make_rig: MakeRig, source: Cluster, source_database: str
) -> None:
    small_table(source, source_database, "parent")
    child = small_table(
        source, source_database, "child", "EXISTS (SELECT FROM public.parent AS p WHERE p.id = t.id)"
    )
    rig = make_rig([child])
    rig.prepare("CREATE TABLE child (id int, a text, b text)")
    source.sql(source_database, "TRUNCATE parent")
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot does not fit public\.parent"):
        rig.copy()


def test_people_looked_up_in_an_emptied_table_end_the_run(
    make_rig: MakeRig, source: Cluster, source_database: str
) -> None:
    small_table(source, source_database, "parent")
    child = small_table(source, source_database, "child")
    lookup = SubjectLookup(
        name="appliance_subject",
        relation="(SELECT int8send(id) AS appliance_subject, a AS appliance_known FROM public.parent) AS p",
        condition='appliance_known = "a"',
        table=("public", "parent"),
        by="a",
    )
    first, *others = child.columns
    linked = (first.model_copy(update={"lookups": (lookup,)}), *others)
    rig = make_rig([child.model_copy(update={"columns": linked})])
    rig.prepare("CREATE TABLE child (id int, a text, b text)")
    source.sql(source_database, "TRUNCATE parent")
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot does not fit public\.parent"):
        rig.copy()


@pytest.mark.parametrize(
    "partition", ["DETACH PARTITION part_1", "DETACH PARTITION part_1; DROP TABLE part_1"]
)
def test_a_filter_that_reads_a_table_without_a_partition_it_had_ends_the_run(
    make_rig: MakeRig, source: Cluster, source_database: str, partition: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE part (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part DEFAULT;"
        "INSERT INTO part SELECT generate_series(1, 9)",
    )
    child = small_table(source, source_database, "child", "t.id IN (SELECT p.id FROM public.part AS p)")
    rig = make_rig([child])
    rig.prepare("CREATE TABLE child (id int, a text, b text)")
    source.sql(source_database, f"ALTER TABLE part {partition}")
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot does not fit public\.part"):
        rig.copy()


@pytest.mark.parametrize(
    "chunk", ["TRUNCATE chunk", "DROP TABLE chunk", "ALTER TABLE chunk NO INHERIT thing"]
)
def test_a_hypertable_without_a_chunk_it_had_ends_the_run(
    make_rig: MakeRig, source: Cluster, source_database: str, chunk: str
) -> None:
    thing = small_table(source, source_database, "thing")
    source.sql(
        source_database, "CREATE TABLE chunk () INHERITS (thing); INSERT INTO chunk VALUES (1, 'a', 'b')"
    )
    rig = make_rig([thing.model_copy(update={"hypertable": True})])
    rig.prepare("CREATE TABLE thing (id int, a text, b text)")
    source.sql(source_database, chunk)
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot does not fit public\.(thing|chunk)"):
        rig.copy()


def test_changes_that_rows_do_not_feel_and_those_of_other_tables_disturb_nothing(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE part (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part DEFAULT;"
        "CREATE TABLE lone (id int); CREATE TABLE other (id int); INSERT INTO part VALUES (1), (2), (3)",
    )
    thing = small_table(source, source_database, "thing")
    child = small_table(source, source_database, "child", "t.id IN (SELECT p.id FROM public.part AS p)")
    rig = make_rig([thing, child])
    rig.prepare("CREATE TABLE thing (id int, a text, b text); CREATE TABLE child (LIKE thing)")
    source.sql(
        source_database,
        "ALTER TABLE thing ADD COLUMN late int DEFAULT 4; CREATE INDEX ON thing (a); DELETE FROM thing;"
        "ALTER TABLE part DETACH PARTITION part_1; ALTER TABLE part ATTACH PARTITION part_1 DEFAULT;"
        "DROP TABLE other; CREATE TABLE new (id int); TRUNCATE lone;"
        "ALTER TABLE part ATTACH PARTITION lone FOR VALUES IN (77)",
    )
    rig.copy()
    assert target.value(rig.next, "SELECT count(*) FROM thing") == 9
    assert target.value(rig.next, "SELECT count(*) FROM child") == 3


def test_a_locked_table_is_put_off_until_the_others_are_done(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    tables = [small_table(source, source_database, name) for name in ("locked", "free")]
    rig = make_rig(tables)
    rig.prepare("CREATE TABLE locked (id int, a text, b text); CREATE TABLE free (LIKE locked)")
    with source.connect(source_database) as other, other.transaction():
        other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        copying = InBackground(rig.copy)
        wait_until(lambda: target.value(rig.next, "SELECT count(*) FROM free") == 9)
    assert copying.result().rows == 18


def test_a_table_that_stays_locked_is_named(make_rig: MakeRig, source: Cluster, source_database: str) -> None:
    rig = make_rig([small_table(source, source_database, "locked")], limits={"lock_timeout_s": 2})
    rig.prepare("CREATE TABLE locked (id int, a text, b text)")
    with source.connect(source_database) as other, other.transaction():
        other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(
            WorkFailedError, match=r"locked by another session\. Table: public\.locked"
        ) as caught:
            rig.copy()
    assert retry_can_help(caught.value)


def test_pg_dump_gives_way_and_dumps_again(
    twin_run: EngineRun, source: Cluster, target: Cluster, source_database: str
) -> None:
    with source.connect(source_database) as other, other.transaction():
        # pg_dump has locked what comes before it, and waits.
        other.execute("LOCK TABLE third IN ACCESS EXCLUSIVE MODE")
        dumping = InBackground(twin_run.schema)
        wait_until(lambda: is_reading(source, source_database, "first"))
        source.sql(source_database, "ALTER TABLE first ADD COLUMN late int")
        assert dumping.is_alive()
    dumping.result()
    assert any("reads the schema anew" in text for text in twin_run.notices)
    next_database = twin_run.check.facts.next_database
    assert target.value(next_database, "SELECT count(*) FROM pg_class WHERE relname = 'third'") == 1


def test_whatever_reads_the_catalog_gives_way_and_reads_again(
    twin_run: EngineRun, source: Cluster, source_database: str
) -> None:
    naps = iter(["600", "0"])

    def read(session: Connection[TupleRow]) -> int:
        session.execute("SELECT FROM public.first LIMIT 1")
        session.execute(f"SELECT pg_sleep({next(naps)})".encode())
        return session.execute("SELECT FROM public.first").rowcount

    with LockWatch(twin_run.context.connect_source, 2) as watch:
        reading = InBackground(lambda: read_source(twin_run.context, watch, "it", read))
        wait_until(lambda: is_reading(source, source_database, "first"))
        source.sql(source_database, "ALTER TABLE first ADD COLUMN late int")
        assert reading.result() == 9
    assert len(twin_run.notices) == 1


def test_a_standby_whose_replay_waits_for_a_copy_gets_on(
    make_rig: MakeRig, new_cluster: Callable[..., Cluster], target: Cluster
) -> None:
    primary = new_cluster(name="primary", settings={"max_standby_streaming_delay": "-1"})
    follower = start_standby(primary)
    try:
        table = big_table(primary, "postgres")
        wait_until(lambda: follower.value("postgres", "SELECT to_regclass('public.big') IS NOT NULL"))
        position = primary.value("postgres", "SELECT pg_current_wal_lsn()::text")
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: follower.value("postgres", replayed, [position]))
        rig = make_rig([table], source=follower, source_database="postgres", limits=SLOW)
        rig.prepare(BIG)
        with closing(rig.keeper):
            copying = InBackground(rig.copy)
            wait_until(lambda: is_reading(follower, "postgres", "big"))
            primary.sql("postgres", "ALTER TABLE big ADD COLUMN late int")
            position = primary.value("postgres", "SELECT pg_current_wal_lsn()::text")
            wait_until(lambda: follower.value("postgres", replayed, [position]))
            assert copying.result().rows == 40_000
        assert any("waited on the source for public.big" in text for text in rig.notices)
    finally:
        follower.remove()


def test_a_table_that_is_left_out_is_never_waited_for(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE VIEW public.audited AS SELECT * FROM public.audit_log;"
        "GRANT SELECT ON public.audited TO reader;"
        "ALTER TABLE public.audit_log ALTER id SET NOT NULL, ALTER id ADD GENERATED ALWAYS AS IDENTITY",
    )
    with scenario.source.connect(scenario.source_database) as other, other.transaction():
        other.execute("LOCK TABLE public.audit_log IN ACCESS EXCLUSIVE MODE")
        other.execute("TRUNCATE public.audit_log RESTART IDENTITY")
        ended = scenario.run()
    assert ended.code == 0, ended.text
    assert "does not have public.audit_log" in ended.text
    assert "view public.audited" in ended.text
    assert scenario.twin_rows("SELECT count(*) FROM public.invoice") == [(3000,)]
    assert scenario.twin_rows("SELECT to_regclass('public.audit_log'), to_regclass('public.audited')") == [
        (None, None)
    ]
    assert scenario.run().code == 0
    assert scenario.twin_rows("SELECT count(*) FROM public.audited") == [(0,)]


@pytest.mark.parametrize(
    "change", ["DROP TABLE aside CASCADE", "ALTER TABLE aside RENAME TO elsewhere", "DROP VIEW seen"]
)
def test_what_is_left_out_may_go_while_a_run_is_under_way(
    start_run: Callable[..., EngineRun], source: Cluster, target: Cluster, source_database: str, change: str
) -> None:
    small_table(source, source_database, "aside")
    small_table(source, source_database, "thing")
    source.sql(
        source_database,
        "CREATE VIEW seen AS SELECT id FROM thing; CREATE VIEW of_it AS SELECT id FROM aside;"
        "ALTER TABLE aside ADD CHECK (id IS NOT NULL)",
    )
    run = start_run()
    run.plan_as_is(exclude={"public.aside"})
    source.sql(source_database, change)
    assert all(item.name for item in run.schema().not_carried)
    run.copy()
    run.finish()
    assert target.value(run.check.facts.next_database, "SELECT count(*) FROM thing") == 9


def test_who_locks_a_table_that_is_left_out_while_it_is_dumped_gets_it(
    start_run: Callable[..., EngineRun], source: Cluster, target: Cluster, source_database: str
) -> None:
    for name in ("aside", "thing"):
        small_table(source, source_database, name)
    run = start_run()
    run.plan_as_is(exclude={"public.aside"})
    with (
        source.connect(source_database) as first,
        source.connect(source_database) as second,
        second.transaction(),
    ):
        with first.transaction():
            first.execute("LOCK TABLE thing IN ACCESS EXCLUSIVE MODE")
            dumping = InBackground(run.schema)
            wait_until(lambda: is_reading(source, source_database, "aside"))
            second.execute("LOCK TABLE aside IN ACCESS EXCLUSIVE MODE")
            assert dumping.is_alive()
        dumping.result()
    assert any("does not have public.aside" in text for text in run.notices)
    tables = target.rows(
        run.check.facts.next_database, "SELECT relname FROM pg_class WHERE relname IN ('aside', 'thing')"
    )
    assert tables == [("thing",)]
