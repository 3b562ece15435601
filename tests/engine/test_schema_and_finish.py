"""The schema and finish steps, on a schema that holds one of every kind of object."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

import pytest

from appliance.postgres.building.pre_data import load_pre_data
from appliance.postgres.building.refused_objects import RefusedObjects
from appliance.postgres.source.archive_contents import Entry
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.every_object import ROWS, every_object_of
from tests.engine.schema_text import schema_text

SECRET = "sally.secret@example.com"

StartRun = Callable[..., EngineRun]


@pytest.fixture
def every_object(source: Cluster, source_database: str) -> str:
    source.sql(source_database, every_object_of(source.major))
    source.sql(source_database, ROWS)
    return source_database


def test_a_twin_has_the_schema_of_its_source_whatever_kinds_of_objects_that_holds(
    start_run: StartRun, source: Cluster, target: Cluster, every_object: str, twin_database: str
) -> None:
    start_run().publish_as_is()
    expected = schema_text(source, every_object)
    assert len(expected) > 150
    assert schema_text(target, twin_database) == expected


def test_what_pg_dump_does_not_show_is_the_same_too(
    start_run: StartRun, source: Cluster, target: Cluster, every_object: str, twin_database: str
) -> None:
    start_run().publish_as_is()
    for query in (
        "SELECT conrelid::regclass::text, conname, convalidated FROM pg_constraint WHERE conrelid <> 0"
        " AND connamespace <> 'pg_catalog'::regnamespace AND contype <> 'n' ORDER BY 1, 2",
        "SELECT indexrelid::regclass::text, indisvalid, indisready, indisclustered, indisreplident"
        " FROM pg_index WHERE indexrelid >= 16384 AND indexrelid::regclass::text !~ '^pg_toast' ORDER BY 1",
        "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger"
        " WHERE NOT tgisinternal ORDER BY 1, 2",
        "SELECT oid::regclass::text, relispopulated, relrowsecurity, relforcerowsecurity, relreplident"
        " FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384 ORDER BY 1",
        "SELECT * FROM public.per_mood ORDER BY mood",
        "SELECT * FROM public.above",
        "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
        "SELECT last_value, is_called FROM crm.ticket_number",
        "SELECT last_value, is_called FROM public.never_used",
        'SELECT last_value, is_called FROM public."down"',
    ):
        assert target.rows(twin_database, query) == source.rows(every_object, query), query


def test_a_finished_twin_has_statistics_of_its_tables_and_partitions(
    start_run: StartRun, target: Cluster, every_object: str, twin_database: str
) -> None:
    start_run().publish_as_is()
    without = target.rows(
        twin_database,
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relkind IN ('r', 'm') AND oid >= 16384"
        " AND relpages > 0 AND (reltuples < 0 OR relnatts > 0"
        "  AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = c.oid))",
    )
    assert without == []
    assert target.value(
        twin_database, "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'event' AND inherited"
    )
    assert target.value(twin_database, "SELECT count(*) FROM pg_stats_ext") == 2


def test_sequences_give_the_next_number_that_the_source_would_give(
    start_run: StartRun, source: Cluster, target: Cluster, every_object: str, twin_database: str
) -> None:
    start_run().publish_as_is()
    for name in (
        "crm.ticket_number",
        'public."down"',
        "crm.customer_id_seq",
        '"Verkauf & Co"."Bestellung_id_seq"',
    ):
        query = f"SELECT nextval('{name}')"
        # A cached sequence hands out from its next block in every new session.
        assert target.value(twin_database, query) == source.value(every_object, query), name


def test_a_sequence_that_the_reader_may_not_read_continues_after_the_rows(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.role("table_reader")
    source.sql(
        source_database,
        "CREATE TABLE public.t (id serial PRIMARY KEY, other integer);"
        "CREATE SEQUENCE public.loose; SELECT nextval('public.loose');"
        "INSERT INTO public.t SELECT generate_series(1, 41); SELECT setval('public.t_id_seq', 41);"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO table_reader",
    )
    run = start_run(reader="table_reader")
    run.publish_as_is()
    assert target.value(twin_database, "INSERT INTO public.t DEFAULT VALUES RETURNING id") == 42
    assert any("public.t_id_seq continues after" in text for text in run.notices)
    assert any("public.loose begins anew" in text for text in run.notices)


def test_finishing_twice_makes_everything_once(
    start_run: StartRun, source: Cluster, target: Cluster, every_object: str, twin_database: str
) -> None:
    run = start_run()
    run.plan_as_is()
    run.schema()
    run.copy()
    run.finish()
    run.finish()
    run.publish()
    assert schema_text(target, twin_database) == schema_text(source, every_object)


def test_a_finish_that_was_killed_is_completed_by_the_next_one(
    start_run: StartRun, source: Cluster, target: Cluster, every_object: str, twin_database: str
) -> None:
    run = start_run()
    run.plan_as_is()
    run.schema()
    run.copy()
    following = f"{twin_database}__next"
    with target.connect(following) as obstacle:
        # Everything that needs this table waits, all else gets done.
        obstacle.execute("BEGIN; LOCK TABLE crm.customer IN ROW EXCLUSIVE MODE")
        child = multiprocessing.get_context("fork").Process(target=run.finish)
        child.start()
        _until(lambda: bool(target.rows(following, "SELECT FROM pg_locks WHERE NOT granted")))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    run.finish()
    run.publish()
    assert schema_text(target, twin_database) == schema_text(source, every_object)


def test_a_key_that_does_not_hold_is_named_without_the_value(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(source_database, "CREATE TABLE public.person (id integer, email text, UNIQUE (email))")
    run = start_run()
    run.plan_as_is()
    run.schema()
    target.sql(f"{run.twin}__next", f"INSERT INTO public.person VALUES (1, '{SECRET}'), (2, '{SECRET}')")
    run.finish()
    (text,) = run.notices
    assert "public.person person_email_key is not in the twin" in text and "another one has too: 1)" in text
    assert "sally" not in repr(run.messages)


def test_a_foreign_key_that_does_not_hold_is_named_without_the_value(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.person (email text PRIMARY KEY);"
        "CREATE TABLE public.letter (id integer PRIMARY KEY, receiver text REFERENCES public.person)",
    )
    run = start_run()
    run.plan_as_is()
    run.schema()
    target.sql(f"{run.twin}__next", f"INSERT INTO public.letter VALUES (1, '{SECRET}')")
    run.finish()
    (text,) = run.notices
    assert "public.letter letter_receiver_fkey is not checked for these rows" in text
    assert "the source's own rows break it (rows that refer to none: 1)" in text
    assert SECRET not in repr(run.messages)


def test_a_foreign_key_into_a_table_that_is_not_copied_holds_for_new_rows_only(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.audit (id integer PRIMARY KEY); INSERT INTO public.audit VALUES (1), (2);"
        "CREATE TABLE public.letter (id integer PRIMARY KEY, audit integer REFERENCES public.audit);"
        "CREATE TABLE public.empty_letter (id integer PRIMARY KEY, audit integer REFERENCES public.audit);"
        "INSERT INTO public.letter VALUES (1, 1)",
    )
    run = start_run()
    run.publish_as_is(exclude={"public.audit"})
    assert [(item.kind, item.name) for item in run.check.not_carried] == [
        ("foreign key", "empty_letter_audit_fkey on public.empty_letter"),
        ("foreign key", "letter_audit_fkey on public.letter"),
    ]
    assert target.rows(twin_database, "SELECT * FROM public.audit") == []
    validated = dict(
        target.rows(twin_database, "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f'")
    )
    assert validated == {"letter_audit_fkey": False, "empty_letter_audit_fkey": True}
    assert any("letter_audit_fkey is not checked" in text for text in run.notices)


def test_a_materialised_view_that_fails_on_the_twins_rows_stays_empty_and_is_reported(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.t (n text); INSERT INTO public.t VALUES ('1');"
        "CREATE MATERIALIZED VIEW public.numbers AS SELECT n::integer FROM public.t;"
        "CREATE MATERIALIZED VIEW public.texts AS SELECT n FROM public.t",
    )
    run = start_run()
    run.plan_as_is()
    run.schema()
    target.sql(f"{run.twin}__next", f"INSERT INTO public.t VALUES ('{SECRET}')")
    run.finish()
    run.publish()
    filled = dict(
        target.rows(twin_database, "SELECT relname::text, relispopulated FROM pg_class WHERE relkind = 'm'")
    )
    assert filled == {"numbers": False, "texts": True}
    assert any("public.numbers is empty" in text and "22P02" in text for text in run.notices)
    assert SECRET not in repr(run.messages)


def test_a_foreign_key_into_a_partitioned_table_of_which_a_part_is_not_copied_is_reported(
    start_run: StartRun, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.event (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE public.old_event PARTITION OF public.event FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE public.new_event PARTITION OF public.event FOR VALUES FROM (10) TO (20);"
        "CREATE TABLE public.note (id integer PRIMARY KEY, event integer REFERENCES public.event);"
        "INSERT INTO public.event VALUES (1), (11); INSERT INTO public.note VALUES (1, 1), (2, 11)",
    )
    run = start_run()
    run.publish_as_is(exclude={"public.old_event"})
    assert [item.name for item in run.check.not_carried] == ["note_event_fkey on public.note"]
    assert target.rows(twin_database, "SELECT id FROM public.event") == [(11,)]
    assert target.rows(twin_database, "SELECT conname FROM pg_constraint WHERE contype = 'f'") == []
    assert any("note_event_fkey is not in the twin" in text for text in run.notices)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_an_extensions_script_sets_does_not_hold_for_what_follows(
    target: Cluster, twin_database: str, one_by_one: bool
) -> None:
    target.create_database(twin_database)

    def entry(number: int, kind: str, tag: str, sql: str) -> Entry:
        return Entry(dump_id=number, class_oid=0, oid=0, tag=tag, kind=kind, section="pre-data", sql=sql)

    script = (
        "CREATE EXTENSION citext WITH SCHEMA public; SET search_path = public; SET timezone = 'Asia/Tokyo'"
    )
    entries = [entry(1, "EXTENSION", "citext", script)]
    if one_by_one:
        entries.append(entry(2, "VIEW", "v", "CREATE VIEW public.v AS SELECT public.nothing()"))
    refused = RefusedObjects()
    with target.connect(twin_database) as session:
        load_pre_data(session, entries, lambda _: None, refused)
        shown = [session.execute(f"SHOW {name}").fetchone() for name in ("search_path", "timezone")]
    assert shown == [('""',), ("UTC",)]
    assert len(refused.items) == one_by_one
