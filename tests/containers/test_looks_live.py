"""Looks through the real Airflow, container and dashboard: a scan, a plan, a check for drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.containers.cloud import Cloud, enrolled_cloud
from tests.containers.shop import workflow
from tests.engine.clusters import Cluster


@pytest.fixture(scope="module")
def cloud(appliance: ApplianceHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A dashboard that is shown the columns of what may be read."""
    with enrolled_cloud(appliance, tmp_path_factory.mktemp("dashboard")) as made:
        policy = appliance.folder / "etc" / "policy.yaml"
        policy.write_text(yaml.safe_dump(yaml.safe_load(policy.read_text()) | {"share_catalog": "names"}))
        yield made


def runs_of(appliance: ApplianceHost) -> list[str]:
    return [run["run_id"] for run in appliance.status("/status")[1]["runs"]["recent"]]


def test_a_scan_asked_for_there_shows_columns_and_no_value(appliance: ApplianceHost, cloud: Cloud) -> None:
    before = runs_of(appliance)
    answered = cloud.command(kind="scan", connection="production")
    assert answered["state"] == "done", answered
    found = cloud.ask("GET", f"/v1/appliances/{cloud.appliance_id}/catalogs/production")
    kinds = {
        (table["name"], column["name"]): column.get("kind")
        for table in found["tables"]
        for column in table["columns"]
    }
    assert kinds["customer", "email"] == "email" and kinds["customer", "phone"] == "phone"
    assert kinds["letter", "body"] is not None
    assert "real.example" not in json.dumps(found) and "Real Person" not in json.dumps(found)
    # It was no run, and leaves none behind.
    assert runs_of(appliance) == before
    assert not list((appliance.folder / "state" / "runs").glob("look.*"))


def test_a_plan_asked_for_there_says_what_a_run_would_do_and_what_would_stop_it(cloud: Cloud) -> None:
    cloud.write(workflow("planned-there", "spare"))
    wait_for("it is taken up", lambda: cloud.placement("planned-there").get("state") == "active")
    assert planned(cloud, "planned-there")["tables_total"] == 2
    shown = cloud.ask("GET", "/v1/workflows/planned-there")
    document = yaml.safe_load(shown["yaml"]) | {"tables": {"include": ["public.*"]}}
    saved = {"yaml": yaml.safe_dump(document), "based_on": shown["revision"]}
    cloud.ask("PUT", "/v1/workflows/planned-there", saved)
    refused = planned(cloud, "planned-there")
    assert refused["refused"] and {each["column"] for each in refused["uncovered"]} == {"customer_id", "body"}


def planned(cloud: Cloud, workflow_id: str) -> dict[str, Any]:
    digest = cloud.ask("GET", f"/v1/workflows/{workflow_id}")["digest"]
    answered = cloud.command(kind="plan", workflow=workflow_id, digest=digest)
    assert answered["state"] == "done", answered
    found = cloud.ask("GET", f"/v1/appliances/{cloud.appliance_id}/plans/{workflow_id}")["plan"]
    assert found["command_id"] == answered["id"]
    return dict(found)


def test_by_its_own_timetable_it_is_looked_whether_the_next_run_would_go(
    appliance: ApplianceHost, databases: Cluster, cloud: Cloud
) -> None:
    cloud.write(workflow("drifting", "gone", schedule="0 2 1 1 *", drift="* * * * *"))
    check = f"/v1/appliances/{cloud.appliance_id}/drift-checks/drifting"

    def found() -> dict[str, Any]:
        answer = cloud.api.get(check)
        return answer.json()["found"] if answer.is_success else {}

    wait_for("it is looked at", lambda: found().get("outcome") == "goes", every=0.5)
    databases.sql("shop", "ALTER TABLE purchase ADD COLUMN gift_for text; ALTER TABLE customer ADD note text")
    try:
        wait_for("it is seen", lambda: found().get("outcome") == "halts", every=0.5)
        # The pattern public.purchase.* keeps what comes there; nothing covers the other.
        assert [each["column"] for each in found()["uncovered"]] == ["note"]
        (shown,) = [each for each in appliance.status("/status")[1]["workflows"] if each["id"] == "drifting"]
        assert shown["drift_check"]["columns"] == ["public.customer.note"] and shown["last_run"] is None
        assert "would halt" in appliance.cli("status", check=False).stdout
    finally:
        databases.sql("shop", "ALTER TABLE purchase DROP COLUMN gift_for; ALTER TABLE customer DROP note")
        cloud.ask("PUT", "/v1/workflows/drifting/appliances", {"appliance_ids": []})
