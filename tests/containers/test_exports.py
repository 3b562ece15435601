"""Files beside a twin, through Airflow and a step's container."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from appliance.orchestration.containers.container import EXPORT_DIR, paths_inside, step_mounts
from appliance.steps.calling.call import StepCall, StepPaths, to_arguments
from tests.containers.appliance_host import ApplianceHost
from tests.containers.shop import workflow
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
