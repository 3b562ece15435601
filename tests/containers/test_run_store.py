"""Run state in a real PostgreSQL: reported once, numbered without a gap, and the same from every reporter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from appliance.contract.events import Noticed
from appliance.contract.step_messages import Progress
from appliance.store import queries as run_queries
from appliance.store.database import migrate
from appliance.store.events import append_event
from appliance.store.rows import StopNote, TableLine
from appliance.store.runs import RunStore
from tests.engine.clusters import Cluster, start_cluster
from tests.unit.example_report import failure


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = start_cluster(name="store")
    yield cluster
    cluster.remove()


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    cluster.create_database("appliance")
    password = cluster.passwords["postgres"]
    url = f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/appliance"
    migrate(url)
    yield url
    cluster.drop_database("appliance")


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    store = RunStore(url)
    yield store
    store.close()


def begin(store: RunStore, run_id: str = "shop-1") -> str:
    store.run_queued(run_id, "shop", airflow_run_id="1", origin="local", trigger="operator")
    store.run_started(run_id)
    return run_id


def events(store: RunStore) -> list[dict[str, Any]]:
    query = "SELECT seq, kind, payload FROM appliance.event ORDER BY seq"
    return store.connection.execute(query).fetchall()


def test_migrating_again_and_by_several_at_once_changes_nothing(url: str) -> None:
    versions: list[int] = []
    threads = [threading.Thread(target=lambda: versions.append(migrate(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(versions)) == 1
    assert len(versions) == 4


def test_a_change_that_is_none_is_told_to_nobody(store: RunStore) -> None:
    run_id = begin(store)
    assert store.step_started(run_id, "plan", None, 1)
    assert not store.step_started(run_id, "plan", None, 1)
    assert store.step_ended(run_id, "plan", None, "succeeded")
    assert not store.step_ended(run_id, "plan", None, "failed", failure=failure("late and wrong"))
    assert store.run_ended(run_id, "succeeded") == "succeeded"
    assert store.run_ended(run_id, "failed") is None
    kinds = [event["kind"] for event in events(store)]
    assert kinds == ["run_started", "step_changed", "step_changed", "run_finished"]


def test_a_transaction_that_fails_leaves_no_gap_in_the_numbers(store: RunStore) -> None:
    begin(store)
    with pytest.raises(psycopg.Error), store.connection.transaction():
        append_event(store.connection, Noticed(kind="clock_skew"))
        store.connection.execute("SELECT 1 / 0")
    begin(store, "shop-2")
    assert [event["seq"] for event in events(store)] == [1, 2]


def test_several_writers_at_once_number_their_events_without_a_gap(url: str, store: RunStore) -> None:
    run_id = begin(store)

    def write(shard: int) -> None:
        own = RunStore(url)
        for rows in range(20):
            message = Progress(step="copy", shard=shard, table=f"public.t{shard}", rows=rows + 1)
            own.progress(run_id, [message], tell=True)
        own.close()

    threads = [threading.Thread(target=write, args=(shard,)) for shard in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event["seq"] for event in events(store)] == list(range(1, 82))


def test_a_run_that_was_asked_to_stop_is_cancelled_and_one_that_was_refused_is_refused(
    store: RunStore,
) -> None:
    cancelled = begin(store, "shop-1")
    store.stop_requested(cancelled, StopNote("cancel", "enough"))
    assert store.run_ended(cancelled, "failed") == "cancelled"
    refused = begin(store, "shop-2")
    store.step_started(refused, "plan", None, 1)
    store.step_ended(refused, "plan", None, "failed", failure=failure("no", exit_code=3))
    assert store.run_ended(refused, "failed") == "refused"


def test_the_failure_of_a_run_is_its_first_real_one(store: RunStore) -> None:
    run_id = begin(store)
    for shard, why in enumerate((failure("stopped", exception="Stopped"), failure("the cause"))):
        store.step_started(run_id, "copy", shard, 1)
        store.step_ended(run_id, "copy", shard, "failed", failure=why)
    store.run_ended(run_id, "failed")
    details = run_queries.run_details(store.connection, run_id)
    assert details is not None and details.failure is not None
    assert details.failure.what == "the cause"


def test_a_second_try_begins_anew_and_a_late_word_of_the_first_does_not_count(store: RunStore) -> None:
    run_id = begin(store)
    store.step_started(run_id, "copy", 0, 1)
    store.step_ended(run_id, "copy", 0, "retrying", failure=failure("once"))
    store.step_started(run_id, "copy", 0, 2)
    assert not store.step_started(run_id, "copy", 0, 1)
    details = run_queries.run_details(store.connection, run_id)
    assert details is not None
    assert [(step.attempt, step.state) for step in details.steps] == [(2, "running")]


def test_the_pieces_of_a_table_are_added_up(store: RunStore) -> None:
    run_id = begin(store)
    for part, (rows, done) in enumerate([(10, True), (5, False)]):
        message = Progress(
            step="copy", shard=0, table="public.a", part=str(part), rows=rows, rows_expected=10, done=done
        )
        store.progress(run_id, [message])
    details = run_queries.run_details(store.connection, run_id)
    assert details is not None
    assert details.tables == (TableLine("public.a", rows=15, rows_expected=20, bytes=0, done=False),)


def test_what_is_told_of_a_run_that_nobody_began_is_dropped(store: RunStore) -> None:
    assert not store.step_started("unknown", "plan", None, 1)
    store.progress("unknown", [Progress(step="copy", rows=1)])
    store.notice("unknown", "plan", "hello")
    assert events(store) == []


def test_a_database_that_is_away_costs_a_run_nothing(cluster: Cluster, store: RunStore) -> None:
    run_id = begin(store)
    cluster.sql("postgres", "ALTER DATABASE appliance ALLOW_CONNECTIONS false")
    try:
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'appliance'"
        cluster.rows("postgres", terminate)
        assert store.attempt(lambda: store.step_started(run_id, "plan", None, 1)) is None
    finally:
        cluster.sql("postgres", "ALTER DATABASE appliance ALLOW_CONNECTIONS true")
    assert store.attempt(lambda: store.step_started(run_id, "plan", None, 1))


def test_a_run_knows_until_when_its_twin_stands(store: RunStore) -> None:
    for run_id, workflow in (("shop-1", "shop"), ("shop-2", "shop"), ("other-1", "other")):
        store.run_queued(run_id, workflow, airflow_run_id=run_id, origin="local", trigger="operator")
        store.run_started(run_id)
        connection = "elsewhere" if run_id == "shop-2" else "staging"
        store.step_started(run_id, "publish", 0, 1)
        store.step_ended(run_id, "publish", 0, "succeeded", result={"connection": connection, "twin": "shop"})
        # Built for files alone, and gone: no twin of the run's, and none that replaces another.
        store.step_started(run_id, "publish", 1, 1)
        store.step_ended(run_id, "publish", 1, "succeeded", result={"connection": "staging", "twin": None})
        store.run_ended(run_id, "succeeded")
    ended = [event["payload"] for event in events(store) if event["kind"] == "run_finished"]
    assert [each["twins"] for each in ended] == [["staging"], ["elsewhere"], ["staging"]]
    shown = run_queries.run_details(store.connection, "shop-1")
    assert shown is not None
    (twin,) = shown.twins
    assert (twin.replaced_by, twin.replaced_workflow) == ("other-1", "other")
    last = run_queries.run_details(store.connection, "other-1")
    assert last is not None and last.twins[0].replaced_by is None
