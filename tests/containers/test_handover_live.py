"""A container of the customer's own, through Airflow: after the twin, and never instead of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.policy.trusted_images import TrustRecord, write_trusted
from tests.containers.appliance_host import GATEWAY, ApplianceHost
from tests.containers.shop import workflow
from tests.engine.clusters import Cluster

NAME = "report.internal/shop:1"
TWIN = {"twin": {"connection": "handing", "grace_s": 0}}
FILES = {"files": {"format": "csv"}}
COUNT = """
import gzip, subprocess
rows = gzip.open("/data/public.customer.csv.gz", "rt").read().count("\\n") - 1
open("/out/rows", "w").write(str(rows))
"""


def handing(appliance: ApplianceHost, *containers: dict[str, Any]) -> dict[str, Any]:
    """Run a workflow that delivers a twin, files, and these containers."""
    deliver = [TWIN, FILES, *({"container": {"image": NAME, **each}} for each in containers)]
    appliance.write_workflow("handing.yaml", workflow("handing", "handing", deliver=deliver))
    return appliance.run_to_end("handing")


@pytest.fixture
def allowed(appliance: ApplianceHost, report_image: str) -> Iterator[None]:
    """Policy names the image, and its tag is trusted."""
    policy, record = appliance.folder / "etc" / "policy.yaml", appliance.folder / "etc" / "images.json"
    policy.write_text(f"destinations: [files]\nimages: ['{NAME}']\n")
    trusted = {"reference": NAME, "image_id": report_image, "trusted_by": "x"}
    found = TrustRecord.model_validate({**trusted, "trusted_at": "2026-01-01T00:00:00Z"})
    write_trusted(record, {NAME: found})
    yield
    policy.unlink()
    record.unlink(missing_ok=True)


def steps(run: dict[str, Any]) -> dict[tuple[str, int | None], str]:
    return {(step["step"], step["shard"]): step["state"] for step in run["steps"]}


def test_each_container_runs_when_all_is_published_and_its_output_is_an_export(
    appliance: ApplianceHost, allowed: None, databases: Cluster, customers: int
) -> None:
    query = (
        "import subprocess; print(subprocess.check_output(['psql', '-Atc', 'SELECT count(*) FROM customer']))"
    )
    run = handing(
        appliance, {"args": ["-c", COUNT]}, {"args": ["-c", query], "reads": "twin", "network": "databases"}
    )
    assert run["state"] == "succeeded", run
    assert (steps(run)["container", 0], steps(run)["container", 1]) == ("succeeded", "succeeded")
    listed = {each["run"]: each for each in json.loads(appliance.cli("exports", "list", "--json").stdout)}
    assert set(listed) >= {run["run_id"], f"{run['run_id']}-container-2"}
    folder = appliance.folder / "state" / "exports" / "handing" / f"{run['run_id']}-container-2"
    assert (folder / "out" / "rows").read_text() == str(customers)
    appliance.cli("exports", "rm", *(each for each in listed if each.startswith("handing-")), "-y")


def test_a_container_that_fails_fails_the_run_and_leaves_the_new_twin(
    appliance: ApplianceHost, allowed: None, databases: Cluster, customers: int
) -> None:
    run = handing(appliance, {"args": ["-c", "print('no such month'); raise SystemExit(7)"]})
    assert run["state"] == "failed", run
    assert "exit status 7" in run["failure"]["what"]
    assert run["failure"]["log_tail"] == ["no such month"]
    assert steps(run)["publish", 0] == "succeeded"
    assert databases.value("twin_handing", "SELECT count(*) FROM customer") == customers


def test_too_little_memory_is_said_and_what_is_not_named_is_not_reached(
    appliance: ApplianceHost, allowed: None, databases: Cluster
) -> None:
    hungry = "x = bytearray(200 * 2**20); print(len(x))"
    curious = f"""
import json, socket
def reaches(host, port):
    try:
        socket.create_connection((host, port), 2).close()
        return True
    except OSError:
        return False
places = [("{GATEWAY}", {databases.port}), ("{GATEWAY}", {appliance.status_port}), ("169.254.169.254", 80)]
json.dump([reaches(*each) for each in places], open("/out/reached.json", "w"))
"""
    run = handing(
        appliance,
        {"args": ["-c", hungry], "memory_mb": 32, "on_failure": "warn"},
        {"args": ["-c", curious], "on_failure": "warn"},
    )
    assert run["state"] == "succeeded", run
    assert any("more than the 32 MB" in note["text"] for note in run["notices"]), run
    name = f"{run['run_id']}-container-3"
    folder = appliance.folder / "state" / "exports" / "handing" / name
    assert json.loads((folder / "out" / "reached.json").read_text()) == [False] * 3
    appliance.cli("exports", "rm", name, "-y")


def test_a_container_that_may_fail_only_leaves_a_note(appliance: ApplianceHost, allowed: None) -> None:
    run = handing(appliance, {"args": ["-c", "raise SystemExit(7)"], "on_failure": "warn"})
    assert run["state"] == "succeeded", run
    assert any("exit status 7" in note["text"] for note in run["notices"]), run


def test_an_image_that_is_not_named_or_not_trusted_is_refused_before_anything_runs(
    appliance: ApplianceHost, allowed: None
) -> None:
    (appliance.folder / "etc" / "images.json").unlink()
    run = handing(appliance, {})
    assert (run["state"], run["failure"]["rule"]) == ("refused", "images"), run
    assert "appliance images trust" in run["failure"]["next_step"]
    (appliance.folder / "etc" / "policy.yaml").write_text("destinations: [files]\n")
    run = handing(appliance, {})
    assert (run["state"], run["failure"]["rule"]) == ("refused", "images"), run
    assert {step for step, _ in steps(run)} == {"open_snapshot"}
