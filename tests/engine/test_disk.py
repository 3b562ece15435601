"""A disk that is too small, and one that fills up: a real one of its own, with a size, for each test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.contract.events import Noticed
from appliance.contract.step_messages import Failure, Message, Result
from appliance.errors import RefusedError
from appliance.postgres.planning.space_estimate import check_room
from appliance.postgres.source.snapshot import export_snapshot
from appliance.steps.calling.execute import execute_step
from appliance.steps.records.run_files import SNAPSHOT
from appliance.store import outbox
from appliance.store.database import connect, migrate
from appliance.store.events import scrubbed
from appliance.system.disk import Reserve, Space, space_of
from tests.containers.appliance_host import wait_for
from tests.engine.clusters import Cluster, free_port
from tests.engine.engine_run import EngineRun
from tests.engine.scenario import Scenario

MB = 1 << 20
NewDisk = Callable[[int], Path]


@pytest.fixture
def new_disk() -> Iterator[NewDisk]:
    """A file system of so many MB, with nothing on it."""
    mounted: list[Path] = []

    def make(size_mb: int) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="appliance-disk-"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder], check=True)
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def took_all(disk: Path, descriptor: int, but: int) -> bool:
    """Whether no other process has taken some of it between looking and taking."""
    try:
        os.posix_fallocate(descriptor, 0, space_of(disk).free - but)
    except OSError:
        return False
    return True


@contextmanager
def filled(disk: Path, *, but: int = 0) -> Iterator[None]:
    """Another process has taken all of the disk, ``but`` so many bytes."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        wait_for("the disk is full", lambda: took_all(disk, descriptor, but))
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


def test_a_run_that_does_not_fit_is_refused_with_numbers_before_a_row_is_read(
    scenario: Scenario, new_disk: NewDisk
) -> None:
    disk = new_disk(64)
    scenario.state = disk / "state"
    with filled(disk, but=2 * MB):
        refused = scenario.run()
        assert refused.code == 3, refused.text
        assert "does not fit on the appliance's disk: it needs 2.7 MB, and 2." in refused.err
        assert "of 67.1 MB are free" in refused.err and "No row has been read" in refused.err
        assert scenario.twin not in scenario.target.databases()
    assert scenario.run().code == 0


def test_a_disk_that_fills_up_during_a_run_fails_the_step_and_the_next_try_succeeds(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, new_disk: NewDisk
) -> None:
    source.sql(
        source_database, "CREATE TABLE public.a (id int PRIMARY KEY); GRANT SELECT ON public.a TO reader"
    )
    disk = new_disk(64)
    (disk / "run").mkdir()
    run = EngineRun(source, source_database, target, twin_database, disk / "run", {"keep": ["*.*.*"]})
    messages: list[Message] = []

    def step(name: str) -> int:
        messages.clear()
        return execute_step(replace(run.context.call, step=name), run.context.paths, messages.append)

    with run.context.connect_source() as keeper:
        snapshot = export_snapshot(keeper)
        SNAPSHOT.write(run.context.run_dir, snapshot)
        assert step("plan") == 0
        with filled(disk):
            assert step("schema") == 1
            failure = messages[-1]
            assert isinstance(failure, Failure)
            assert failure.what == "The appliance's disk is full." and failure.retry
            assert "ENOSPC" in failure.why and "df -h" in failure.next_step
        assert step("schema") == 0
        assert isinstance(messages[-1], Result)


def test_a_full_disk_of_the_target_is_told_with_what_the_twin_takes(
    new_cluster: Callable[..., Cluster], scenario: Scenario, new_disk: NewDisk
) -> None:
    disk = new_disk(96)
    small = new_cluster(name="small", folder=owned_by_postgres(disk / "cluster"), settings=SMALL)
    small.role("twin_owner", "CREATEDB")
    scenario.connections["staging"] = {**small.connection(scenario.twin, "twin_owner"), "connect_timeout": 3}
    for _ in range(3):
        # WAL that is not needed any more would be room.
        small.sql("postgres", "SELECT pg_switch_wal()")
        small.sql("postgres", "CHECKPOINT")
    with filled(disk, but=MB):
        failed = scenario.run()
    assert failed.code == 1, failed.text
    assert "disk is full" in failed.err
    assert f"The twin '{scenario.twin}' takes about" in failed.err
    assert scenario.twin not in [
        name for (name,) in small.rows("postgres", "SELECT datname FROM pg_database")
    ]
    small.remove()


def test_a_twin_that_does_not_fit_on_its_target_is_refused_where_the_target_tells(
    new_cluster: Callable[..., Cluster], scenario: Scenario, new_disk: NewDisk
) -> None:
    disk = new_disk(96)
    small = new_cluster(name="telling", folder=owned_by_postgres(disk / "cluster"), settings=SMALL)
    small.role("twin_owner", "CREATEDB")
    small.sql("postgres", "GRANT pg_read_all_settings TO twin_owner")
    # The folder is the server's own: only root, and the account that the server runs as, can look into it.
    scenario.connections["staging"] = small.connection(scenario.twin, "twin_owner")
    with filled(disk, but=5 * MB):
        refused = scenario.run()
        assert refused.code == 3, refused.text
        assert "does not fit on the disk of 'staging': it takes about" in refused.err
        assert "of 100.7 MB are free" in refused.err
        assert scenario.twin not in scenario.target.databases()
    small.remove()


SMALL = {"min_wal_size": "'32MB'", "max_wal_size": "'32MB'", "shared_buffers": "'16MB'"}


def owned_by_postgres(folder: Path) -> Path:
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    return folder


@pytest.fixture
def served(new_cluster: Callable[..., Cluster], new_disk: NewDisk) -> Iterator[Served]:
    """An appliance's status service and its PostgreSQL, all of it on one small disk."""
    disk = new_disk(1024)
    cluster = new_cluster(name="own", folder=owned_by_postgres(disk / "cluster"), settings=SMALL)
    made = Served(disk, cluster)
    try:
        yield made
    finally:
        made.process.terminate()
        made.process.wait()
        cluster.remove()


class Served:
    """The status service as a process."""

    def __init__(self, disk: Path, cluster: Cluster) -> None:
        self.disk = disk
        self.state = disk / "state"
        for name in ("etc/workflows", "state/runs", "run"):
            (disk / name).mkdir(parents=True)
        for name in ("appliance", "airflow"):
            cluster.create_database(name)
        password = cluster.passwords["postgres"]
        url = f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}"
        self.database_url = f"{url}/appliance"
        migrate(self.database_url)
        self.port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("APPLIANCE")},
            "APPLIANCE_CONFIG_DIR": str(disk / "etc"),
            "APPLIANCE_STATE_DIR": str(self.state),
            "APPLIANCE_RUNTIME_DIR": str(disk / "run"),
            "APPLIANCE_DATABASE_URL": self.database_url,
            "APPLIANCE_AIRFLOW_DATABASE_URL": f"{url}/airflow",
            "APPLIANCE_STATUS_PORT": str(self.port),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance.status"], env=environment, stderr=subprocess.DEVNULL
        )

    def ask(self, path: str) -> Any:
        """The JSON of a page; None while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return None

    @property
    def disk_shown(self) -> dict[str, Any]:
        """What /status says of the disk."""
        return (self.ask("/status") or {}).get("disk") or {}

    def reasons(self) -> str:
        """Why it is not healthy."""
        return " ".join((self.ask("/healthz") or {}).get("reasons", ["no answer"]))


def test_a_full_disk_stops_the_run_and_nothing_else_and_all_is_well_when_there_is_room_again(
    served: Served,
) -> None:
    wait_for("the reserve is held", lambda: served.disk_shown.get("reserve") == "held")
    assert served.disk_shown["level"] == "ok" and "disk" not in served.reasons()
    run = served.state / "runs" / "mine-1"
    run.mkdir()
    (run / "spec.json").write_text("{}")
    with filled(served.disk):
        wait_for("the reserve is given up", lambda: not Reserve(served.state).is_held)
        wait_for("the run is stopped", (run / "stop.json").exists)
        assert "disk is full" in json.loads((run / "stop.json").read_text())["why"]
        wait_for("the status says so", lambda: served.disk_shown["level"] == "full")
        assert "disk: " in served.reasons() and "a run needs" in served.reasons()
        with connect(served.database_url) as db:
            for number in range(2000):
                problem = scrubbed(f"{number} " + "word " * 50)
                outbox.notice(db, Noticed(kind="disk_low", problem=problem))
            kept = db.execute("SELECT kind, payload FROM appliance.event ORDER BY seq").fetchall()
        assert len(kept) == 2001
        assert kept[0]["payload"]["kind"] == "disk_low" and kept[0]["payload"]["amount"] >= 0
    wait_for("the reserve is held again", lambda: served.disk_shown.get("reserve") == "held")
    assert served.disk_shown["level"] == "ok" and "disk" not in served.reasons()
    assert served.process.poll() is None
    assert (served.state / "history.jsonl").read_text().count("disk_free") >= 1


def test_the_reserve_neither_flaps_nor_takes_what_a_run_needs(new_disk: NewDisk) -> None:
    disk = new_disk(200)
    reserve = Reserve(disk)
    whole = space_of(disk)
    assert not reserve.keep(whole) and reserve.is_held
    assert whole.free - space_of(disk).free == pytest.approx(whole.reserve, abs=8192)
    with filled(disk, but=whole.release - MB):
        assert reserve.keep(space_of(disk)) and not reserve.is_held
        for _ in range(3):
            assert not reserve.keep(space_of(disk)) and not reserve.is_held
    with filled(disk, but=whole.reserve + whole.for_a_run - MB):
        assert not reserve.keep(space_of(disk)) and not reserve.is_held
    assert not reserve.keep(space_of(disk)) and reserve.is_held


@pytest.mark.parametrize("total_gb", [0.05, 1, 20, 4000])
def test_the_limits_are_in_order_on_every_size_of_disk(total_gb: float) -> None:
    space = Space(Path("/"), int(total_gb * 2**30), 0)
    assert 0 < space.release < space.for_a_run < space.low <= space.total / 10
    assert space.release < space.reserve
    assert space.level == "full"
    assert Space(Path("/"), space.total, space.for_a_run).level == "low"
    assert Space(Path("/"), space.total, space.low).level == "ok"


def test_a_run_that_writes_files_needs_room_for_them_too() -> None:
    space = Space(Path("/"), 100 * 10**9, 10 * 10**9)
    check_room(space, files_bytes=9 * 10**9)
    with pytest.raises(RefusedError) as refused:
        check_room(space, files_bytes=10 * 10**9)
    assert "it needs 10.3 GB, and 10.0 GB of 100.0 GB are free" in refused.value.what
    assert "about 10.0 GB for its files" in refused.value.why
    assert (refused.value.rule, refused.value.exit_code) == ("disk", 3)
