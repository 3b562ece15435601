"""An update ends in one of two ways, wherever it is killed and whatever of it fails."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.errors import WorkFailedError
from appliance.releases import bundles
from appliance.releases.bundles import find_bundle
from appliance.releases.failures import (
    failures,
    forget_failures,
    given_up,
    keep_journal,
    kept_journals,
    last_lines,
    note_failure,
    version_of,
)
from appliance.releases.host import failures_in, replace_units
from appliance.releases.installed import CURRENT, installed, linked, point
from appliance.releases.machine import PROVING_MAX, Update, carry_on, resumed
from appliance.releases.under_way import keep_update, read_update
from appliance.releases.wanted import Wanted, forget_wanted, read_wanted, write_outcome
from appliance.system.findings import fail, ok, warn
from tests.unit.release_machine import SCHEMAS, KilledError, Machine

WANTED = Wanted(version="2.0", requested_at=datetime(2026, 1, 1, tzinfo=UTC), command_id="c-1")
OLDER = WANTED.model_copy(update={"version": "1.0"})
DEEDS = (
    "install", "in_contact", "stop", "metadata_version", "save_metadata", "switch", "start", "unproven",
    "probe", "wrong", "settle",
)  # fmt: skip
DEEDS_DOWN = (*DEEDS, "lower_metadata", "keep_copy")


UPDATED = ("2.0", "2.0", "schema 2", True, "")
AS_BEFORE = ("1.0", "1.0", "schema 1", True, "")


def attempt(machine: Machine, folder: Path) -> Update:
    """What one start of the update service does: begin, or carry on with what is found."""
    begun = Update(wanted=WANTED, former="1.0")
    if machine.former == "2.0":
        begun = Update(wanted=OLDER, former="2.0", lower_to=SCHEMAS["1.0"])
    update = read_update(folder) or begun
    return carry_on(resumed(update), machine, lambda reached: keep_update(folder, reached))


def struck_at(moment: str, nth: int, error: BaseException) -> Callable[[str], None]:
    """Raise it the ``nth`` time that this moment comes, once."""
    seen = []

    def strike(now: str) -> None:
        seen.append(now)
        if now == moment and seen.count(now) == nth:
            raise error

    return strike


def moments(machine: Machine, folder: Path) -> list[tuple[str, int]]:
    """Every moment of an undisturbed update, and the how-manieth of its name it is."""
    seen: list[str] = []
    machine.strike = seen.append
    attempt(machine, folder)
    return [(moment, seen[: index + 1].count(moment)) for index, moment in enumerate(seen)]


DOWN = ("1.0", "1.0", "schema 1", True, "")
AS_BEFORE_DOWN = ("2.0", "2.0", "schema 2", True, "")
FATES: dict[str, tuple[Callable[[], Machine], tuple[object, ...], str]] = {
    "good": (Machine, UPDATED, "done"),
    "broken": (lambda: Machine(broken="2.0"), AS_BEFORE, "failed"),
    "broken in its probe": (lambda: Machine(fails_its_probe=True), AS_BEFORE, "failed"),
    "fails later": (lambda: Machine(fails_later=True), AS_BEFORE, "failed"),
    "down": (lambda: Machine(current="2.0"), DOWN, "done"),
    "down to a broken one": (lambda: Machine(current="2.0", broken="1.0"), AS_BEFORE_DOWN, "failed"),
    "down to one that fails later": (
        lambda: Machine(current="2.0", fails_later=True),
        AS_BEFORE_DOWN,
        "failed",
    ),
}


@pytest.mark.parametrize("fate", FATES)
def test_killed_at_any_moment_an_update_carries_on_to_its_end(fate: str, tmp_path: Path) -> None:
    make, end, state = FATES[fate]
    (tmp_path / "undisturbed").mkdir()
    all_of_them = moments(make(), tmp_path / "undisturbed")
    assert len(all_of_them) > 15
    for moment, nth in all_of_them:
        folder = tmp_path / f"{moment} {nth}"
        folder.mkdir()
        machine = make()
        machine.strike = struck_at(moment, nth, KilledError())
        with pytest.raises(KilledError):
            attempt(machine, folder)
        update = attempt(machine, folder)
        assert (update.state, machine.state()) == (state, end), f"{moment}, time {nth}"
        assert not machine.left_by_a_probe, f"{moment}, time {nth}"


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_in_any_deed_ends_in_one_of_the_two_ends(deed: str, when: str, tmp_path: Path) -> None:
    machine = Machine()
    machine.strike = struck_at(f"{when} {deed}", 1, WorkFailedError("The disk is full."))
    if deed == "settle":
        with pytest.raises(WorkFailedError):
            attempt(machine, tmp_path)
        assert attempt(machine, tmp_path).state == "done"
        assert machine.state() == UPDATED
        return
    update = attempt(machine, tmp_path)
    if deed == "wrong":
        assert (update.state, machine.state()) == ("done", UPDATED), "who cannot look knows nothing"
        return
    assert update.state == "failed"
    assert "The disk is full." in update.message
    assert machine.state() == AS_BEFORE


@pytest.mark.parametrize("deed", DEEDS_DOWN)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_on_the_way_down_ends_in_one_of_the_two_ends(deed: str, when: str, tmp_path: Path) -> None:
    machine = Machine(current="2.0")
    machine.strike = struck_at(f"{when} {deed}", 1, WorkFailedError("The disk is full."))
    if deed in ("settle", "keep_copy"):
        with pytest.raises(WorkFailedError):
            attempt(machine, tmp_path)
        machine.strike = lambda _: None
    update = attempt(machine, tmp_path)
    if deed in ("settle", "keep_copy", "wrong"):
        assert (update.state, machine.state()) == ("done", DOWN)
        assert machine.kept == ["schema 2 of 2.0"]
        return
    assert (update.state, machine.state()) == ("failed", AS_BEFORE_DOWN)
    assert "The disk is full." in update.message


def test_what_was_recorded_before_a_way_down_is_kept_aside_and_of_a_way_up_nothing_is(tmp_path: Path) -> None:
    for name, machine, kept in (
        ("down", Machine(current="2.0"), ["schema 2 of 2.0"]),
        ("up", Machine(), []),
        ("broken", Machine(broken="2.0"), []),
    ):
        (tmp_path / name).mkdir()
        attempt(machine, tmp_path / name)
        assert machine.kept == kept, name


def test_what_was_recorded_in_a_grace_period_is_kept_aside_when_it_is_gone_back_from(tmp_path: Path) -> None:
    machine = Machine(fails_later=True)
    assert attempt(machine, tmp_path).state == "failed"
    assert machine.kept == ["schema 2 of 2.0"]


def test_the_journal_of_a_release_that_fails_is_kept_and_of_no_other(tmp_path: Path) -> None:
    good, broken = Machine(), Machine(broken="2.0")
    for name, machine in (("good", good), ("broken", broken)):
        (tmp_path / name).mkdir()
        attempt(machine, tmp_path / name)
    assert (good.journals, broken.journals) == ([], ["2.0"])


def test_a_release_that_has_failed_twice_waits_for_a_person(tmp_path: Path) -> None:
    assert given_up(tmp_path, "2.0") == ""
    first, second = WANTED.requested_at, WANTED.requested_at + timedelta(hours=1)
    for _ in range(3):
        # Its process may be killed after that, and ends the same move again.
        note_failure(tmp_path, "2.0", "The scheduler is not proven.", first)
        assert given_up(tmp_path, "2.0") == ""
    note_failure(tmp_path, "2.0", "The scheduler is not proven.", second)
    assert "sudo appliance release apply 2.0" in given_up(tmp_path, "2.0")
    assert given_up(tmp_path, "2.1") == ""
    forget_failures(tmp_path, "2.0")
    assert given_up(tmp_path, "2.0") == ""


def test_what_is_remembered_of_failures_and_cannot_be_read_holds_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "failures.json").write_text("{")
    assert given_up(tmp_path, "2.0") == ""
    note_failure(tmp_path, "2.0", "x", WANTED.requested_at)
    assert failures(tmp_path)["2.0"].times == 1


def test_of_a_journal_without_end_its_last_lines_are_kept_and_little_is_held(tmp_path: Path) -> None:
    written = "import sys\nfor n in range(200_000): sys.stdout.write(f'{n:09}\\n')"
    found = last_lines([sys.executable, "-c", written], 105).splitlines()
    assert found == [f"{number:09}" for number in range(199_990, 200_000)]
    assert last_lines([sys.executable, "-c", "print(1)"], 100) == "1\n"
    with pytest.raises(FileNotFoundError):
        last_lines([str(tmp_path / "missing")], 100)


def test_the_journals_of_the_last_three_failures_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        keep_journal(tmp_path, f"2.{number}", "{}")
        os.utime(tmp_path / f"failed-2.{number}.journal", (number, number))
    assert [version_of(path) for path in kept_journals(tmp_path)] == ["2.4", "2.3", "2.2"]


def test_a_roll_back_that_fails_is_tried_again(tmp_path: Path) -> None:
    machine = Machine(broken="2.0")
    machine.strike = struck_at("before restore_metadata", 1, WorkFailedError("PostgreSQL is away."))
    with pytest.raises(WorkFailedError):
        attempt(machine, tmp_path)
    update = attempt(machine, tmp_path)
    assert update.message == "The scheduler is not proven. 1.0 runs again."
    assert machine.state() == AS_BEFORE


@pytest.mark.parametrize("moment", ["before unproven", "before probe", "within probe"])
def test_a_release_that_reboots_the_machine_again_and_again_is_left(moment: str, tmp_path: Path) -> None:
    machine = Machine()
    deaths = 0
    while deaths < PROVING_MAX:
        machine.strike = struck_at(moment, 1, KilledError())
        with pytest.raises(KilledError):
            attempt(machine, tmp_path)
        deaths += 1
    machine.strike = lambda _: None
    assert attempt(machine, tmp_path).state == "failed"
    assert machine.state() == AS_BEFORE
    assert not machine.left_by_a_probe


def test_the_link_to_the_live_release_is_replaced_in_one_step(tmp_path: Path) -> None:
    for version in ("0.9", "0.10", "0.10rc1"):
        (tmp_path / "releases" / version).mkdir(parents=True)
        (tmp_path / "releases" / version / ".complete").touch()
    (tmp_path / "releases" / "0.11").mkdir()
    assert installed(tmp_path) == ["0.9", "0.10rc1", "0.10"]
    for version in ("0.9", "0.10"):
        point(tmp_path, CURRENT, version)
        assert linked(tmp_path, CURRENT) == version


def test_what_is_asked_for_is_read_and_answered_without_following_a_link(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.json"
    wanted.write_text(WANTED.model_dump_json())
    assert read_wanted(tmp_path) == WANTED
    secret = tmp_path / "elsewhere"
    secret.write_text("the file of another")
    (tmp_path / ".outcome.json.new").symlink_to(secret)
    write_outcome(tmp_path, WANTED, "done", "2.0 runs.")
    assert secret.read_text() == "the file of another"
    answer = json.loads((tmp_path / "outcome.json").read_text())
    assert {key: answer[key] for key in ("version", "result", "command_id")} == {
        "version": "2.0", "result": "done", "command_id": "c-1",
    }  # fmt: skip
    assert (tmp_path / "outcome.json").stat().st_mode & 0o777 == 0o644
    forget_wanted(tmp_path, WANTED)
    assert not wanted.exists()
    wanted.symlink_to(secret)
    assert read_wanted(tmp_path) is None


def test_what_was_asked_for_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "wanted.json").write_text(WANTED.model_copy(update={"version": "3.0"}).model_dump_json())
    forget_wanted(tmp_path, WANTED)
    assert (tmp_path / "wanted.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"version": "../../etc", "requested_at": "2026-01-01T00:00:00Z"}']
)
def test_nonsense_is_no_request(text: str, tmp_path: Path) -> None:
    (tmp_path / "wanted.json").write_text(text)
    assert read_wanted(tmp_path) is None


def test_only_a_bundle_that_root_alone_could_have_put_there_is_used(tmp_path: Path) -> None:
    folder = tmp_path / bundles.FOLDER
    folder.mkdir(mode=0o755)
    bundle = folder / f"appliance-2.0-{os.uname().machine}.tar"
    bundle.write_bytes(b"")
    beside = bundle.with_suffix(".tar.sha256")
    beside.write_text(f"{'a' * 64}  {bundle.name}\n")
    assert find_bundle(tmp_path, "2.0") == (bundle, "a" * 64)
    for path in (folder, bundle, beside):
        path.chmod(path.stat().st_mode | 0o020)
        with pytest.raises(WorkFailedError, match="will not be used"):
            find_bundle(tmp_path, "2.0")
        path.chmod(path.stat().st_mode & ~0o022)
    beside.write_text("no digest\n")
    with pytest.raises(WorkFailedError, match="SHA-256"):
        find_bundle(tmp_path, "2.0")
    with pytest.raises(WorkFailedError, match="not on this machine"):
        find_bundle(tmp_path, "3.0")


def test_units_become_those_of_the_release_but_for_what_was_left_out(tmp_path: Path) -> None:
    former, wanted, live = (tmp_path / name for name in ("former", "wanted", "live"))
    for folder in (former, wanted, live):
        folder.mkdir()
    for name in ("appliance-a.service", "appliance-gone.service", "appliance-left-out.service"):
        (former / name).write_text("[Service]\n")
    for name in ("appliance-a.service", "appliance-gone.service"):
        (live / name).write_text("[Service]\n")
    for name in ("appliance-a.service", "appliance-new.slice", "appliance-left-out.service"):
        (wanted / name).write_text("[Service]\nNice=1\n")
    (live / "other.service").write_text("[Service]\n")
    replace_units(former, wanted, live)
    assert sorted(path.name for path in live.iterdir()) == [
        "appliance-a.service", "appliance-new.slice", "other.service",
    ]  # fmt: skip
    assert (live / "appliance-a.service").read_text() == "[Service]\nNice=1\n"


def test_what_units_share_comes_and_goes_with_the_release_that_has_it(tmp_path: Path) -> None:
    former, wanted, live = (tmp_path / name for name in ("former", "wanted", "live"))
    for folder in (former, wanted, live):
        folder.mkdir()
        (folder / "appliance-a.service").write_text("[Service]\n")
    shared, own = "appliance-.service.d/50-sandbox.conf", "appliance-a.service.d/credential.conf"
    (wanted / shared).parent.mkdir()
    (wanted / shared).write_text("[Service]\nPrivateTmp=yes\n")
    (live / own).parent.mkdir()
    (live / own).write_text("[Service]\n")
    replace_units(former, wanted, live)
    assert (live / shared).read_text() == "[Service]\nPrivateTmp=yes\n"
    (live / shared).unlink()
    replace_units(wanted, wanted, live)
    assert (live / shared).exists(), "an updater from before it would have left it out"
    replace_units(wanted, former, live)
    assert not (live / shared).exists() and (live / own).exists()


def test_what_a_releases_preflight_says_against_the_machine_is_told() -> None:
    findings = [
        ok("system", "It is Debian."),
        warn("clock", "It drifts.", "x"),
        fail("cpu", "It is slow.", "y"),
    ]
    report = json.dumps({"ok": False, "findings": [finding.as_json() for finding in findings]})
    assert failures_in(report) == ["cpu: It is slow."]
    for other in ("", "No such command 'preflight'.", "[]", "{}"):
        assert failures_in(other) == []
