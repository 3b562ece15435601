"""The run's one snapshot: what it sees, what it holds, and that its end is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from appliance.errors import WorkFailedError, WorkFailedForGoodError, WrongRequestError
from appliance.postgres.errors import retry_can_help
from appliance.postgres.source.snapshot import export_snapshot, hold, import_snapshot
from tests.engine.breakable_proxy import breakable_proxy
from tests.engine.clusters import Cluster, start_standby
from tests.engine.plan_making import plan_of
from tests.engine.source_session import session


@pytest.fixture
def things(source: Cluster, source_database: str) -> str:
    source.sql(source_database, "CREATE TABLE thing (id int); INSERT INTO thing VALUES (1)")
    return source_database


def test_all_that_import_it_see_the_same(source: Cluster, things: str) -> None:
    with session(source, things) as keeper, session(source, things) as reader:
        snapshot = export_snapshot(keeper)
        source.sql(things, "INSERT INTO thing VALUES (2)")
        import_snapshot(reader, snapshot)
        assert reader.execute("SELECT count(*) FROM public.thing").fetchone() == (1,)
        assert str(snapshot.server_version) == source.value(things, "SHOW server_version_num")
        assert not snapshot.in_recovery


def test_nobody_waits_for_a_table_while_a_snapshot_is_held(source: Cluster, things: str) -> None:
    with session(source, things) as keeper:
        snapshot = export_snapshot(keeper)
        until = time.monotonic() + 2.5
        hold(keeper, time.monotonic() + 30, lambda: time.monotonic() > until, 60)
        locks = "SELECT relation::regclass FROM pg_locks WHERE locktype = 'relation' AND pid = %s"
        assert source.rows(things, locks, [snapshot.backend_pid]) == []
        source.sql(things, "TRUNCATE thing; ALTER TABLE thing ADD COLUMN x int; DROP TABLE thing")


def test_what_is_done_concurrently_ends_the_snapshot(source: Cluster, things: str) -> None:
    with session(source, things) as keeper:
        export_snapshot(keeper)
        index = "CREATE INDEX CONCURRENTLY by_id ON thing (id)"
        waiting = threading.Thread(target=source.sql, args=(things, index))
        waiting.start()
        with pytest.raises(WorkFailedForGoodError, match="waited for its snapshot"):
            hold(keeper, time.monotonic() + 120, lambda: not waiting.is_alive(), 1)
    waiting.join(300)
    assert source.value(things, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass")


def test_a_session_that_is_ended_is_noticed_at_once(source: Cluster, things: str) -> None:
    with session(source, things) as keeper:
        snapshot = export_snapshot(keeper)
        end_it = f"SELECT pg_terminate_backend({snapshot.backend_pid})"
        threading.Timer(0.3, lambda: source.sql(things, end_it)).start()
        with pytest.raises(WorkFailedError, match="held the run's snapshot has ended"):
            hold(keeper, time.monotonic() + 30, lambda: False, 5)
        with session(source, things) as late, pytest.raises(WorkFailedError, match="snapshot is gone"):
            import_snapshot(late, snapshot)


def test_a_connection_that_is_cut_is_noticed_at_once(source: Cluster, things: str) -> None:
    with breakable_proxy(source.port) as proxy, session(source, things, port=str(proxy.port)) as keeper:
        export_snapshot(keeper)
        threading.Timer(0.3, proxy.cut).start()
        with pytest.raises(WorkFailedError, match="held the run's snapshot has ended"):
            hold(keeper, time.monotonic() + 30, lambda: False, 5)


def test_it_is_held_no_longer_than_the_run_may_take(source: Cluster, things: str) -> None:
    with session(source, things) as keeper:
        export_snapshot(keeper)
        with pytest.raises(WorkFailedError, match="as long as the run may take") as caught:
            hold(keeper, time.monotonic() + 0.2, lambda: False, 5)
        assert not retry_can_help(caught.value)


def test_it_is_let_go_when_told_so(source: Cluster, things: str) -> None:
    with session(source, things) as keeper:
        export_snapshot(keeper)
        until = time.monotonic() + 0.6
        hold(keeper, time.monotonic() + 30, lambda: time.monotonic() > until, 5)


@pytest.fixture
def standby(new_cluster: Callable[..., Cluster]) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary and its hot standby."""
    primary = new_cluster(name="primary")
    follower = start_standby(primary)
    yield primary, follower
    follower.remove()


def test_a_hot_standby_can_be_the_source(standby: tuple[Cluster, Cluster]) -> None:
    primary, follower = standby
    primary.sql(
        "postgres",
        "CREATE TABLE thing (id int); INSERT INTO thing VALUES (1); CREATE UNLOGGED TABLE fleeting (id int)",
    )
    position = primary.value("postgres", "SELECT pg_current_wal_lsn()::text")
    until = time.monotonic() + 300
    while not follower.value("postgres", "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]):
        assert time.monotonic() < until
        time.sleep(0.1)
    with session(follower, "postgres") as keeper, session(follower, "postgres") as reader:
        snapshot = export_snapshot(keeper)
        assert snapshot.in_recovery
        import_snapshot(reader, snapshot)
        assert reader.execute("SELECT count(*) FROM public.thing").fetchone() == (1,)
    with pytest.raises(WrongRequestError, match=r"has no rows of public.fleeting \(UNLOGGED\)"):
        plan_of(follower, "postgres")
    assert len(plan_of(follower, "postgres", tables={"include": ["public.thing"]}).tables) == 1
