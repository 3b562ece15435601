"""Delivering to Google Cloud Storage and to Azure: the promises that hold for S3, at other servers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from appliance.buckets.access import BucketAccess, access_of, open_store
from appliance.buckets.checking import check_bucket
from appliance.buckets.objects import delete_folder, find_deliveries, is_there
from appliance.buckets.uploading import remove_older, upload
from appliance.connections.buckets import BucketConnection
from appliance.connections.file import connections_of
from appliance.documents import strict_yaml
from appliance.errors import ApplianceError
from appliance.exports.manifest import MANIFEST
from appliance.pulling.from_bucket import BucketOrigin
from tests.engine.bucket_server import bucket_server, make_certificates
from tests.engine.cloud_buckets import CloudBucket, azure, google
from tests.engine.test_buckets import Export, make_export


@pytest.fixture(scope="module", params=["gcs", "azure"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudBucket]:
    """One bucket for all tests of its kind."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "azure":
        with azure(folder) as found:
            yield found
        return
    with bucket_server(folder) as server, google(server) as found:
        yield found


@pytest.fixture
def empty(bucket: CloudBucket) -> CloudBucket:
    """The same, with nothing in it."""
    store = open_store(access_to(bucket))
    paths = objects(bucket)
    if paths:
        obstore.delete(store, paths)
    return bucket


def connection_of(there: CloudBucket, **changes: object) -> BucketConnection:
    text = json.dumps({"lake": {**there.entry, **changes}})
    return connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"]


def access_to(there: CloudBucket, **changes: object) -> BucketAccess:
    return access_of("lake", connection_of(there, **changes))


def objects(bucket: CloudBucket) -> list[str]:
    listed = obstore.list(open_store(access_to(bucket)))
    return sorted(str(each["path"]) for batch in listed for each in batch)


def deliver(bucket: CloudBucket, export: Export, folder: str) -> int:
    access = access_to(bucket)
    return upload(access, export.folder, export.manifest, folder, lambda *_: None).kept


def test_an_export_lies_there_byte_for_byte_and_is_sent_once(empty: CloudBucket, tmp_path: Path) -> None:
    export = make_export(tmp_path)
    assert deliver(empty, export, "shop/1/") == 0
    assert objects(empty) == sorted(f"shop/1/{each}" for each in (*names(export), MANIFEST))
    store = open_store(access_to(empty))
    for each in export.manifest.files:
        content = bytes(obstore.get(store, f"shop/1/{each.file}").bytes())
        assert hashlib.sha256(content).hexdigest() == each.sha256
    obstore.delete(store, f"shop/1/{MANIFEST}")
    assert find_deliveries(store, "lake", "shop/", "shop") == [], "without its manifest it is no delivery"
    assert deliver(empty, export, "shop/1/") == len(export.manifest.files)
    assert [each.complete for each in find_deliveries(store, "lake", "shop/", "shop")] == [True]


def test_older_deliveries_end_and_a_folder_is_deleted_as_a_whole(empty: CloudBucket, tmp_path: Path) -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    for day in range(3):
        run = f"shop-{day}"
        export = make_export(tmp_path / run, run, made=first + timedelta(days=day), big=False)
        deliver(empty, export, f"shop/{run}/")
    access = access_to(empty)
    removed = remove_older(access, "shop/", "shop", keep=2, own="shop/shop-2/")
    assert [each.run for each in removed] == ["shop-0"]
    store = open_store(access)
    found = find_deliveries(store, "lake", "shop/", "shop")
    assert [each.manifest.run for each in found] == ["shop-1", "shop-2"]
    delete_folder(store, "lake", "shop/shop-1/")
    assert not is_there(store, "lake", "shop/shop-1/")
    assert {name.split("/")[1] for name in objects(empty)} == {"shop-2"}


def test_a_check_tries_it_and_leaves_nothing(empty: CloudBucket) -> None:
    (found,) = check_bucket("lake", connection_of(empty), ["shop/"])
    assert (found.state, found.what) == (
        "ok",
        "Objects below shop/ can be listed, put, read and deleted.",
    )
    assert objects(empty) == []


def test_wrong_credentials_a_wrong_bucket_and_a_wrong_certificate_are_named_and_show_no_secret(
    bucket: CloudBucket, tmp_path: Path
) -> None:
    other, _ = make_certificates(tmp_path)
    export = make_export(tmp_path / "export", big=False)
    for changes, why in (
        (bucket.wrong, ("does not know the credentials", "may not do that")),
        ({"bucket": "nowhere"}, ("There is no bucket of that name",)),
        ({"sslrootcert": str(other)}, ("The server's certificate was not believed",)),
    ):
        with pytest.raises(ApplianceError) as caught:
            upload(access_to(bucket, **changes), export.folder, export.manifest, "x/", lambda *_: None)
        assert any(each in caught.value.why for each in why), caught.value.text()
        assert not any(secret in caught.value.text() for secret in bucket.secrets)


@pytest.mark.parametrize("parts", [True, False])
def test_a_pull_goes_on_where_it_ended_also_from_a_server_that_sends_no_parts(
    tmp_path: Path, *, parts: bool
) -> None:
    with bucket_server(tmp_path / "s3") as server, google(server, parts=parts) as there:
        export = make_export(tmp_path / "export", big=False)
        deliver(there, export, "shop/1/")
        known = tmp_path / "lake.yaml"
        known.touch(mode=0o600)
        known.write_text(json.dumps({"lake": dict(there.entry)}))
        origin = BucketOrigin(known, "lake", "shop/", "shop")
        for start, rest in ((0, b"small"), (2, b"all"), (5, b"")):
            read = origin.read(export.manifest.run, "a.csv.gz", start, "")
            assert b"".join(read) == rest


def names(export: Export) -> list[str]:
    return [each.file for each in export.manifest.files]
