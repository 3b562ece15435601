"""How long a snapshot is kept, and how much a run asks of its source, stay within the workflow's limits."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from appliance.errors import WorkFailedForGoodError
from appliance.postgres.source.lock_watch import Age, LockWatch
from appliance.postgres.source.source_load import has_room
from appliance.steps.records.run_files import SNAPSHOT
from appliance.steps.source import copy_ends
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.locking import BIG, SLOW, MakeRig, big_table, small_table, wait_until


def test_a_snapshot_that_is_too_old_ends_the_copying(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str
) -> None:
    rig = make_rig([big_table(source, source_database)], limits={**SLOW, "snapshot_max_min": 1})
    rig.prepare(BIG)
    old = rig.snapshot.model_copy(update={"taken_at": rig.snapshot.taken_at - timedelta(minutes=5)})
    SNAPSHOT.write(rig.run_dir, old)
    with pytest.raises(WorkFailedForGoodError, match=r"snapshot is older than it may become \(1 minutes\)"):
        rig.copy()
    wait_until(lambda: target.value(rig.next, "SELECT count(*) FROM big") == 0)


def test_half_of_a_snapshots_time_is_told(twin_run: EngineRun) -> None:
    reported = threading.Event()
    age = Age(twin_run.snapshot.taken_at, 10, reported.set)
    with LockWatch(twin_run.context.connect_source, 4, age) as watch, watch.covering() as covered:
        assert reported.wait(300)
        wait_until(lambda: covered.too_old)


def test_a_copy_waits_while_the_source_is_short_of_connections_but_not_for_ever(
    make_rig: MakeRig, source: Cluster, source_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_ends, "MOST_PAUSE_S", 0.1)
    rig = make_rig([small_table(source, source_database, "thing")], limits={"source_free_connections": 5000})
    rig.prepare("CREATE TABLE thing (id int, a text, b text)")
    assert rig.copy().rows == 9
    assert any("short of connections" in text for text in rig.notices)


def test_what_a_source_has_room_for() -> None:
    assert has_room((3, None), None, None)
    assert has_room((3, None), 3, 10)
    assert not has_room((3, None), 4, None)
    assert has_room((0, 9.0), None, 10)
    assert not has_room((90, 11.0), 3, 10)
