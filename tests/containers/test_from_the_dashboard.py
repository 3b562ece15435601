"""The real appliance with the real dashboard: a workflow written there, run from there, broken and mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.containers.shop import workflow
from tests.dashboard.running import running_dashboard
from tests.engine.clusters import Cluster

OVER = {"succeeded", "failed", "refused", "cancelled"}


class Cloud:
    """An editor on the dashboard, and the appliance it looks after."""

    def __init__(self, api: httpx.Client, appliance_id: str) -> None:
        self.api = api
        self.appliance_id = appliance_id

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.api.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def write(self, document: dict[str, Any]) -> None:
        self.ask("POST", "/v1/workflows", {"yaml": yaml.safe_dump(document)})
        body = {"appliance_ids": [self.appliance_id]}
        self.ask("PUT", f"/v1/workflows/{document['id']}/appliances", body)

    def placement(self, workflow_id: str) -> dict[str, Any]:
        found = self.ask("GET", f"/v1/appliances/{self.appliance_id}")["placements"]
        return next((each for each in found if each["workflow_id"] == workflow_id), {})

    def command(self, **request: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        sent = self.ask("POST", f"/v1/appliances/{self.appliance_id}/commands", request)["id"]

        def answered() -> Any:
            command = self.ask("GET", f"/v1/commands/{sent}")
            return command if command["state"] not in {"waiting", "accepted"} else None

        found: dict[str, Any] = wait_for(f"an answer to {request}", answered, seconds=240, every=0.5)
        return found

    def run_to_end(self, workflow_id: str) -> dict[str, Any]:
        """Press the button, and watch the run end over there."""
        command = self.command(kind="run", workflow=workflow_id)
        assert command["state"] == "done", command

        def ended() -> Any:
            answer = self.api.get(f"/v1/runs/{self.appliance_id}/{command['run_id']}")
            return answer.json() if answer.is_success and answer.json()["state"] in OVER else None

        found: dict[str, Any] = wait_for(f"{command['run_id']} ends", ended, seconds=300, every=0.5)
        return found | {"command_id": command["id"]}


@pytest.fixture(scope="module")
def cloud(appliance: ApplianceHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A dashboard with which the appliance has enrolled, and a policy that lets its workflows in."""
    policy = appliance.folder / "etc" / "policy.yaml"
    policy.write_text(
        yaml.safe_dump(
            {"workflows_from_cloud": True, "read": ["production"], "write": ["main", "slow", "spare"]}
        )
    )
    folder: Path = tmp_path_factory.mktemp("dashboard")
    with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="3") as running:
        token = running.command("create-token", "tests", "--role", "admin").splitlines()[-1]
        with running.client(token) as api:
            made = api.post("/v1/appliances", json={"name": "Hospital"}).raise_for_status().json()
            appliance.cli("enrol", running.url, made["enrolment_token"])
            cloud = Cloud(api, made["appliance_id"])
            yield cloud
    policy.unlink()


def test_a_workflow_written_there_is_run_broken_and_mended_from_there(
    appliance: ApplianceHost, databases: Cluster, cloud: Cloud, customers: int
) -> None:
    cloud.write(workflow("from-cloud", "spare"))
    wait_for("it is taken up", lambda: cloud.placement("from-cloud").get("state") == "active", seconds=120)
    run = cloud.run_to_end("from-cloud")
    assert run["state"] == "succeeded", run
    assert databases.value("twin_spare", "SELECT count(*) FROM customer") == customers

    good = databases.connection("twin_spare", "twin_owner", host="172.17.0.1")
    appliance.change_connection("spare", good | {"password": "wr0ng-c4nary"})
    broken = cloud.run_to_end("from-cloud")
    assert broken["state"] == "failed"
    failure = broken["outcome"]["failure"]
    assert "password" in failure["what"] + failure["why"]
    assert "connections.yaml" in failure["next_step"]
    assert "wr0ng-c4nary" not in json.dumps(broken)
    appliance.change_connection("spare", good)
    assert cloud.run_to_end("from-cloud")["state"] == "succeeded"


def test_a_command_whose_answer_was_lost_with_the_process_starts_no_second_run(
    appliance: ApplianceHost, cloud: Cloud
) -> None:
    run = cloud.run_to_end("from-cloud")
    with psycopg.connect(appliance.database_url("appliance"), autocommit=True) as db:
        query = "SELECT count(*) FROM dag_run WHERE dag_id = 'from-cloud'"
        with psycopg.connect(appliance.database_url("airflow")) as airflow:
            before = airflow.execute(query).fetchone()
        # As if it had been killed between the deed and writing down that it is done.
        changed = "UPDATE appliance.command SET state = 'received' WHERE command_id = %s"
        assert db.execute(changed, [run["command_id"]]).rowcount == 1
        settled = "SELECT state FROM appliance.command WHERE command_id = %s"
        wait_for(
            "it is settled again",
            lambda: db.execute(settled, [run["command_id"]]).fetchone() == ("done",),
            seconds=60,
        )
        with psycopg.connect(appliance.database_url("airflow")) as airflow:
            assert airflow.execute(query).fetchone() == before
