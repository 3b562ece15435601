"""Runs that deliver to a bucket: proven first, whole or not visible, and known afterwards."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.copies.ledger import ended, made
from appliance.exports.manifest import MANIFEST, Manifest
from appliance.exports.stored import list_exports
from tests.engine.bucket_server import SECRET, BucketServer, bucket_server, make_certificates
from tests.engine.clusters import Cluster
from tests.engine.erasure_shop import TABLES, ErasureShop
from tests.engine.scenario import CANARY, Ended, Scenario


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with bucket_server(tmp_path_factory.mktemp("bucket")) as server:
        yield server


@pytest.fixture
def server(_server: BucketServer) -> BucketServer:
    """One for all tests, its bucket empty."""
    _server.empty()
    return _server


def deliver_to(scenario: Scenario, server: BucketServer, **delivery: Any) -> None:
    scenario.workflow["deliver"].append(
        {
            "bucket": {
                "connection": "lake",
                "prefix": "shop/{date}/",
                "formats": ["csv", "archive"],
                **delivery,
            }
        }
    )
    scenario.connections["lake"] = server.connection()
    scenario.policy = {"destinations": ["lake"]}


def typed(scenario: Scenario, *arguments: str) -> Ended:
    return scenario.command(*arguments)


def stated(scenario: Scenario) -> tuple[str, ...]:
    return ("--connections", str(scenario.folder / "connections.yaml"), "--state", str(scenario.state))


def test_a_run_delivers_what_was_proven_and_keeps_no_files_for_itself(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server, formats=["csv", "archive"])
    result = scenario.run()
    assert result.code == 0, result.text
    (whole,) = [name for name in server.objects() if name.endswith(MANIFEST)]
    manifest = Manifest.model_validate_json((server.bucket / whole).read_bytes())
    folder = whole.removesuffix(MANIFEST)
    assert sorted(server.objects()) == sorted([whole, *(f"{folder}{each.file}" for each in manifest.files)])
    assert [each.format for each in manifest.formats] == ["csv", "archive"]
    assert folder.endswith(f"/{manifest.run}/") and f"Bucket lake: {folder}" in result.out
    assert all(CANARY.encode() not in (server.bucket / name).read_bytes() for name in server.objects())
    assert list_exports(scenario.state / "exports") == []
    assert not [path for path in (scenario.state / "exports").rglob("*") if path.is_file()]
    (copy,) = [each for each in made(scenario.state) if each.kind == "bucket"]
    assert (copy.place, copy.run) == (f"lake/{folder}", manifest.run)
    receipts = [_payload(each) for each in (scenario.state / "receipts").glob("[0-9]*.json")]
    assert any(folder in each for each in receipts)
    scenario.assert_nothing_left()


def test_the_next_run_ends_what_is_not_kept_any_more_and_writes_it_down(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server, formats=["csv"], keep=1)
    for _ in range(2):
        result = scenario.run()
        assert result.code == 0, result.text
    first, second = [each for each in made(scenario.state) if each.kind == "bucket"]
    assert {name.split("/")[2] for name in server.objects()} == {second.run}
    assert list(ended(scenario.state)) == [first.key]
    listed = typed(scenario, "copies", "list", "--json", *stated(scenario))
    states = {each["run"]: each["standing"] for each in json.loads(listed.out) if each["kind"] == "bucket"}
    assert states == {first.run: "ended", second.run: "there"}


def test_files_on_the_appliance_and_in_the_bucket_are_the_same(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server, formats=["csv"])
    scenario.workflow["deliver"].append({"files": {"format": "csv", "tables": {"include": ["crm.*"]}}})
    scenario.policy = {"destinations": ["lake", "files"]}
    result = scenario.run()
    assert result.code == 0, result.text
    (export,) = list_exports(scenario.state / "exports")
    (whole,) = [name for name in server.objects() if name.endswith(MANIFEST)]
    assert Manifest.model_validate_json((server.bucket / whole).read_bytes()) == export.manifest


def test_formats_for_a_bucket_alone_do_not_stay_on_the_appliance(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server, formats=["archive", "jsonl"])
    scenario.workflow["deliver"].append({"files": {"format": "csv", "tables": {"include": ["crm.*"]}}})
    scenario.policy = {"destinations": ["lake", "files"]}
    result = scenario.run()
    assert result.code == 0, result.text
    (export,) = list_exports(scenario.state / "exports")
    assert [each.format for each in export.manifest.formats] == ["csv"]
    there = {str(path.relative_to(export.folder)) for path in export.folder.rglob("*")}
    assert there == {MANIFEST, *(each.file for each in export.manifest.files)}
    (whole,) = [name for name in server.objects() if name.endswith(MANIFEST)]
    delivered = Manifest.model_validate_json((server.bucket / whole).read_bytes())
    assert [each.format for each in delivered.formats] == ["archive", "jsonl"]
    assert len(server.objects()) == 1 + len(delivered.files)


def test_a_bucket_without_a_twin_is_filled_from_a_database_that_goes_again(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server, formats=["jsonl"], build_in="staging")
    scenario.workflow["deliver"] = scenario.workflow["deliver"][1:]
    result = scenario.run()
    assert result.code == 0, result.text
    assert any(name.endswith(MANIFEST) for name in server.objects())
    scenario.assert_nothing_left()


def test_what_policy_does_not_name_is_refused_before_anything_runs(
    scenario: Scenario, server: BucketServer
) -> None:
    deliver_to(scenario, server)
    scenario.policy = {"destinations": ["files"]}
    result = scenario.run()
    assert result.code == 3
    assert "Nothing may be delivered to the bucket `lake`: destinations does not name it." in result.text
    assert server.objects() == []


def test_a_run_whose_bucket_is_not_believed_fails_and_leaves_the_twin_as_it_was(
    scenario: Scenario, server: BucketServer, tmp_path: Path
) -> None:
    scenario.publish_first_twin()
    deliver_to(scenario, server)
    other, _ = make_certificates(tmp_path)
    scenario.connections["lake"]["sslrootcert"] = str(other)
    result = scenario.run()
    assert result.code == 1
    assert "The server's certificate was not believed" in result.text
    assert SECRET not in result.text
    assert server.objects() == []
    assert scenario.twin_is_the_former()
    assert not [path for path in (scenario.state / "exports").rglob("*") if path.is_file()]
    assert not [
        path for path in scenario.state.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def test_connections_check_tries_a_bucket_below_its_prefix(scenario: Scenario, server: BucketServer) -> None:
    deliver_to(scenario, server)
    scenario.write()
    arguments = ("--connections", str(scenario.folder / "connections.yaml"))
    workflow = ("--workflow", str(scenario.folder / "workflow.yaml"))
    result = typed(scenario, "connections", "check", "lake", *arguments, *workflow)
    assert result.code == 0, result.text
    assert f"lake: delivered to by {scenario.workflow['id']}" in result.out
    assert "Objects below shop/ can be listed, put, read and deleted." in result.out
    scenario.connections["lake"]["secret_access_key"] = "wrong"
    scenario.write()
    result = typed(scenario, "connections", "check", "lake", *arguments, *workflow)
    assert result.code == 1 and "does not know the credentials" in result.out


def test_an_erasure_deletes_what_lies_in_buckets_as_a_whole(  # noqa: PLR0917 - as fixtures have it
    source: Cluster,
    target: Cluster,
    source_database: str,
    twin_database: str,
    tmp_path: Path,
    server: BucketServer,
) -> None:
    source.sql(source_database, TABLES)
    scenario = Scenario(tmp_path, source, source_database, target, twin_database)
    shop = ErasureShop(scenario)
    scenario.workflow["deliver"] = scenario.workflow["deliver"][:1]
    deliver_to(scenario, server, formats=["csv"])
    shop.delivered()
    assert any(name.endswith(MANIFEST) for name in server.objects())
    # What policy no longer names is not used: it is said, and stays open until it is named again.
    allowed, scenario.policy = scenario.policy, {"destinations": []}
    first = shop.erasure("run", "--yes")
    assert first.code == 1 and "policy does not let the bucket lake be used" in first.text
    assert server.objects() and shop.listed()[0]["ended_at"] is None
    (receipt,) = shop.receipts()
    (left,) = [place for place in receipt.places if place.kind == "bucket"]
    assert receipt.outcome == "open" and "rule destinations" in (left.why or "")
    scenario.policy = allowed
    planned = shop.erasure("plan")
    assert planned.code == 0 and "is to be deleted as a whole" in planned.out, planned.text
    done = shop.erasure("run", "--yes")
    assert "was deleted as a whole" in done.out, done.text
    assert server.objects() == []
    (copy,) = [each for each in made(scenario.state) if each.kind == "bucket"]
    assert ended(scenario.state)[copy.key].why == "A subject in it was erased."


def _payload(receipt: Path) -> str:
    envelope = json.loads(receipt.read_text())
    return base64.b64decode(envelope["payload"]).decode()
