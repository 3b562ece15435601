"""In its grace period a release is left for what is its own fault, and for nothing else."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from appliance.errors import WorkFailedError
from appliance.releases import update as updater
from appliance.releases import watch
from appliance.releases.failures import failures
from appliance.releases.installed import CURRENT, point
from appliance.releases.lock import STATE, UNDER_WAY, WATCHING, update_alone
from appliance.releases.machine import Update, carry_on
from appliance.releases.under_way import keep_update, read_update
from appliance.releases.verdicts import does_not_stay_up, takes_too_much_memory
from appliance.releases.wanted import Wanted, read_wanted
from tests.unit.release_machine import Machine
from tests.unit.test_release_update import AS_BEFORE, UPDATED, WANTED

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def under_watch(machine: Machine, folder: Path) -> Update:
    """A move that has come as far as its grace period of half an hour."""
    (folder / "releases" / "2.0").mkdir(parents=True, exist_ok=True)
    point(folder, CURRENT, "2.0")
    begun = Update(wanted=WANTED, former="1.0", watch_minutes=30)
    reached = carry_on(begun, machine, lambda update: keep_update(folder, update))
    assert reached.state == "watching"
    return reached


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The units that systemd is asked to start."""
    names: list[str] = []
    monkeypatch.setattr(watch, "start_unit", names.append)
    return names


def test_in_its_grace_period_a_release_runs_and_the_way_back_is_kept(tmp_path: Path) -> None:
    machine = Machine()
    update = under_watch(machine, tmp_path)
    assert machine.state() == ("2.0", "1.0", "schema 2", True, "schema 1")
    assert carry_on(update, machine, lambda _: None) == update


def test_a_release_that_nothing_is_said_against_is_settled_when_its_time_is_over(
    tmp_path: Path, started: list[str]
) -> None:
    machine = Machine()
    update = under_watch(machine, tmp_path)
    watch.begin_watch(tmp_path)
    assert update.proven_uptime is not None
    assert watch.look(tmp_path, tmp_path, machine, NOW, update.proven_uptime + 29 * 60)
    assert (tmp_path / WATCHING).exists()
    assert not watch.look(tmp_path, tmp_path, machine, NOW, update.proven_uptime + 31 * 60)
    assert not (tmp_path / WATCHING).exists()
    assert started == ["appliance-watch.path", "appliance-update.service"]
    settling = read_update(tmp_path)
    assert settling is not None and settling.state == "settling"
    assert carry_on(settling, machine, lambda _: None).state == "done"
    assert machine.state() == UPDATED


@pytest.mark.parametrize("days", [-365, -1, 1, 365])
def test_a_clock_that_is_set_neither_ends_a_grace_period_nor_hides_what_happens_in_it(
    days: int, tmp_path: Path, started: list[str]
) -> None:
    machine = Machine()
    update = under_watch(machine, tmp_path)
    assert update.proven_at is not None and update.proven_uptime is not None
    now, uptime = update.proven_at + timedelta(days=days, minutes=5), update.proven_uptime + 300
    assert watch.look(tmp_path, tmp_path, machine, now, uptime)
    assert machine.asked_since is not None and machine.asked_since <= now - timedelta(minutes=5)
    assert watch.look(tmp_path, tmp_path, machine, now, uptime + 24 * 60)
    assert not watch.look(tmp_path, tmp_path, machine, now, uptime + 26 * 60)


def test_after_a_reboot_a_grace_period_is_counted_from_the_start(tmp_path: Path, started: list[str]) -> None:
    machine = Machine()
    update = under_watch(machine, tmp_path).moved("watching", proven_uptime=1e6)
    keep_update(tmp_path, update)
    later = datetime.now(UTC) + timedelta(hours=8)
    assert watch.look(tmp_path, tmp_path, machine, later, 29 * 60.0)
    assert not watch.look(tmp_path, tmp_path, machine, later, 31 * 60.0)


def test_a_grace_period_that_a_former_release_began_goes_on_by_the_clock(
    tmp_path: Path, started: list[str]
) -> None:
    machine = Machine()
    text = under_watch(machine, tmp_path).model_dump_json(exclude={"proven_uptime"})
    (tmp_path / UNDER_WAY).write_text(text)
    begun = datetime.now(UTC)
    assert watch.look(tmp_path, tmp_path, machine, begun + timedelta(minutes=29))
    assert not watch.look(tmp_path, tmp_path, machine, begun + timedelta(minutes=31))


def test_a_release_that_fails_in_its_grace_period_is_left(tmp_path: Path, started: list[str]) -> None:
    machine = Machine()
    under_watch(machine, tmp_path)
    watch.begin_watch(tmp_path)
    machine.fails_later = True
    assert not watch.look(tmp_path, tmp_path, machine, datetime.now(UTC))
    assert started[-1] == "appliance-update.service"
    back = read_update(tmp_path)
    assert back is not None and back.state == "rolling_back"
    ended = carry_on(back, machine, lambda _: None)
    assert ended.message.startswith("Does not stay up: x. It had proven itself at ")
    assert ended.message.endswith("1.0 runs again.")
    assert machine.state() == AS_BEFORE and machine.journals == ["2.0"]


@pytest.mark.parametrize("before", ["verdict", "start of the updater", "mark"])
def test_a_watch_that_was_killed_finds_what_it_has_written(
    before: str, tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    under_watch(machine, tmp_path)
    watch.begin_watch(tmp_path)
    machine.fails_later = True
    with monkeypatch.context() as struck:
        place = {"verdict": "keep_update", "start of the updater": "start_unit", "mark": "start_unit"}[before]
        real = getattr(watch, place)

        def killed(*given: object) -> None:
            if before == "mark":
                real(*given)
            raise KeyboardInterrupt

        struck.setattr(watch, place, killed)
        with pytest.raises(KeyboardInterrupt):
            watch.look(tmp_path, tmp_path, machine, datetime.now(UTC))
    assert (tmp_path / WATCHING).exists()
    assert not watch.look(tmp_path, tmp_path, machine, datetime.now(UTC))
    assert started[-1] == "appliance-update.service"
    back = read_update(tmp_path)
    assert back is not None and back.state == "rolling_back"


def test_a_verdict_that_does_not_fit_on_the_disk_is_reached_again(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    under_watch(machine, tmp_path)
    watch.begin_watch(tmp_path)
    machine.fails_later = True
    with monkeypatch.context() as full:
        full.setattr(watch, "keep_update", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            watch.look(tmp_path, tmp_path, machine, datetime.now(UTC))
    assert (tmp_path / WATCHING).exists() and started == ["appliance-watch.path"]
    assert not watch.look(tmp_path, tmp_path, machine, datetime.now(UTC))
    back = read_update(tmp_path)
    assert back is not None and back.state == "rolling_back"


def test_a_mark_without_a_move_ends_the_watch(tmp_path: Path, started: list[str]) -> None:
    (tmp_path / WATCHING).touch()
    assert not watch.look(tmp_path, tmp_path, Machine(), NOW)
    assert not (tmp_path / WATCHING).exists() and started == []


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine on which the updater runs for real, in a move's grace period."""
    machine = Machine()
    for version in ("1.0", "2.0"):
        (tmp_path / "releases" / version).mkdir(parents=True)
        (tmp_path / "releases" / version / ".complete").touch()
    point(tmp_path, CURRENT, "2.0")
    (tmp_path / STATE).mkdir()
    (tmp_path / "settings").mkdir()
    monkeypatch.setenv("APPLIANCE_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setattr(updater, "ROOT", tmp_path)
    monkeypatch.setattr(updater, "FOLDER", tmp_path)
    monkeypatch.setattr(updater.os, "geteuid", lambda: 0)
    monkeypatch.setattr(updater, "ThisMachine", lambda *_: machine)
    monkeypatch.setattr(watch, "start_unit", lambda _: None)
    monkeypatch.setattr(updater, "start_again", lambda _: None)
    under_watch(machine, tmp_path / STATE)
    return machine


def test_an_updater_that_comes_by_in_the_grace_period_waits_for_nothing(
    moved: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert updater.main([]) == 0
    assert "2.0 runs, and has proven that it works. It is watched for 30 minutes" in capsys.readouterr().out
    assert (tmp_path / STATE / WATCHING).exists() and (tmp_path / STATE / UNDER_WAY).exists()
    assert moved.state() == ("2.0", "1.0", "schema 2", True, "schema 1")
    assert not (tmp_path / "outcome.json").exists()


def test_an_operator_goes_back_from_a_release_in_its_grace_period(moved: Machine, tmp_path: Path) -> None:
    assert updater.main(["--use", "1.0", "--back"]) == 0
    assert moved.state() == AS_BEFORE
    answer = json.loads((tmp_path / "outcome.json").read_text())
    assert (answer["result"], answer["message"]) == ("failed", "2.0 was left by hand. 1.0 runs again.")
    assert failures(tmp_path / STATE) == {}, "nothing says that it is broken"
    assert list((tmp_path / STATE).glob("watching")) == []


@pytest.mark.parametrize("moved_on", ["by its timer", "by hand", "not yet"])
def test_after_a_move_that_has_ended_the_updater_looks_again_for_what_came_meanwhile(
    moved_on: str, moved: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path unit saw the wish while the updater ran, and will not see it a second time."""
    asked: list[str] = []

    def start_again(name: str) -> None:
        with update_alone(tmp_path):
            asked.append(name)

    monkeypatch.setattr(updater, "start_again", start_again)
    wish = Wanted(version="3.0", requested_at=NOW, command_id="c-2")
    (tmp_path / "wanted.json").write_text(wish.model_dump_json())
    moved.fails_later = moved_on == "by its timer"
    assert updater.main(["--use", "1.0"] if moved_on == "by hand" else []) == 0
    assert asked == ([] if moved_on == "not yet" else ["appliance-update.service"])
    assert read_wanted(tmp_path) == wish, "only what was answered is forgotten"


def test_an_operator_waits_for_another_process_that_still_clears_up(
    moved: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    held, waited_for = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waited_for.set()

    def hold() -> None:
        with update_alone(tmp_path):
            held.set()
            waited_for.wait(60)

    monkeypatch.setattr(updater, "_say", say)
    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    assert updater.main(["--use", "1.0", "--back"]) == 0
    other.join()
    assert said[0] == "Another update is being performed; waits up to 120 s for it."


def test_what_waits_for_its_moment_does_not_keep_the_updater_busy(
    moved: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(updater, "start_again", asked.append)
    monkeypatch.setattr(updater, "_waits", lambda *_: True)
    (tmp_path / STATE / UNDER_WAY).unlink()
    for version in ("1.0", "3.0"):
        (tmp_path / "wanted.json").write_text(Wanted(version=version, requested_at=NOW).model_dump_json())
        assert updater.main([]) == 0
    assert asked == []


def test_to_a_third_release_nothing_moves_in_the_grace_period(
    moved: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert updater.main(["--use", "3.0"]) == WorkFailedError.exit_code
    said = capsys.readouterr().err
    assert "2.0 is in its grace period of 30 minutes." in said and "appliance release rollback" in said
    assert moved.current == "2.0"


def test_a_deploy_in_the_grace_period_ends_it_and_is_not_undone(
    moved: Machine, tmp_path: Path, started: list[str]
) -> None:
    (tmp_path / "releases" / "3.0").mkdir()
    (tmp_path / "releases" / "3.0" / ".complete").touch()
    (tmp_path / STATE / WATCHING).touch()
    (tmp_path / STATE / "metadata.sql").touch()
    point(tmp_path, CURRENT, "3.0")
    moved.fails_later = True
    assert not watch.look(tmp_path, tmp_path / STATE, moved, datetime.now(UTC))
    assert started == ["appliance-update.service"]
    before = moved.state()
    assert updater.main([]) == 0
    assert moved.state() == before and moved.journals == []
    answer = json.loads((tmp_path / "outcome.json").read_text())
    assert answer["result"] == "failed" and "A deploy has put another release" in answer["message"]
    assert [path.name for path in (tmp_path / STATE).iterdir() if path.is_file()] == ["lock"]


def test_a_release_that_is_left_by_the_watch_counts_as_failed(moved: Machine, tmp_path: Path) -> None:
    moved.fails_later = True
    assert updater.main([]) == 0
    assert moved.state() == AS_BEFORE
    assert failures(tmp_path / STATE)["2.0"].times == 1


def unit(
    name: str, state: str = "active", *, restarts: int = 0, left_s: float = 0, began_s: float = 0
) -> str:
    return (
        f"Id={name}.service\nActiveState={state}\nNRestarts={restarts}\n"
        f"ActiveExitTimestampMonotonic={left_s * 10**6}\nInactiveExitTimestampMonotonic={began_s * 10**6}"
    )


def test_services_that_crash_again_and_again_or_stay_down_are_seen() -> None:
    def said(*units: str) -> str:
        return does_not_stay_up("\n\n".join(units) + "\n", 1000.0)

    assert said(unit("a"), unit("b", restarts=3)) == ""
    assert said(unit("a"), unit("b", restarts=4)) == "Does not stay up: b.service."
    assert said(unit("a", "activating", left_s=600)) == "Does not work for more than 5 minutes: a.service."
    assert said(unit("a", "failed", began_s=600)) == "Does not work for more than 5 minutes: a.service."
    assert said(unit("a", "activating", left_s=900)) == "", "it may come up yet"
    assert said(unit("a", "inactive", left_s=100)) == "", "it was stopped on purpose"


def test_services_that_are_killed_for_their_memory_again_are_seen() -> None:
    def record(name: str, pid: str = "1") -> str:
        return json.dumps({"_PID": pid, "UNIT": name, "MESSAGE": "killed by the OOM killer"})

    scheduler = record("appliance-scheduler.service")
    assert takes_too_much_memory("") == takes_too_much_memory(scheduler) == ""
    assert takes_too_much_memory(f"{scheduler}\nnonsense\n{scheduler}\n") == (
        "Takes more memory than it may, again and again: appliance-scheduler.service."
    )
    forged = record("appliance-status.service", pid="77")
    other = record("postgresql@17-main.service")
    assert takes_too_much_memory("\n".join([forged, forged, other, other])) == ""


def test_a_move_of_an_earlier_release_has_no_grace_period() -> None:
    written = {"wanted": Wanted(version="2.0", requested_at=NOW).model_dump(), "former": "1.0"}
    assert Update.model_validate(written).watch_minutes == 0
