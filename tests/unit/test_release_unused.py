"""Looks do not meet, what was fetched for nothing goes, and what stands in the way is named."""

from __future__ import annotations

import errno
import fcntl
import io
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance import __version__
from appliance.cli.host import release
from appliance.cli.work.host import releases as cli
from appliance.documents.names import bundle_name
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.policy.policy import Policy
from appliance.releases import update
from appliance.releases.bundles import is_fetched
from appliance.releases.held import Held, write_held
from appliance.releases.installed import CURRENT
from appliance.releases.lock import BusyError, is_locked, opened_lock
from appliance.releases.repository.alone import looking_alone
from appliance.releases.repository.contents import this_architecture
from appliance.releases.repository.looking import Look, look_and_fetch
from appliance.releases.repository.source import Folder
from appliance.releases.repository.unused import KEPT, drop_unused
from appliance.releases.wanted import Wanted, write_outcome
from appliance.settings.settings import Settings
from tests.unit.release_rig import Machine, Vendor, serving

STABLE = ("1.2.0", "1.3.0")

NOW = datetime.now(UTC)


@pytest.fixture
def wishes(tmp_path: Path) -> Path:
    (tmp_path / "wishes").mkdir()
    return tmp_path / "wishes"


@pytest.fixture
def machine(tmp_path: Path, vendor: Vendor, wishes: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine").pin(vendor)
    made.bundles.chmod(0o755)
    for module in (cli, update):
        monkeypatch.setattr(module, "ROOT", made.root)
    monkeypatch.setattr(update, "FOLDER", wishes)
    monkeypatch.setattr(cli, "only_root", lambda _: None)
    monkeypatch.setattr(cli, "load_settings", Settings)
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy())
    return made


def wish(wishes: Path, version: str) -> Wanted:
    wanted = Wanted(version=version, requested_at=NOW)
    (wishes / "wanted.json").write_text(wanted.model_dump_json())
    return wanted


def run(machine: Machine, version: str) -> None:
    """Have it be the release that runs."""
    folder = machine.root / "releases" / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".complete").touch()
    (machine.root / CURRENT).symlink_to(folder)


def aged(machine: Machine, version: str) -> None:
    note = machine.trust.verified(version)
    assert note is not None
    machine.trust.note(note.model_copy(update={"at": NOW - KEPT - timedelta(hours=1)}))


def test_what_was_fetched_and_is_no_longer_wanted_goes_after_a_week(
    machine: Machine, vendor: Vendor, wishes: Path
) -> None:
    look = Look(machine.root, Folder(vendor.public), Policy())
    look.see()
    look.bring("1.2.0", "repository")
    look.bring("1.3.0", "repository")
    assert drop_unused(machine.root, wishes) == [], "an operator may come again"
    for version in ("1.2.0", "1.3.0"):
        aged(machine, version)
    wish(wishes, "1.3.0")
    old = machine.bundles / f".{'0' * 64}.partial"
    old.touch()
    os.utime(old, (0, 0))
    assert drop_unused(machine.root, wishes) == [old.name, bundle_name("1.2.0", this_architecture())]
    assert machine.left() == [bundle_name("1.3.0", this_architecture())]
    assert not is_fetched(machine.root, "1.2.0") and is_fetched(machine.root, "1.3.0")


def test_what_an_operator_has_brought_stays(machine: Machine, vendor: Vendor, wishes: Path) -> None:
    cli.imported(vendor.public, "1.2.0")
    aged(machine, "1.2.0")
    assert drop_unused(machine.root, wishes) == []
    assert is_fetched(machine.root, "1.2.0")


def test_a_release_that_was_here_and_was_removed_is_waited_for_again(
    machine: Machine, vendor: Vendor, wishes: Path
) -> None:
    Look(machine.root, Folder(vendor.public), Policy()).bring("1.2.0", "folder")
    (machine.bundles / bundle_name("1.2.0", this_architecture())).unlink()
    wanted = wish(wishes, "1.2.0")
    assert update._is_missing(wanted, by_operator=False)
    assert (wishes / "wanted.json").exists(), "it is no failure"
    Look(machine.root, Folder(vendor.public), Policy()).fetch_wanted(wishes)
    assert not update._is_missing(wanted, by_operator=False)


def test_a_damaged_bundle_that_is_wanted_is_fetched_again(
    machine: Machine, vendor: Vendor, wishes: Path
) -> None:
    wish(wishes, "1.2.0")
    path = machine.bundles / bundle_name("1.2.0", this_architecture())
    assert Look(machine.root, Folder(vendor.public), Policy()).fetch_wanted(wishes) == "1.2.0"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    Look(machine.root, Folder(vendor.public), Policy()).fetch_wanted(wishes)
    assert path.read_bytes() == whole


def test_a_wish_does_not_move_to_a_revoked_release_that_is_installed_still(
    machine: Machine, vendor: Vendor, wishes: Path
) -> None:
    run(machine, "1.2.0")
    vendor.repository.revoke("1.2.0", "It loses \x1b[2Jrows.")
    vendor.publish()
    Look(machine.root, Folder(vendor.public), Policy()).see()
    assert update._is_missing(wish(wishes, "1.2.0"), by_operator=False)
    assert "1.2.0 was revoked: It loses" in (wishes / "outcome.json").read_text()
    assert not update._is_missing(wish(wishes, "1.2.0"), by_operator=True), "a person may"
    assert cli.was_revoked("1.2.0") == "1.2.0 was revoked: It loses \\x1b[2Jrows."
    assert cli.was_revoked("1.3.0") == ""


def test_two_looks_do_not_meet(tmp_path: Path, machine: Machine, vendor: Vendor, wishes: Path) -> None:
    with looking_alone(machine.root):
        with pytest.raises(BusyError, match="Another look"), looking_alone(machine.root, within_s=0.0):
            pass
        with (machine.trust.folder / "look.lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with serving(vendor.public) as server:
        looked = Settings.model_validate(
            {"config_dir": str(tmp_path), "releases": {"repository": server.url}}
        )
        machine.trust.metadata.mkdir()
        (machine.trust.metadata / "tmpleft").touch()
        line = look_and_fetch(machine.root, looked, wishes)
        assert line == f"stable has 1.2.0, 1.3.0, newer than {__version__}."
        assert not (machine.trust.metadata / "tmpleft").exists()


def test_a_full_disk_is_named_to_who_looks_by_hand(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.releases.repository.seen.write_file", full)
    with pytest.raises(WorkFailedError, match="cannot be written: No space left"):
        cli.imported(vendor.public, "1.2.0")


def test_who_asks_for_no_version_is_not_led_down(
    tmp_path: Path, machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, "1.4.0rc1")
    with serving(vendor.public) as server:
        looked = Settings.model_validate(
            {"config_dir": str(tmp_path), "releases": {"repository": server.url}}
        )
        monkeypatch.setattr(cli, "load_settings", lambda: looked)
        with pytest.raises(WrongRequestError, match=r"nothing newer than 1\.4\.0rc1") as caught:
            cli.fetched(None)
        assert "apply 1.3.0" in caught.value.next_step
        assert machine.left() == []
        assert cli.fetched("1.3.0") == "1.3.0"


def test_a_look_says_what_holds_a_release_back_and_proposes_nothing_that_is_refused(
    tmp_path: Path, machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(machine, "1.0.0")
    vendor.add("1.4.0", notes="New: \x1b[31mred")
    vendor.publish()
    with serving(vendor.public) as server:
        looked = Settings.model_validate(
            {"config_dir": str(tmp_path), "releases": {"repository": server.url}}
        )
        monkeypatch.setattr(cli, "load_settings", lambda: looked)
        assert cli.look_now().lines()[-1] == "Next: sudo appliance release apply 1.4.0"
        assert "    New: \\x1b[31mred" in cli.look_now().lines()
        write_held(machine.trust.folder, Held(pin="1.3.0"))
        lines = cli.look_now().lines()
        assert lines[-1] == "Next: sudo appliance release apply 1.3.0"
        assert "pinned to 1.3.0" in lines[0]
        ripe = Policy.model_validate({"updates": {"not_before": "7d"}})
        monkeypatch.setattr(cli, "read_policy", lambda _: ripe)
        lines = cli.look_now().lines()
        assert "must have been out for 7 days" in lines[1] and not lines[-1].startswith("Next")


def test_a_hold_until_a_day_that_has_passed_is_refused(machine: Machine) -> None:
    with pytest.raises(WrongRequestError, match="has passed"):
        cli.hold_to(until=date.today() - timedelta(days=1))
    cli.hold_to(until=date.today())


def test_no_other_user_can_hold_a_lock_of_updates(tmp_path: Path) -> None:
    """Who may open a file may lock it, and for ever."""
    (tmp_path / "lock").touch(mode=0o644)
    with opened_lock(tmp_path / "lock") as file:
        assert is_locked(file)
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    with pytest.raises(OSError, match="symbolic links"):
        opened_lock(tmp_path / "link")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("http://h:p/", "proxy's address is none"),
        ("ftp://h", "proxy's address is none"),
        ("missing.pem", "authorities in .* cannot be read: No such file"),
        ("other.pem", "authorities in .* cannot be read"),
    ],
)
def test_a_way_out_that_is_set_wrong_is_named(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", wrong if "://" in wrong else "")
    (tmp_path / "other.pem").write_text("no certificate")
    more = {} if "://" in wrong else {"dashboard_ca_file": str(tmp_path / wrong)}
    looked = Settings.model_validate(
        {"config_dir": str(tmp_path), "releases": {"repository": "https://localhost:9"}, **more}
    )
    with pytest.raises(WrongRequestError, match=said):
        look_and_fetch(machine.root, looked, tmp_path / "wishes")


def test_a_stick_that_is_pulled_out_is_not_called_a_full_disk(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pulled(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def opened(descriptor: int, _: str) -> Pulled:
        os.close(descriptor)
        return Pulled()

    monkeypatch.setattr("appliance.releases.repository.source.os.fdopen", opened)
    with pytest.raises(WorkFailedError, match="A file cannot be read: Input/output error"):
        machine.look(Folder(vendor.public))


def test_what_a_killed_process_has_left_half_is_not_published(vendor: Vendor) -> None:
    half = ".x.tar.0123.new"
    for folder in (vendor.repository.folder, vendor.public):
        (folder / "targets" / "stable" / half).write_bytes(b"half")
    vendor.publish()
    assert not (vendor.public / "targets" / "stable" / half).exists()


def test_nothing_is_asked_of_what_is_not_here(machine: Machine, vendor: Vendor) -> None:
    with pytest.raises(WorkFailedError, match=r"1\.2\.0 is not on this machine"):
        CliRunner().invoke(release.app, ["use", "1.2.0"], catch_exceptions=False)
    with pytest.raises(WrongRequestError, match="not a version"):
        CliRunner().invoke(release.app, ["use", "../../x"], catch_exceptions=False)
    cli.imported(vendor.public, "1.2.0")
    cli.check_is_here("1.2.0")


@pytest.mark.parametrize("made_of_it", ["nothing", "a link", "a file", "a folder for the answer"])
def test_a_folder_that_its_user_has_spoilt_keeps_no_move_from_its_end(
    tmp_path: Path, made_of_it: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "update"
    if made_of_it == "a link":
        folder.symlink_to("/etc")
    elif made_of_it == "a file":
        folder.touch()
    elif made_of_it == "a folder for the answer":
        (folder / "outcome.json").mkdir(parents=True)
    write_outcome(folder, Wanted(version="1.2.0", requested_at=NOW), "done", "")
    assert f"Nothing can be answered in {folder}: " in capsys.readouterr().err
    assert not Path("/etc/outcome.json").exists()


def test_a_root_of_trust_that_is_damaged_is_not_the_repository_s_fault(
    machine: Machine, vendor: Vendor
) -> None:
    (machine.trust.folder / "root.json").write_text("{")
    with pytest.raises(WorkFailedError, match="root of trust of this machine is damaged"):
        machine.look(Folder(vendor.public))
