"""Files beside a twin, through Airflow and a step's container."""

from __future__ import annotations

import csv
import gzip
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.exports.manifest import MANIFEST, Manifest
from appliance.orchestration.containers.container import EXPORT_DIR, paths_inside, step_mounts
from appliance.steps.calling.call import StepCall, StepPaths, to_arguments
from compose.demo.stack import Stack
from tests.containers.appliance_host import GATEWAY, ApplianceHost
from tests.containers.given_secrets import watched
from tests.containers.shop import workflow
from tests.engine.bucket_server import SECRET, BucketServer, bucket_server, make_certificates
from tests.engine.clusters import Cluster

DELIVER = [{"twin": {"connection": "exporting", "grace_s": 0}}, {"files": {"format": "csv"}}]


@pytest.fixture
def exporting(appliance: ApplianceHost) -> str:
    """A workflow that delivers files too."""
    appliance.write_workflow("exporting.yaml", workflow("exporting", "exporting", deliver=DELIVER))
    return "exporting"


def test_files_need_a_word_of_the_policy_and_then_hold_what_the_twin_holds(
    appliance: ApplianceHost, databases: Cluster, exporting: str, customers: int, tmp_path: Path
) -> None:
    refused = appliance.run_to_end(exporting)
    assert refused["state"] == "refused", refused
    assert refused["failure"]["rule"] == "destinations"
    policy = appliance.folder / "etc" / "policy.yaml"
    policy.write_text("destinations: [files]\n")
    try:
        run = appliance.run_to_end(exporting)
    finally:
        policy.unlink()
    assert run["state"] == "succeeded", run
    assert [step["shard"] for step in run["steps"] if step["step"] == "publish"] == [0]
    (listed,) = json.loads(appliance.cli("exports", "list", "--json").stdout)
    assert (listed["run"], listed["rows"]) == (run["run_id"], customers * 4)
    folder = appliance.folder / "state" / "exports" / exporting
    assert [path.name for path in folder.iterdir()] == [run["run_id"]]
    appliance.cli("exports", "get", run["run_id"], str(tmp_path / "got"))
    with gzip.open(tmp_path / "got" / "public.customer.csv.gz", "rt", newline="") as text:
        rows = {(row["id"], row["email"]) for row in csv.DictReader(text)}
    assert rows == set(databases.rows("twin_exporting", "SELECT id::text, email FROM customer"))
    appliance.cli("exports", "rm", run["run_id"], "--why", "The test is over.")
    assert json.loads(appliance.cli("exports", "list", "--json").stdout) == []
    assert "The test is over." in (folder.parent / "deletions.jsonl").read_text()


def test_a_container_sees_the_one_folder_that_it_writes_files_to() -> None:
    host = StepPaths(Path("/s/runs/r"), Path("/run/x"), Path("/s/exports/w/.r.unfinished"))
    call = StepCall("r", "w", "attest", exports=True)
    mounts = step_mounts(paths_inside(call), host)
    writable = {mount["Target"]: mount["Source"] for mount in mounts if not mount["ReadOnly"]}
    assert writable == {"/appliance/run": "/s/runs/r", EXPORT_DIR: "/s/exports/w/.r.unfinished"}
    assert to_arguments(call, paths_inside(call))[-2:] == ["--export-dir", EXPORT_DIR]
    other = StepCall("r", "w", "publish", delivery=1)
    assert "--export-dir" not in to_arguments(other, paths_inside(other))
    mounts = step_mounts(paths_inside(other), StepPaths(Path("/s/runs/r"), Path("/run/x")))
    assert EXPORT_DIR not in {mount["Target"] for mount in mounts}


def test_files_without_a_twin_leave_no_database(appliance: ApplianceHost, databases: Cluster) -> None:
    deliver = [{"files": {"format": "archive", "build_in": "exporting"}}]
    appliance.write_workflow("alone.yaml", workflow("alone", "exporting", deliver=deliver))
    before = databases.databases()
    policy = appliance.folder / "etc" / "policy.yaml"
    policy.write_text("destinations: [files]\n")
    try:
        run = appliance.run_to_end("alone")
    finally:
        policy.unlink()
    assert run["state"] == "succeeded", run
    (listed,) = json.loads(appliance.cli("exports", "list", "--workflow", "alone", "--json").stdout)
    assert (listed["run"], listed["formats"]) == (run["run_id"], ["archive"])
    assert databases.databases() == before


@pytest.fixture(scope="module")
def lake(appliance: ApplianceHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """A bucket that steps reach, known as ``lake``; the image that uploads; a policy for both."""
    folder = tmp_path_factory.mktemp("lake")
    with bucket_server(folder, host=GATEWAY) as server:
        project = f"appliance-test-{secrets.token_hex(4)}"
        image, policy = f"{project}-step-parquet", appliance.folder / "etc" / "policy.yaml"
        Stack({**os.environ, "APPLIANCE_DEMO": project}).build_image_of("parquet")
        settings = appliance.folder / "appliance.yaml"
        settings.write_text(yaml.safe_dump({"steps": {"parquet_image": image}}))
        policy.write_text("destinations: [files, lake]\n")
        try:
            yield server
        finally:
            policy.unlink()
            settings.write_text("{}\n")
            subprocess.run(["docker", "image", "rm", image], check=False, capture_output=True)


def deliver_to_the_lake(appliance: ApplianceHost, server: BucketServer, **changes: Any) -> None:
    appliance.change_connection("lake", server.connection(**changes))
    bucket = {"bucket": {"connection": "lake", "prefix": "shop/", "formats": ["csv", "parquet"], "keep": 1}}
    appliance.write_workflow("exporting.yaml", workflow("exporting", "exporting", deliver=[*DELIVER, bucket]))


def test_a_bucket_is_filled_by_one_step_which_alone_is_given_its_credentials(
    appliance: ApplianceHost, lake: BucketServer, customers: int
) -> None:
    deliver_to_the_lake(appliance, lake)
    with watched(appliance) as seen:
        run = appliance.run_to_end("exporting")
    assert run["state"] == "succeeded", run
    [whole] = [name for name in lake.objects() if name.endswith(MANIFEST)]
    manifest = Manifest.model_validate_json((lake.bucket / whole).read_bytes())
    folder = whole.removesuffix(MANIFEST)
    assert folder == f"shop/{run['run_id']}/"
    assert lake.objects() == sorted([whole, *(f"{folder}{each.file}" for each in manifest.files)])
    assert {form.format: sum(each.rows for each in form.tables) for form in manifest.formats} == {
        "csv": customers * 4,
        "parquet": customers * 4,
    }
    assert {step: names for step, names in seen.files.items() if "lake.bucket.json" in names} == {
        "upload": {"lake.bucket.json"}
    }
    assert "pg_service.conf" in seen.files["copy"]
    assert seen.shown and not [text for text in seen.shown if SECRET in text]
    listed = json.loads(appliance.cli("copies", "list", "--json").stdout)
    assert {each["place"] for each in listed if each["run"] == run["run_id"]} >= {f"lake/{folder}"}


def test_a_bucket_that_is_not_believed_fails_the_run_and_the_twin_stays(
    appliance: ApplianceHost, lake: BucketServer, databases: Cluster, tmp_path: Path
) -> None:
    there, marked = lake.objects(), "SELECT oid FROM pg_database WHERE datname = 'twin_exporting'"
    twin = databases.value("postgres", marked)
    other, _ = make_certificates(tmp_path)
    deliver_to_the_lake(appliance, lake, sslrootcert=str(other))
    run = appliance.run_to_end("exporting")
    assert run["state"] == "failed", run
    assert "certificate was not believed" in run["failure"]["why"]
    assert "lake.sslrootcert" in run["failure"]["next_step"]
    assert SECRET not in json.dumps(run)
    assert lake.objects() == there
    assert databases.value("postgres", marked) == twin
    folder = appliance.folder / "state" / "exports" / "exporting"
    assert run["run_id"] not in [path.name.strip(".") for path in folder.iterdir()]
