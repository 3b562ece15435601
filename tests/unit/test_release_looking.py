"""What an appliance does with a release repository: it looks, fetches what is wanted, and is held."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from appliance.cli.work.host import releases as cli
from appliance.documents.names import bundle_name
from appliance.errors import ApplianceError, RefusedError, WorkFailedError, WrongRequestError
from appliance.policy.policy import Policy
from appliance.releases import update
from appliance.releases.bundles import find_bundle
from appliance.releases.held import Held, held_back, read_held, write_held
from appliance.releases.repository import looking
from appliance.releases.repository.contents import this_architecture
from appliance.releases.repository.looking import Look, look_and_fetch
from appliance.releases.repository.seen import read_seen
from appliance.releases.repository.source import Folder
from appliance.releases.repository.trust import Verified
from appliance.releases.wanted import Wanted
from appliance.releases.window import too_early
from appliance.settings.settings import Settings
from tests.unit.release_rig import Handler, Machine, Vendor, serving, write_bundle

NOW = datetime.now(UTC)


@pytest.fixture
def machine(tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine").pin(vendor)
    made.bundles.chmod(0o755)
    for module in (cli, update):
        monkeypatch.setattr(module, "ROOT", made.root)
    monkeypatch.setattr(update, "FOLDER", tmp_path / "wishes")
    (tmp_path / "wishes").mkdir()
    return made


def bundle(machine: Machine, version: str = "1.2.0") -> Path:
    return machine.bundles / bundle_name(version, this_architecture())


def wish(tmp_path: Path, version: str) -> Wanted:
    wanted = Wanted(version=version, requested_at=NOW)
    (tmp_path / "wishes" / "wanted.json").write_text(wanted.model_dump_json())
    return wanted


def settings(tmp_path: Path, url: str) -> Settings:
    return Settings.model_validate({"config_dir": str(tmp_path), "releases": {"repository": url}})


def test_what_is_wanted_is_fetched_verified_and_may_be_installed(
    tmp_path: Path, machine: Machine, vendor: Vendor
) -> None:
    wish(tmp_path, "1.2.0")
    with serving(vendor.public) as server:
        line = look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
        assert "1.2.0 was fetched" in line
        asked = len(server.asked)
        again = look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
        assert "fetched" not in again
        assert not [path for path, _ in server.asked[asked:] if path.endswith(".tar")]
    path, digest = find_bundle(machine.root, "1.2.0")
    assert path == bundle(machine)
    assert digest == vendor.repository.index("stable").releases[0].bundles[this_architecture()].sha256


def swapped(vendor: Vendor) -> None:
    """Another file under the name of the signed one."""
    path = next((vendor.public / "targets" / "stable").glob("*.tar"))
    text = path.read_bytes().replace(b"masked", b"secret")
    path.unlink()
    path.write_bytes(text)


def redirected(handler: Handler, path: str) -> bool:
    if path.endswith(".tar"):
        handler.answer(302, b"", Location="http://127.0.0.2:1/evil.tar")
    return path.endswith(".tar")


@pytest.mark.parametrize("attack", ["swapped", "redirected"])
def test_why_a_download_came_to_nothing_is_there_for_the_page_and_the_wish_waits(
    attack: str, tmp_path: Path, machine: Machine, vendor: Vendor
) -> None:
    wanted = wish(tmp_path, "1.2.0")
    said = {"swapped": "not the one that was signed", "redirected": "redirects are not followed"}[attack]
    with serving(vendor.public) as server:
        if attack == "swapped":
            swapped(vendor)
        else:
            server.attack = redirected
        with pytest.raises(WorkFailedError, match=said):
            look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
        seen = read_seen(machine.root)
        assert seen and said in seen.problem and seen.refused is None
        assert [each.version for each in seen.releases] == ["1.2.0"]
        assert update._is_missing(wanted, by_operator=False)
        assert (tmp_path / "wishes" / "wanted.json").exists()
        assert not [name for name in machine.left() if name.endswith(".tar")]
        server.attack = lambda *_: False
        if attack == "redirected":
            look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
            mended = read_seen(machine.root)
            assert mended and mended.problem == ""


def test_without_a_wish_nothing_is_fetched(tmp_path: Path, machine: Machine, vendor: Vendor) -> None:
    with serving(vendor.public) as server:
        line = look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
    assert "1.2.0" in line
    assert machine.left() == []


def test_a_machine_that_trusts_nothing_asks_nobody(tmp_path: Path, vendor: Vendor) -> None:
    with serving(vendor.public) as server:
        line = look_and_fetch(tmp_path / "other", settings(tmp_path, server.url), tmp_path)
        assert "none is looked at" in line
        assert server.asked == []


def test_a_wish_for_what_no_channel_has_is_answered(tmp_path: Path, machine: Machine, vendor: Vendor) -> None:
    wanted = wish(tmp_path, "9.9.9")
    with serving(vendor.public) as server, pytest.raises(WrongRequestError, match=r"no release 9\.9\.9"):
        look_and_fetch(machine.root, settings(tmp_path, server.url), tmp_path / "wishes")
    assert update._is_missing(wanted, by_operator=False)
    outcome = json.loads((tmp_path / "wishes" / "outcome.json").read_text())
    assert outcome["result"] == "refused"
    assert "no release 9.9.9" in outcome["message"]
    assert not (tmp_path / "wishes" / "wanted.json").exists()


def test_a_wish_waits_while_its_bundle_is_being_fetched(tmp_path: Path, machine: Machine) -> None:
    wanted = wish(tmp_path, "1.2.0")
    assert update._is_missing(wanted, by_operator=False)
    assert (tmp_path / "wishes" / "wanted.json").exists()


def test_a_look_that_fails_is_written_down_with_its_reason(machine: Machine, vendor: Vendor) -> None:
    Look(machine.root, Folder(vendor.public), Policy()).see()
    (vendor.public / "metadata" / "timestamp.json").write_text("{}")
    with pytest.raises(WorkFailedError):
        Look(machine.root, Folder(vendor.public), Policy()).see()
    seen = read_seen(machine.root)
    assert seen
    assert "not believed" in seen.problem
    assert [each.version for each in seen.releases] == ["1.2.0"]


def test_a_revoked_release_that_was_fetched_is_no_longer_installed(machine: Machine, vendor: Vendor) -> None:
    look = Look(machine.root, Folder(vendor.public), Policy())
    look.see()
    look.bring("1.2.0", "folder")
    vendor.repository.revoke("1.2.0", "It loses rows.")
    vendor.publish()
    Look(machine.root, Folder(vendor.public), Policy()).see()
    with pytest.raises(WorkFailedError, match="nothing has signed for it"):
        find_bundle(machine.root, "1.2.0")


def test_a_bundle_put_there_by_hand_is_refused_where_a_root_is_trusted(machine: Machine) -> None:
    path = bundle(machine)
    path.write_bytes(b"")
    path.with_suffix(".tar.sha256").write_text("a" * 64)
    with pytest.raises(WorkFailedError, match="nothing has signed for it"):
        find_bundle(machine.root, "1.2.0")


def test_an_exception_is_for_a_person_at_a_terminal_and_is_written_down(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(write_bundle(tmp_path, "3.0.0"), bundle(machine, "3.0.0"))
    digest = cli.hashlib.sha256(bundle(machine, "3.0.0").read_bytes()).hexdigest()
    with pytest.raises(RefusedError, match="trusted by a person only"):
        cli.trust_by_hand("3.0.0", digest)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(WrongRequestError, match="another SHA-256"):
        cli.trust_by_hand("3.0.0", "0" * 64)
    cli.trust_by_hand("3.0.0", digest)
    assert find_bundle(machine.root, "3.0.0") == (bundle(machine, "3.0.0"), digest)
    (line,) = (machine.trust.folder / "unsigned.log").read_text().splitlines()
    assert json.loads(line)["sha256"] == digest


def test_a_stick_gives_the_newest_or_what_was_asked_for(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.add("1.3.0")
    vendor.publish()
    monkeypatch.setattr(cli, "load_settings", Settings)
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy())
    assert cli.imported(vendor.public, None) == "1.3.0"
    assert cli.imported(vendor.public, "1.2.0") == "1.2.0"
    with pytest.raises(WrongRequestError, match="holds no release repository"):
        cli.imported(vendor.folder, None)
    rows = [(each.version, each.state) for each in cli.known_releases(machine.root)]
    assert rows == [("1.2.0", "available"), ("1.3.0", "available")]


def test_policy_refuses_before_a_byte_is_fetched(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "load_settings", Settings)
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy.model_validate({"updates": {"pin": "1.1.0"}}))
    with pytest.raises(RefusedError, match=r"stays on 1\.1\.0"):
        cli.imported(vendor.public, "1.2.0")
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy())
    write_held(machine.trust.folder, Held(pin="1.1.0"))
    with pytest.raises(RefusedError, match=r"pinned to 1\.1\.0"):
        cli.imported(vendor.public, "1.2.0")
    assert machine.left() == []


def test_the_first_bundle_is_held_against_the_metadata(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "load_settings", Settings)
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy())
    shutil.rmtree(machine.trust.folder)
    own = vendor.repository.index("stable").releases[0].bundles[this_architecture()].sha256
    digest = vendor.repository.root_digest()
    lines = cli.pin_root(digest, vendor.public, own, None)
    assert "1.2.0 of stable" in lines[1]
    with pytest.raises(WorkFailedError, match="Nothing has signed"):
        cli.pin_root(digest, vendor.public, "0" * 64, None)
    with pytest.raises(ApplianceError, match="no root of trust"):
        cli.pin_root("0" * 64, vendor.public, own, None)


def test_a_pin_holds_everybody_and_a_hold_what_comes_by_itself(tmp_path: Path) -> None:
    today = date(2026, 12, 1)
    held = Held(until=date(2026, 12, 3))
    assert held_back(held, "1.3.0", today, by_operator=True) == ()
    assert "held until 2026-12-03" in held_back(held, "1.3.0", today, by_operator=False)[0].what
    assert held_back(held, "1.3.0", date(2026, 12, 4), by_operator=False) == ()
    pinned = Held(pin="1.2.0")
    assert held_back(pinned, "1.2.0", today, by_operator=False) == ()
    assert held_back(pinned, "1.3.0", today, by_operator=True)[0].rule == "pin"
    write_held(tmp_path, pinned)
    assert read_held(tmp_path) == pinned
    (tmp_path / "held.json").write_text("{")
    with pytest.raises(WorkFailedError, match="cannot be read"):
        read_held(tmp_path)


def test_a_release_ripens_and_a_freeze_passes() -> None:
    policy = Policy.model_validate(
        {"updates": {"not_before": "7d", "freeze": [{"from": "2026-12-18", "to": "2027-01-04"}]}}
    )
    out = datetime(2026, 12, 1, tzinfo=UTC)

    def rules(now: datetime, released_at: datetime | None = out) -> list[str]:
        return [each.rule for each in too_early(policy, now, "1.3.0", released_at)]

    assert rules(out + timedelta(days=6)) == ["updates.not_before"]
    assert rules(out + timedelta(days=7)) == []
    assert rules(out + timedelta(days=7), None) == ["updates.not_before"]
    assert rules(datetime(2026, 12, 18, tzinfo=UTC)) == ["updates.freeze"]
    assert rules(datetime(2027, 1, 4, 23, tzinfo=UTC)) == ["updates.freeze"]
    assert rules(datetime(2027, 1, 5, tzinfo=UTC)) == []


def test_a_wish_waits_for_its_age_and_an_operator_is_refused(machine: Machine) -> None:
    policy = Policy.model_validate({"updates": {"not_before": "7d"}})
    note = Verified(version="1.3.0", sha256="0" * 64, how="repository", released_at=NOW, at=NOW)
    machine.trust.note(note)
    wanted = Wanted(version="1.3.0", requested_at=NOW)
    assert update._is_held(policy, wanted, by_operator=False, back=False)
    with pytest.raises(RefusedError, match="must have been out for 7 days"):
        update._is_held(policy, wanted, by_operator=True, back=False)
    assert not update._is_held(policy, wanted, by_operator=True, back=True), "the way back is always open"


WRONG = (None, "ftp://releases", "https://name:secret@releases.example.com", "https://[x", "https://x:99999")


@pytest.mark.parametrize("url", [*WRONG, "https://releases.example.com/#x"])
def test_an_address_that_cannot_be_one_is_refused(tmp_path: Path, url: str | None) -> None:
    with pytest.raises(WrongRequestError, match=r"repository|address"):
        looking.address(Settings.model_validate({"releases": {"repository": url}}))


def test_it_goes_through_the_proxy_of_the_deploy(
    tmp_path: Path, machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        for each in (name, name.lower()):
            monkeypatch.setenv(each, "")
            monkeypatch.delenv(each)
    with serving(vendor.public) as proxy:
        (tmp_path / "proxy.env").write_text(f'HTTP_PROXY="{proxy.url}"\nNO_PROXY="localhost"\n')
        with pytest.raises(WorkFailedError):
            look_and_fetch(machine.root, settings(tmp_path, "http://releases.example"), tmp_path / "wishes")
        assert proxy.asked[0][0] == "http://releases.example/metadata/2.root.json"
