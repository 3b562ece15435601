"""What documents say of buckets: deliveries, connections, policy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.buckets.access import access_of, secrets_of
from appliance.connections.file import Connections, connections_of, select_buckets, select_connections
from appliance.documents import strict_yaml
from appliance.documents.problems import WrongDocumentError
from appliance.errors import ApplianceError, WrongRequestError
from appliance.policy.policy import Policy, check_workflow
from appliance.workflow.deliveries.bucket_delivery import BucketDelivery
from appliance.workflow.document import Workflow
from tests.unit.test_workflow_document import SMALL, problems

S3 = {"type": "s3", "bucket": "lake", "access_key_id": "AKIA", "secret_access_key": "canary/secret"}
BEGUN = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)


def connections(**entries: Any) -> Connections:
    return connections_of(strict_yaml.load(json.dumps(entries), "connections.yaml"))


def wrong(**entries: Any) -> str:
    with pytest.raises(WrongDocumentError) as caught:
        connections(**entries)
    assert "canary" not in caught.value.text()
    return caught.value.text()


@pytest.mark.parametrize(
    ("bucket", "said"),
    [
        ("{connection: lake, formats: []}", "formats: "),
        ("{connection: lake, formats: [csv, csv]}", "names a format twice; expected each format once"),
        ("{connection: lake, formats: [csv], keep: 0}", "keep: "),
        (
            '{connection: lake, formats: [csv], prefix: "{day}/"}',
            "has {day}, which nothing fills in; expected of these: {workflow}, {date}, {run}",
        ),
        ('{connection: lake, formats: [csv], prefix: "/a"}', "has an empty part, or one of dots"),
        ('{connection: lake, formats: [csv], prefix: "a/../b"}', "has an empty part, or one of dots"),
        ('{connection: lake, formats: [csv], prefix: "a b"}', "is no prefix of names"),
        ("{connection: lake, formats: [csv], build_in: scratch}", "names build_in beside a twin"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_named(bucket: str, said: str) -> None:
    (found,) = problems(SMALL.replace("staging}}", f"staging}}}}, {{bucket: {bucket}}}"))
    assert said in found


def test_a_bucket_needs_a_database_that_was_proven() -> None:
    alone = "{bucket: {connection: lake, formats: [csv]}}"
    (found,) = problems(SMALL.replace("{twin: {connection: staging}}", alone))
    assert "delivers to a bucket and no twin; expected a twin beside them, or build_in" in found


@pytest.mark.parametrize(
    ("prefix", "folder", "root"),
    [
        ("{workflow}/", "shop/R/", "shop/"),
        ("shop/{date}/", "shop/2026-11-29/R/", "shop/"),
        ("shop/{date}", "shop/2026-11-29/R/", "shop/"),
        ("a/b-{run}-c/x", "a/b-R-c/x/", "a/"),
        ("", "R/", ""),
        ("{date}/{workflow}/", "2026-11-29/shop/R/", ""),
    ],
)
def test_each_run_has_a_folder_of_its_own_below_what_does_not_change(
    prefix: str, folder: str, root: str
) -> None:
    delivery = BucketDelivery.model_validate({"connection": "lake", "formats": ["csv"], "prefix": prefix})
    assert delivery.folder("shop", "R", BEGUN, "Europe/Vienna") == folder
    assert delivery.root("shop") == root
    assert folder.startswith(root)


def test_a_bucket_stands_beside_the_databases_and_is_none() -> None:
    known = connections(lake=S3, shop={"host": "db", "dbname": "shop", "user": "reader"})
    assert list(known) == ["shop"] and list(known.buckets) == ["lake"]
    with pytest.raises(WrongRequestError, match="lake: is a bucket, and a database is wanted"):
        select_connections(known, ["lake"])
    with pytest.raises(WrongRequestError, match="shop: is a database, and a bucket is wanted"):
        select_buckets(known, ["shop"])
    with pytest.raises(WrongRequestError, match="river: is missing"):
        select_buckets(known, ["river"])
    assert "canary" not in repr(known.buckets["lake"])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**S3, "endpoint": "http://s3.internal"}, "is no https address of a server"),
        ({**S3, "endpoint": "https://user:canary@s3.internal"}, "is no https address of a server"),
        (
            {"type": "s3", "bucket": "lake", "access_key_id": "AKIA"},
            "access_key_id without its secret",
        ),
        ({"type": "s3", "bucket": "lake", "secret_access_key": "canary"}, "without access_key_id"),
        ({**S3, "password_command": "print it"}, "has both a secret and password_command"),
        ({**S3, "kms_key": "alias/x"}, "has a kms_key without encryption by KMS"),
        ({**S3, "object_lock": {"mode": "governance"}}, "object_lock.days: is missing"),
        ({**S3, "host": "db"}, "host: is not a known key"),
        (
            {"type": "azure", "account": "a", "bucket": "b", "account_key": "canary", "sas_token": "canary"},
            "has both account_key and sas_token",
        ),
        (
            {"type": "gcs", "bucket": "b", "service_account_key": "canary", "service_account_file": "/x"},
            "names more than one key",
        ),
        ({"type": "ftp", "bucket": "b"}, "type: "),
    ],
)
def test_what_is_wrong_with_a_buckets_connection_is_named_and_no_secret_shown(
    entry: dict[str, Any], said: str
) -> None:
    assert said in wrong(lake=entry)


def test_what_is_still_to_be_filled_in_is_refused_when_it_is_wanted() -> None:
    known = connections(lake={**S3, "secret_access_key": "changeme"})
    with pytest.raises(WrongRequestError, match=r"lake\.secret_access_key: is still changeme"):
        select_buckets(known, ["lake"])


def test_a_command_may_print_temporary_credentials(tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    entry = {"type": "s3", "bucket": "lake", "password_command": ["cat", str(printed)]}
    found = {"AccessKeyId": "A", "SecretAccessKey": "canary1", "SessionToken": "canary2"}
    printed.write_text(json.dumps(found))
    access = access_of("lake", connections(lake=entry).buckets["lake"])
    assert secrets_of(access) == ("canary1", "canary2")
    assert "canary" not in repr(access)


@pytest.mark.parametrize(
    "content", ['{"AccessKeyId": "A"}', '{"AccessKeyId": 1, "SecretAccessKey": "canary"}', "canary"]
)
def test_a_command_that_prints_no_credentials_is_named_and_not_shown(tmp_path: Path, content: str) -> None:
    printed = tmp_path / "printed"
    printed.write_text(content)
    entry = {"type": "s3", "bucket": "lake", "password_command": ["cat", str(printed)]}
    with pytest.raises(ApplianceError) as caught:
        access_of("lake", connections(lake=entry).buckets["lake"])
    assert "password_command of the connection 'lake' printed" in caught.value.explanation.text()
    assert "canary" not in caught.value.explanation.text()


def test_a_bucket_is_reached_at_its_address_and_nowhere_else() -> None:
    known = connections(
        amazon={**S3, "region": "eu-central-1"},
        own={**S3, "endpoint": "https://s3.internal:9000"},
        role={"type": "s3", "bucket": "lake"},
        azure={"type": "azure", "account": "shop", "bucket": "lake", "account_key": "x"},
        google={"type": "gcs", "bucket": "lake", "service_account_file": "/key.json"},
    )
    assert {name: each.places for name, each in known.buckets.items()} == {
        "amazon": (("s3.eu-central-1.amazonaws.com", 443),),
        "own": (("s3.internal", 9000),),
        "role": (("s3.us-east-1.amazonaws.com", 443), ("169.254.169.254", 80)),
        "azure": (("shop.blob.core.windows.net", 443),),
        "google": (("storage.googleapis.com", 443), ("oauth2.googleapis.com", 443)),
    }


def delivering_to(connection: str) -> Workflow:
    text = SMALL.replace(
        "staging}}", f"staging}}}}, {{bucket: {{connection: {connection}, formats: [csv]}}}}"
    )
    return Workflow.model_validate(strict_yaml.load(text, "w.yaml").data)


def test_the_owner_allows_each_bucket_by_name() -> None:
    assert check_workflow(Policy(destinations=("lake",)), delivering_to("lake")) == ()
    for destinations in ((), ("files",), ("s3://lake",), ("*",)):
        (refusal,) = check_workflow(Policy(destinations=destinations), delivering_to("lake"))
        assert refusal.rule == "destinations" and "the bucket `lake`" in refusal.what


def test_no_bucket_is_called_as_the_exports_folder_is() -> None:
    (refusal,) = check_workflow(Policy(destinations=("files",)), delivering_to("files"))
    assert refusal.rule == "destinations"
