"""An attacker who has the release repository's server, or some of its keys, installs and fills nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root, Targets, Timestamp

from appliance.dashboard.repository import metadata
from appliance.dashboard.repository.keys import Keys
from appliance.errors import ApplianceError, WorkFailedError
from appliance.releases.repository import repository
from appliance.releases.repository.source import Folder, Pace, Server
from tests.unit.release_rig import (
    BODY,
    UNHURRIED,
    Attack,
    Handler,
    HostileServer,
    Machine,
    Vendor,
    reading,
    serving,
)


@pytest.fixture
def server(vendor: Vendor) -> Iterator[HostileServer]:
    with serving(vendor.public) as started:
        yield started


@pytest.fixture
def source(server: HostileServer) -> Iterator[Server]:
    with reading(server) as opened:
        yield opened


def refused(machine: Machine, source: Server | Folder) -> str:
    """Nothing is there to be installed, nothing was filled, and this is why."""
    before = machine.left()
    with pytest.raises(ApplianceError) as caught:
        machine.fetch(source)
    assert "1.2.0.tar" not in machine.left()
    assert machine.bytes_taken() < 2 * len(BODY)
    assert before == [] or before == machine.left()
    return " ".join(caught.value.text().split())


def test_without_an_attack_the_bundle_comes_whole(machine: Machine, source: Server, vendor: Vendor) -> None:
    path = machine.fetch(source)
    assert path.read_bytes() == (vendor.folder / "made" / "1.2.0.tar").read_bytes()
    assert machine.left() == ["1.2.0.tar"]


def test_old_metadata_that_is_replayed_is_not_believed(
    tmp_path: Path, machine: Machine, vendor: Vendor, server: HostileServer, source: Server
) -> None:
    shutil.copytree(vendor.public, tmp_path / "old")
    vendor.add("1.3.0")
    vendor.publish()
    machine.look(source)
    server.folder = tmp_path / "old"
    source.remembered.clear()
    assert "older state than this machine has seen before" in refused(machine, source)


def test_a_frozen_timestamp_is_believed_until_it_expires(
    machine: Machine, vendor: Vendor, source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.look(source)
    before = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
    monkeypatch.setattr(metadata, "now", lambda: before)
    vendor.publish()
    assert "has expired" in refused(machine, source)


def test_a_clock_that_is_set_back_a_year_does_not_make_it_current(machine: Machine, source: Server) -> None:
    machine.look(source)
    with pytest.raises(WorkFailedError, match=r"clock of this machine says") as caught:
        machine.look(source, now=datetime.now(UTC) - timedelta(days=365))
    assert "clock.json" in caught.value.next_step


def test_a_new_machine_with_a_clock_behind_is_found_out_by_what_is_signed(
    machine: Machine, source: Server
) -> None:
    (machine.trust.folder / "clock.json").unlink()
    found = machine.look(source, now=datetime.now(UTC) - timedelta(days=365))
    with pytest.raises(WorkFailedError, match="clock of this machine is behind"):
        found.offer("stable", "1.2.0")


def bundle_of(vendor: Vendor) -> Path:
    return next((vendor.public / "targets" / "stable").glob("*.tar"))


def test_a_target_that_is_swapped_is_thrown_away(machine: Machine, vendor: Vendor, source: Server) -> None:
    path = bundle_of(vendor)
    other = path.read_bytes().replace(b"masked", b"secret")
    path.unlink()
    path.write_bytes(other)
    assert "not the one that was signed" in refused(machine, source)
    assert machine.left() == [], "what is wrong is not resumed from"


def endless(handler: Handler, path: str) -> bool:
    if not path.endswith(".tar"):
        return False
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 16))


def endless_metadata(handler: Handler, path: str) -> bool:
    return endless(handler, path + ".tar") if path.endswith("timestamp.json") else False


def dripping(handler: Handler, path: str) -> bool:
    if not path.endswith(".tar"):
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def dripping_head(handler: Handler, path: str) -> bool:
    if not path.endswith(".tar"):
        return False
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x: y\r\n")
        time.sleep(0.05)


def silent(handler: Handler, path: str) -> bool:
    if path.endswith(".tar"):
        time.sleep(1.5)
        return True
    return False


def redirecting(handler: Handler, path: str) -> bool:
    if not path.endswith(".tar"):
        return False
    handler.answer(302, b"", Location="http://127.0.0.2:1/evil.tar")
    return True


def compressing(handler: Handler, path: str) -> bool:
    if not path.endswith(".tar"):
        return False
    handler.answer(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    return True


def failing(handler: Handler, path: str) -> bool:
    handler.answer(500, b"no")
    return True


@pytest.mark.parametrize(
    ("attack", "pace", "said"),
    [
        (endless, UNHURRIED, "longer than what was signed"),
        (endless_metadata, UNHURRIED, "longer than what was signed"),
        (dripping, Pace(window_s=0.3, least_bytes_per_s=10_000), "bytes a second"),
        (dripping_head, Pace(silence_s=1.0), "does not answer in time"),
        (silent, Pace(silence_s=1.0), "does not answer in time"),
        (redirecting, UNHURRIED, "redirects are not followed"),
        (compressing, UNHURRIED, "compressed answer"),
        (failing, UNHURRIED, "answered 500"),
    ],
)
def test_a_hostile_server_gets_nowhere(
    machine: Machine, server: HostileServer, attack: Attack, pace: Pace, said: str
) -> None:
    server.attack = attack
    with reading(server, pace) as source:
        assert said in refused(machine, source)


def test_what_breaks_off_is_taken_up_again_where_it_was(
    machine: Machine, vendor: Vendor, server: HostileServer, source: Server
) -> None:
    whole = bundle_of(vendor).read_bytes()

    def breaking(handler: Handler, path: str) -> bool:
        if not path.endswith(".tar"):
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[:100_000])
        return True

    server.attack = breaking
    with pytest.raises(WorkFailedError, match="connection broke"):
        machine.fetch(source)
    server.attack = lambda *_: False
    assert machine.fetch(source).read_bytes() == whole
    asked = [headers["range"] for path, headers in server.asked if "range" in headers]
    assert len(asked) == 1
    assert 0 < int(asked[0].removeprefix("bytes=").rstrip("-")) <= 100_000


def test_a_server_without_ranges_sends_it_from_the_beginning(
    machine: Machine, vendor: Vendor, server: HostileServer, source: Server
) -> None:
    whole = bundle_of(vendor).read_bytes()
    digest = bundle_of(vendor).name.partition(".")[0]
    (machine.bundles / f".{digest}.partial").write_bytes(whole[:1000])

    def plain(handler: Handler, path: str) -> bool:
        if path.endswith(".tar"):
            handler.answer(200, whole)
        return path.endswith(".tar")

    server.attack = plain
    assert machine.fetch(source).read_bytes() == whole


def test_room_is_asked_for_before_a_byte_is_fetched(
    machine: Machine, server: HostileServer, source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(repository.shutil, "disk_usage", lambda _: usage._replace(free=len(BODY) * 5))
    assert "Another release has no room" in refused(machine, source)
    assert not [path for path, _ in server.asked if path.endswith(".tar")]


def forged(vendor: Vendor, keys: list[str], version: str = "1.2.0") -> None:
    """An attacker with these keys signs anything: a bundle of his own in stable, named by a new state."""
    signing = Keys([vendor.folder / "keys"])
    public = vendor.public / "metadata"
    roles = {
        role: Metadata[Targets].from_file(str(max(public.glob(f"*.{role}.json"), key=_version)))
        for role in ("stable", "targets")
    }
    root = Metadata[Root].from_file(str(max(public.glob("*.root.json"), key=_version))).signed
    stamp = Metadata[Timestamp].from_file(str(public / "timestamp.json"))
    snapshot = Metadata.from_file(str(max(public.glob("*.snapshot.json"), key=_version)))
    stable = roles["stable"]
    stable.signed.version += 1
    bundle = next(path for path in stable.signed.targets if path.endswith(".tar"))
    stable.signed.targets[bundle].hashes["sha256"] = "0" * 64
    delegations = roles["targets"].signed.delegations
    assert delegations
    assert delegations.roles
    keyids = {"stable": delegations.roles["stable"].keyids}
    keyids |= {role: root.roles[role].keyids for role in ("snapshot", "timestamp")}
    _sign(stable, signing, keyids["stable"] if "stable" in keys else [])
    (public / f"{stable.signed.version}.stable.json").write_bytes(stable.to_bytes())
    snapshot.signed.meta["stable.json"].version = stable.signed.version
    snapshot.signed.version += 1
    _sign(snapshot, signing, keyids["snapshot"] if "snapshot" in keys else [])
    (public / f"{snapshot.signed.version}.snapshot.json").write_bytes(snapshot.to_bytes())
    stamp.signed.snapshot_meta.version = snapshot.signed.version
    stamp.signed.version += 1
    _sign(stamp, signing, keyids["timestamp"] if "timestamp" in keys else [])
    path = public / "timestamp.json"
    path.write_bytes(stamp.to_bytes())


def _sign(signed: Metadata, keys: Keys, keyids: list[str]) -> None:  # type: ignore[type-arg]
    signed.signatures.clear()
    for signer in keys.signers(keyids):
        signed.sign(signer, append=True)


def _version(path: Path) -> int:
    return int(path.name.split(".")[0])


@pytest.mark.parametrize(
    "stolen", [[], ["timestamp"], ["timestamp", "snapshot"], ["stable"], ["stable", "timestamp"]]
)
def test_some_stolen_keys_are_not_enough(
    machine: Machine, vendor: Vendor, source: Server, stolen: list[str]
) -> None:
    forged(vendor, stolen)
    assert "not signed by enough of the keys" in refused(machine, source)


def test_one_root_key_below_the_threshold_names_no_other_keys(
    machine: Machine, vendor: Vendor, source: Server
) -> None:
    public = vendor.public / "metadata"
    root = Metadata[Root].from_file(str(public / "1.root.json"))
    root.signed.version = 2
    _sign(root, Keys([vendor.folder / "keys"]), root.signed.roles["root"].keyids[:1])
    (public / "2.root.json").write_bytes(root.to_bytes())
    assert "not signed by enough of the keys" in refused(machine, source)


def test_a_channel_s_key_signs_for_no_other_channel(machine: Machine, vendor: Vendor, source: Server) -> None:
    """What candidate says of stable's paths is not even asked for."""
    with vendor.repository.signed.edit_targets("candidate") as targets:
        stable = vendor.repository.signed.targets("stable").targets
        targets.targets |= {path: target for path, target in stable.items() if path.endswith(".tar")}
    with vendor.repository.signed.edit_targets("stable") as targets:
        targets.targets = {path: each for path, each in targets.targets.items() if path.endswith(".json")}
    vendor.publish()
    assert "differ about 1.2.0" in refused(machine, source)


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_a_stick_with_something_that_is_no_file_is_refused(
    machine: Machine, vendor: Vendor, kind: str
) -> None:
    path = bundle_of(vendor)
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert "cannot be used" in refused(machine, Folder(vendor.public))


def test_another_repository_s_root_is_not_pinned(tmp_path: Path, vendor: Vendor) -> None:
    other = Vendor(tmp_path / "other").begin()
    with pytest.raises(ApplianceError, match="no root of trust with that SHA-256"):
        repository.find_root(Folder(other.public), vendor.repository.root_digest())
    machine = Machine(tmp_path / "machine").pin(vendor)
    assert "not signed by enough of the keys" in refused(machine, Folder(other.public))
