"""Who signs for a channel, or keeps the server, reaches nothing else of a machine, and ends no later look."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import TargetFile

from appliance.errors import ApplianceError, WorkFailedError
from appliance.policy.policy import Policy
from appliance.releases.repository.contents import INDEX, index_target
from appliance.releases.repository.looking import Look, look_and_fetch
from appliance.releases.repository.repository import find_root
from appliance.releases.repository.source import Folder
from appliance.settings.settings import Settings
from tests.unit.release_rig import Handler, HostileServer, Machine, Vendor, reading, serving


def sign_index(vendor: Vendor, data: bytes, algorithm: str = "sha256") -> None:
    """What the holder of stable's, the snapshot's and the timestamp's keys can publish."""
    own = index_target("stable")
    with vendor.repository.signed.edit_targets("stable") as targets:
        targets.targets[own] = TargetFile.from_data(own, data, [algorithm])
    name = f"{hashlib.sha256(data).hexdigest()}.{INDEX}"
    (vendor.repository.folder / "targets" / "stable" / name).write_bytes(data)
    vendor.repository.signed.renew()
    vendor.publish()


def index(vendor: Vendor, change: Callable[[dict[str, Any]], object]) -> bytes:
    found = json.loads(vendor.repository.index("stable").model_dump_json())
    change(found)
    return json.dumps(found).encode()


def aim_at(target: str) -> Callable[[dict[str, Any]], object]:
    def change(found: dict[str, Any]) -> None:
        for bundle in found["releases"][0]["bundles"].values():
            bundle["target"] = target

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(revoked={"../root": "x"}),
        lambda found: found.update(revoked={"../held": "x"}),
        lambda found: found.update(revoked={"\0": "x"}),
        lambda found: found.update(revoked={"/etc/docker/daemon": "x"}),
        aim_at("stable/\0.tar"),
        aim_at("stable//x.tar"),
    ],
)
def test_a_channel_s_index_reaches_no_other_file_of_the_machine(
    machine: Machine, vendor: Vendor, change: Callable[[dict[str, Any]], object]
) -> None:
    Look(machine.root, Folder(vendor.public), Policy()).bring("1.2.0", "folder")
    (machine.trust.folder / "held.json").write_text("{}")
    sign_index(vendor, index(vendor, change))
    with pytest.raises(WorkFailedError, match="not believed"):
        Look(machine.root, Folder(vendor.public), Policy()).see()
    assert machine.trust.is_pinned and (machine.trust.folder / "held.json").exists()


@pytest.mark.parametrize("name", ["../root", "\0", "/etc/docker/daemon", "", "1.2.0/../../root"])
def test_no_name_of_a_release_leads_beside_the_notes(machine: Machine, name: str) -> None:
    (machine.trust.folder / "verified").mkdir()
    with pytest.raises(ApplianceError, match="not a version"):
        machine.trust.forget(name)
    assert machine.trust.verified(name) is None and machine.trust.is_pinned


def test_a_file_that_is_signed_by_another_digest_is_refused_in_words(
    machine: Machine, vendor: Vendor
) -> None:
    sign_index(vendor, b"{}", "sha512")
    with pytest.raises(WorkFailedError, match="signed without its SHA-256"):
        machine.look(Folder(vendor.public)).channel("stable")


@pytest.mark.parametrize("etag", ['"\xe9"', '"a\tb"', '"' + "x" * 300 + '"', "bare", ""])
def test_an_etag_that_cannot_be_sent_back_ends_no_later_look(
    tmp_path: Path, machine: Machine, vendor: Vendor, etag: str
) -> None:
    def marked(handler: Handler, path: str) -> bool:
        if path.endswith("timestamp.json"):
            handler.answer(
                200, (vendor.public / path.lstrip("/")).read_bytes(), ETag=etag, Connection="close"
            )
        return path.endswith("timestamp.json")

    with serving(vendor.public) as server:
        server.attack = marked
        looked = Settings.model_validate(
            {"config_dir": str(tmp_path), "releases": {"repository": server.url}}
        )
        for _ in range(2):
            assert "1.2.0" in look_and_fetch(machine.root, looked, tmp_path / "wishes")
        kept = machine.trust.folder / "remembered.json"
        kept.write_text(json.dumps({"etag": etag, "body": ""}))
        assert "1.2.0" in look_and_fetch(machine.root, looked, tmp_path / "wishes"), "of an older release"


def test_a_bundle_that_is_called_unchanged_keeps_what_has_come_of_it(
    machine: Machine, vendor: Vendor
) -> None:
    whole = next((vendor.public / "targets" / "stable").glob("*.tar"))
    partial = machine.bundles / f".{whole.name.partition('.')[0]}.partial"
    partial.write_bytes(whole.read_bytes()[:1000])

    def unchanged(handler: Handler, path: str) -> bool:
        if path.endswith(".tar"):
            handler.answer(304, b"")
        return path.endswith(".tar")

    with serving(vendor.public) as server, reading(server) as source:
        server.attack = unchanged
        with pytest.raises(WorkFailedError, match="unchanged which it has not sent"):
            machine.fetch(source)
    assert partial.stat().st_size == 1000


def test_a_server_that_fails_is_not_taken_for_another_repository(vendor: Vendor) -> None:
    with serving(vendor.public) as server, reading(server) as source:
        server.attack = answering(500)
        with pytest.raises(WorkFailedError, match="answered 500"):
            find_root(source, "0" * 64)
        server.attack = answering(403)
        with pytest.raises(ApplianceError, match="no root of trust with that SHA-256"):
            find_root(source, "0" * 64)


def answering(status: int) -> Callable[[Handler, str], bool]:
    def answer(handler: Handler, _: str) -> bool:
        handler.answer(status, b"", Connection="close")
        return True

    return answer


def asked_for_bundles(server: HostileServer) -> list[str]:
    return [path for path, _ in server.asked if path.endswith(".tar")]


def test_what_was_fetched_is_not_fetched_again_unless_it_was_damaged(
    machine: Machine, vendor: Vendor
) -> None:
    with serving(vendor.public) as server, reading(server) as source:
        path = machine.fetch(source)
        whole = path.read_bytes()
        machine.fetch(source)
        assert len(asked_for_bundles(server)) == 1
        path.write_bytes(whole[:-1] + b"x")
        assert machine.fetch(source).read_bytes() == whole
        assert len(asked_for_bundles(server)) == 2
