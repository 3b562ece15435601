"""What a vendor puts into the release repository is what machines find, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest
from typer.testing import CliRunner

from appliance import durable
from appliance.dashboard.repository.cli import app
from appliance.dashboard.repository.keys import Keys
from appliance.dashboard.repository.vendor import ReleaseRepository
from appliance.errors import ApplianceError, WrongRequestError
from appliance.releases.repository.source import Folder
from tests.unit.release_rig import Machine, Vendor, reading, serving, write_bundle


def versions(machine: Machine, vendor: Vendor, channel: str = "stable") -> list[str]:
    index = machine.look(Folder(vendor.public)).channel(channel)
    return [release.version for release in index.releases]


def test_a_release_goes_from_candidate_to_stable_byte_for_byte(machine: Machine, vendor: Vendor) -> None:
    vendor.add("1.10.0", "candidate", "Faster.")
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0"]
    vendor.repository.promote("1.10.0", "candidate", "stable")
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0", "1.10.0"], "10 comes after 2"
    fetched = machine.fetch(Folder(vendor.public), "1.10.0")
    assert fetched.read_bytes() == (vendor.folder / "made" / "1.10.0.tar").read_bytes()
    found = machine.look(Folder(vendor.public)).channel("stable").find("1.10.0")
    assert found
    assert found.notes == "Faster."


def test_a_revoked_release_is_fetched_by_nobody_and_says_why(machine: Machine, vendor: Vendor) -> None:
    vendor.repository.revoke("1.2.0", "It loses rows.")
    vendor.publish()
    assert not list(vendor.public.rglob("*.tar"))
    with pytest.raises(WrongRequestError, match=r"1\.2\.0 was revoked\.\nIt loses rows"):
        machine.fetch(Folder(vendor.public))
    with pytest.raises(WrongRequestError, match="was revoked"):
        vendor.add("1.2.0")


def test_a_version_names_one_release_for_good(vendor: Vendor) -> None:
    other = write_bundle(vendor.folder / "other", "1.2.0", b"other")
    with pytest.raises(WrongRequestError, match="another bundle"):
        vendor.repository.add(other, "candidate")


def test_stable_has_final_releases_only(vendor: Vendor) -> None:
    with pytest.raises(WrongRequestError, match="no final release"):
        vendor.add("1.3.0rc1")
    vendor.add("1.3.0rc1", "edge")
    with pytest.raises(WrongRequestError, match="no final release"):
        vendor.repository.promote("1.3.0rc1", "edge", "stable")


@pytest.mark.parametrize(
    "name", ["root-1", "root-3", "targets", "snapshot", "timestamp", "stable", "candidate", "edge"]
)
def test_a_machine_follows_a_change_of_any_key(machine: Machine, vendor: Vendor, name: str) -> None:
    machine.look(Folder(vendor.public))
    former = list((vendor.folder / "keys").glob(f"{name}.*"))
    vendor.repository.rotate_key(name)
    for path in former:
        path.unlink()
    vendor.repository = ReleaseRepository(vendor.folder / "repository", Keys([vendor.folder / "keys"]))
    vendor.add("1.3.0")
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0", "1.3.0"]
    fresh = Machine(machine.root.with_name("fresh")).pin(vendor)
    assert versions(fresh, vendor) == ["1.2.0", "1.3.0"]


class KilledError(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", [2, 3, 4])
@pytest.mark.parametrize("name", ["targets", "stable", "snapshot"])
def test_a_change_of_a_key_that_is_cut_off_is_brought_to_its_end_before_anything_is_published(
    machine: Machine, vendor: Vendor, name: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def killed(file: BinaryIO, is_durable: bool, mode: int, owner: tuple[int, int] | None) -> None:
        written.append(mode)
        if len(written) == at:
            raise KilledError
        complete(file, is_durable, mode, owner)

    complete = durable._complete
    with monkeypatch.context() as struck:
        struck.setattr(durable, "_complete", killed)
        with pytest.raises(KilledError):
            vendor.repository.rotate_key(name)
    keys = vendor.folder / "keys"
    vendor.repository = ReleaseRepository(vendor.folder / "repository", Keys([keys]))
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0"]


def test_what_no_machine_would_believe_is_not_published(machine: Machine, vendor: Vendor) -> None:
    with vendor.repository.signed.edit_targets() as targets:
        assert targets.delegations and targets.delegations.roles
        targets.revoke_key(targets.delegations.roles["stable"].keyids[0], "stable")
        targets.add_key(Keys([vendor.folder / "elsewhere"]).make("stable"), "stable")
    with pytest.raises(WrongRequestError, match="not enough keys here to sign stable"):
        vendor.publish()
    assert versions(machine, vendor) == ["1.2.0"]
    vendor.repository = ReleaseRepository(
        vendor.folder / "repository", Keys([vendor.folder / "keys", vendor.folder / "elsewhere"])
    )
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0"]


def test_all_root_keys_are_changed_one_after_the_other(machine: Machine, vendor: Vendor) -> None:
    for number in (1, 2, 3):
        former = list((vendor.folder / "keys").glob(f"root-{number}.*"))
        vendor.repository.rotate_key(f"root-{number}")
        for path in former:
            path.unlink()
        vendor.repository = ReleaseRepository(vendor.folder / "repository", Keys([vendor.folder / "keys"]))
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0"]


def test_daily_work_needs_no_key_that_is_kept_offline(machine: Machine, vendor: Vendor) -> None:
    keys = vendor.folder / "keys"
    for path in [*keys.glob("root-*"), *keys.glob("targets.*")]:
        path.unlink()
    vendor.repository = ReleaseRepository(vendor.folder / "repository", Keys([keys]))
    vendor.add("1.3.0")
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0", "1.3.0"]
    with pytest.raises(WrongRequestError, match="not enough keys here to sign root"):
        vendor.repository.rotate_key("timestamp")
    vendor.publish()
    assert versions(machine, vendor) == ["1.2.0", "1.3.0"], "nothing was changed by half"


def test_an_unchanged_timestamp_is_not_sent_again(machine: Machine, vendor: Vendor) -> None:
    with serving(vendor.public) as server, reading(server) as source:
        machine.look(source)
        before = len(server.asked)
        machine.look(source)
        again = [path for path, _ in server.asked[before:]]
        assert again == ["/metadata/2.root.json", "/metadata/timestamp.json"]
        assert "If-None-Match".lower() in {name.lower() for name in server.asked[-1][1]}


def test_the_command_line_makes_one_from_nothing(tmp_path: Path) -> None:
    def command(*words: str) -> str:
        done = CliRunner().invoke(app, [*words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    where = ["--repository", str(tmp_path / "r"), "--keys", str(tmp_path / "k")]
    where += ["--passphrase-file", str(secret)]
    digest = command("init", *where).split()[-1]
    assert all("ENCRYPTED" in path.read_text() for path in (tmp_path / "k").iterdir())
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "k").iterdir()} == {0o600}
    bundle = str(write_bundle(tmp_path, "2.0.0"))
    command("add", bundle, "--channel", "candidate", *where)
    command("promote", "2.0.0", *where)
    command("publish", str(tmp_path / "public"), *where)
    shown = command("list", "--repository", str(tmp_path / "r"))
    assert digest in shown
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [
        ["stable", "2.0.0"],
        ["candidate", "2.0.0"],
    ]
    with pytest.raises(ApplianceError, match="cannot be read"):
        CliRunner().invoke(app, ["add", bundle, *where[:4]], catch_exceptions=False)
