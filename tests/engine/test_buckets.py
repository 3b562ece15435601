"""Delivering to a bucket of a real server: whole or not at all, through whatever breaks on the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.buckets import access as access_module
from appliance.buckets.access import BucketAccess, access_of, open_store
from appliance.buckets.checking import check_bucket
from appliance.buckets.objects import INCOMPLETE, delete_folder, find_deliveries, is_there
from appliance.buckets.uploading import remove_older, upload
from appliance.connections.file import connections_of
from appliance.documents import strict_yaml
from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError
from appliance.exports.manifest import MANIFEST, ExportedFile, ExportedFormat, Manifest
from appliance.postgres.errors import retry_can_help
from tests.engine.breakable_proxy import breakable_proxy
from tests.engine.bucket_server import (
    BUCKET,
    KEY,
    SECRET,
    BucketServer,
    answering,
    bucket_server,
    make_certificates,
)

BIG = 20 * 2**20 + 17
"""Three parts."""


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with bucket_server(tmp_path_factory.mktemp("bucket")) as server:
        yield server


@pytest.fixture
def server(_server: BucketServer) -> BucketServer:
    """One for all tests, its bucket empty."""
    _server.empty()
    return _server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "RETRY_FOR", timedelta(seconds=20))
    monkeypatch.setattr(access_module, "RETRIES", 4)


@dataclass
class Export:
    folder: Path
    manifest: Manifest


def make_export(
    folder: Path, run: str = "shop-1", *, made: datetime | None = None, big: bool = True
) -> Export:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"a.csv.gz": b"small", "archive/toc.dat": b"", "archive/1.dat": os.urandom(BIG if big else 9)}
    files = {}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        files[name] = ExportedFile(file=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest = Manifest(
        workflow="shop",
        run=run,
        created_at=made or datetime(2026, 11, 1, tzinfo=UTC),
        appliance_version="1",
        formats=(
            ExportedFormat(format="csv", compression="gzip", tables=(), files=(files["a.csv.gz"],)),
            ExportedFormat(
                format="archive",
                compression="none",
                tables=(),
                files=(files["archive/toc.dat"], files["archive/1.dat"]),
            ),
        ),
    )
    return Export(folder, manifest)


def access_to(server: BucketServer, **changes: object) -> BucketAccess:
    text = json.dumps({"lake": server.connection(**changes)})
    return access_of("lake", connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"])


def deliver(access: BucketAccess, export: Export, folder: str = "shop/1/") -> None:
    upload(access, export.folder, export.manifest, folder, lambda *_: None)


def delivered(server: BucketServer, export: Export, folder: str = "shop/1/") -> None:
    """All of it is there, byte for byte, and nothing besides."""
    names = [f"{folder}{each.file}" for each in export.manifest.files]
    assert server.objects() == sorted([*names, f"{folder}{MANIFEST}"])
    for each in export.manifest.files:
        content = (server.bucket / folder / each.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each.sha256
    assert Manifest.model_validate_json((server.bucket / folder / MANIFEST).read_bytes()) == export.manifest


def refused(error: ApplianceError, why: str) -> None:
    assert why in error.why, error.text()
    assert SECRET not in error.text() and KEY not in error.text()


def test_an_export_lies_in_the_bucket_byte_for_byte_its_manifest_last(
    server: BucketServer, tmp_path: Path
) -> None:
    export, access = make_export(tmp_path / "export"), access_to(server)
    seen: list[tuple[str, bool]] = []

    def tell(file: str, far: int, done: bool) -> None:
        seen.append((file, (server.bucket / "shop/1" / MANIFEST).exists()))

    upload(access, export.folder, export.manifest, "shop/1/", tell)
    delivered(server, export)
    assert {file for file, _ in seen} == {each.file for each in export.manifest.files}
    assert not any(whole for _, whole in seen)


def test_only_the_formats_that_a_bucket_wants_are_in_its_manifest(
    server: BucketServer, tmp_path: Path
) -> None:
    export = make_export(tmp_path / "export", big=False)
    few = Export(export.folder, export.manifest.only(("csv",)))
    deliver(access_to(server), few)
    delivered(server, few)


def test_a_file_that_changed_on_the_disk_is_not_delivered(server: BucketServer, tmp_path: Path) -> None:
    export = make_export(tmp_path / "export", big=False)
    (export.folder / "a.csv.gz").write_bytes(b"smell")
    with pytest.raises(WorkFailedForGoodError, match="is not what was written"):
        deliver(access_to(server), export)
    assert server.objects() == [f"shop/1/{INCOMPLETE}"]


@pytest.mark.parametrize("after", [3_000, 200_000, 9_000_000, 16_000_000])
def test_a_connection_that_is_cut_is_taken_up_again(server: BucketServer, tmp_path: Path, after: int) -> None:
    export = make_export(tmp_path / "export")
    with breakable_proxy(server.port) as proxy:
        proxy.cut_after(after)
        deliver(access_to(server, endpoint=f"https://127.0.0.1:{proxy.port}"), export)
        assert proxy.cuts == 1
    delivered(server, export)


def test_after_a_server_was_away_for_long_the_next_attempt_sends_the_rest_only(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "RETRIES", 0)
    export = make_export(tmp_path / "export")
    with breakable_proxy(server.port) as proxy:
        access = access_to(server, endpoint=f"https://127.0.0.1:{proxy.port}")
        proxy.cut_after(9_000_000)
        with pytest.raises(WorkFailedError) as caught:
            deliver(access, export)
        refused(caught.value, "The connection was lost")
        assert retry_can_help(caught.value)
        assert f"shop/1/{MANIFEST}" not in server.objects()
        again = upload(access, export.folder, export.manifest, "shop/1/", lambda *_: None)
    assert again.kept == 2
    delivered(server, export)
    assert upload(access_to(server), export.folder, export.manifest, "shop/1/", lambda *_: None).kept == 3


def test_a_server_that_asks_for_fewer_requests_is_asked_again(server: BucketServer, tmp_path: Path) -> None:
    export = make_export(tmp_path / "export")
    asked: list[str] = []

    def busy(method: str, path: str) -> tuple[int, str] | None:
        asked.append(path)
        return (503, "SlowDown") if method == "PUT" and len(asked) % 3 == 0 else None

    with answering(server, busy) as port:
        deliver(access_to(server, endpoint=f"https://127.0.0.1:{port}"), export)
    delivered(server, export)


def test_a_server_that_stays_too_busy_is_named(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "RETRIES", 1)
    export = make_export(tmp_path / "export", big=False)
    with (
        answering(server, lambda method, _: (503, "SlowDown") if method == "PUT" else None) as port,
        pytest.raises(WorkFailedError) as caught,
    ):
        deliver(access_to(server, endpoint=f"https://127.0.0.1:{port}"), export)
    refused(caught.value, "too busy")
    assert retry_can_help(caught.value) and server.objects() == []


def test_credentials_that_expire_in_the_middle_are_renewed_by_the_next_attempt(
    server: BucketServer, tmp_path: Path
) -> None:
    export, renewed = make_export(tmp_path / "export"), False
    printed = tmp_path / "printed"
    printed.write_text(json.dumps({"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Version": 1}))
    parts = 0

    def expires(method: str, path: str) -> tuple[int, str] | None:
        nonlocal parts
        parts += "partNumber" in path
        return (400, "ExpiredToken") if parts > 1 and not renewed else None

    with answering(server, expires) as port:
        changes = {
            "access_key_id": None,
            "secret_access_key": None,
            "password_command": ["cat", str(printed)],
        }
        access = access_to(server, endpoint=f"https://127.0.0.1:{port}", **changes)
        with pytest.raises(WorkFailedError) as caught:
            deliver(access, export)
        refused(caught.value, "have expired")
        assert retry_can_help(caught.value)
        assert f"shop/1/{MANIFEST}" not in server.objects()
        renewed = True
        deliver(access, export)
    delivered(server, export)


def test_a_certificate_of_another_authority_is_not_believed(server: BucketServer, tmp_path: Path) -> None:
    other, _ = make_certificates(tmp_path)
    with pytest.raises(WorkFailedForGoodError) as caught:
        deliver(access_to(server, sslrootcert=str(other)), make_export(tmp_path / "export", big=False))
    refused(caught.value, "certificate was not believed")
    assert "lake.sslrootcert" in caught.value.next_step
    with pytest.raises(WorkFailedForGoodError):
        deliver(access_to(server, sslrootcert=None), make_export(tmp_path / "export", big=False))
    assert server.objects() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"secret_access_key": "another"},
            "does not know the credentials (the server says SignatureDoesNotMatch)",
        ),
        (
            {"access_key_id": "AKIAOTHER"},
            "does not know the credentials",
        ),
        ({"bucket": "river"}, "no bucket of that name (the server says NoSuchBucket)"),
        ({"endpoint": "https://127.0.0.1:1"}, "Nothing listens at that address"),
        ({"endpoint": "https://no-such-host.invalid"}, "name cannot be looked up"),
    ],
)
def test_a_check_of_the_connection_names_what_is_wrong(
    server: BucketServer, changes: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "RETRIES", 0)
    text = json.dumps({"lake": server.connection(**changes)})
    bucket = connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"]
    (finding,) = check_bucket("lake", bucket, ["shop/"])
    assert finding.state == "fail" and finding.check == "list"
    assert why in finding.what
    assert SECRET not in finding.what + finding.next_step


def test_what_the_shell_says_of_clouds_is_not_mixed_in(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"AWS_ACCESS_KEY_ID": "other", "AWS_SESSION_TOKEN": "other", "AWS_ENDPOINT_URL": "https://other"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    export = make_export(tmp_path / "export", big=False)
    deliver(access_to(server), export)
    delivered(server, export)
    assert {name: os.environ[name] for name in theirs} == theirs


def test_a_check_of_a_bucket_that_works_leaves_nothing_there(server: BucketServer) -> None:
    text = json.dumps({"lake": server.connection()})
    bucket = connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"]
    assert [each.state for each in check_bucket("lake", bucket, ["shop/", ""])] == ["ok", "ok"]
    assert server.objects() == []


def test_a_check_says_what_may_not_be_done(server: BucketServer) -> None:
    with answering(server, lambda method, _: (403, "AccessDenied") if method == "PUT" else None) as port:
        text = json.dumps({"lake": server.connection(endpoint=f"https://127.0.0.1:{port}")})
        bucket = connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"]
        (finding,) = check_bucket("lake", bucket, ["shop/"])
    assert finding.check == "put" and "may not do that" in finding.what


def test_only_the_newest_stay_and_what_others_put_there_stays_too(
    server: BucketServer, tmp_path: Path
) -> None:
    access = access_to(server)
    for day in range(1, 5):
        made = datetime(2026, 11, day, tzinfo=UTC)
        export = make_export(tmp_path / str(day), f"shop-{day}", made=made, big=False)
        deliver(access, export, f"shop/2026-11-0{day}/shop-{day}/")
    (server.bucket / "shop/2026-11-01/shop-1/by-hand.txt").write_text("mine")
    (server.bucket / "shop/other").mkdir()
    other = export.manifest.model_copy(
        update={"workflow": "other", "created_at": datetime(2020, 1, 1, tzinfo=UTC)}
    )
    (server.bucket / "shop/other" / MANIFEST).write_text(other.model_dump_json())
    removed = remove_older(access, "shop/", "shop", keep=2, own="shop/2026-11-04/shop-4/")
    assert [each.run for each in removed] == ["shop-1", "shop-2"]
    assert sorted({name.rsplit("/", 1)[0] for name in server.objects() if "archive" not in name}) == [
        "shop/2026-11-01/shop-1",
        "shop/2026-11-03/shop-3",
        "shop/2026-11-04/shop-4",
        "shop/other",
    ]
    assert (server.bucket / "shop/2026-11-01/shop-1/by-hand.txt").read_text() == "mine"
    assert remove_older(access, "shop/", "shop", keep=2, own="shop/2026-11-04/shop-4/") == []


def test_what_a_killed_upload_or_deletion_has_left_goes_a_day_later(
    server: BucketServer, tmp_path: Path
) -> None:
    access, export = access_to(server), make_export(tmp_path / "export", big=False)
    deliver(access, export)
    left = server.bucket / "shop/1"
    (left / MANIFEST).rename(left / INCOMPLETE)
    assert remove_older(access, "shop/", "shop", keep=5, own="shop/2/") == []
    later = datetime.now(UTC) + timedelta(days=2)
    assert [
        each.folder for each in remove_older(access, "shop/", "shop", keep=5, own="shop/2/", now=later)
    ] == ["shop/1/"]
    assert server.objects() == []


def test_a_delivery_can_be_removed_as_a_whole(server: BucketServer, tmp_path: Path) -> None:
    access, export = access_to(server), make_export(tmp_path / "export", big=False)
    deliver(access, export)
    store = open_store(access)
    assert is_there(store, "lake", "shop/1/")
    assert delete_folder(store, "lake", "shop/1/") == 4
    assert not is_there(store, "lake", "shop/1/")
    assert find_deliveries(store, "lake", "shop/", "shop") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_of_the_server_is_named_and_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "RETRIES", 1)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        with bucket_server(tmp_path / "server", small) as server, pytest.raises(WorkFailedError) as caught:
            deliver(access_to(server), make_export(tmp_path / "export"))
        assert not (small / BUCKET / "shop/1" / MANIFEST).exists()
        assert retry_can_help(caught.value)
        refused(caught.value, "")
    finally:
        subprocess.run(["umount", str(small)], check=True)
