"""The real dashboard beside a whole appliance that has enrolled with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.containers.appliance_fixtures import TWINS
from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.dashboard.running import RunningDashboard, running_dashboard

OVER = {"succeeded", "failed", "refused", "cancelled"}


class Cloud:
    """An editor on the dashboard, and the appliance it looks after."""

    def __init__(
        self, dashboard: RunningDashboard, folder: Path, api: httpx.Client, appliance_id: str
    ) -> None:
        self.dashboard = dashboard
        self.folder = folder
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

        found: dict[str, Any] = wait_for(f"an answer to {request}", answered, every=0.5)
        return found

    def run_to_end(self, workflow_id: str) -> dict[str, Any]:
        """Press the button, and watch the run end over there."""
        command = self.command(kind="run", workflow=workflow_id)
        assert command["state"] == "done", command

        return self.run_at_its_end(command["run_id"]) | {"command_id": command["id"]}

    def run_at_its_end(self, run_id: str) -> dict[str, Any]:
        """Watch a run end over there."""

        def ended() -> Any:
            answer = self.api.get(f"/v1/runs/{self.appliance_id}/{run_id}")
            return answer.json() if answer.is_success and answer.json()["state"] in OVER else None

        found: dict[str, Any] = wait_for(f"{run_id} ends", ended, every=0.5)
        return found


@contextmanager
def enrolled_cloud(
    appliance: ApplianceHost,
    folder: Path,
    *,
    read: tuple[str, ...] = (),
    write: tuple[str, ...] = (),
    keep: tuple[str, ...] = ("*.*.*",),
) -> Iterator[Cloud]:
    """A dashboard in ``folder``; policy lets workflows use these connections beside the shop's, and keep."""
    policy = appliance.folder / "etc" / "policy.yaml"
    allowed = {"read": ["production", *read], "write": [*TWINS, *write]}
    policy.write_text(
        yaml.safe_dump({"workflows_from_cloud": True, "keep_from_cloud": list(keep), **allowed})
    )
    try:
        with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="3") as running:
            token = running.command("create-token", "tests", "--role", "admin").splitlines()[-1]
            with running.client(token) as api:
                made = api.post("/v1/appliances", json={"name": "Hospital"}).raise_for_status().json()
                appliance.cli("enrol", running.url, made["enrolment_token"])
                yield Cloud(running, folder, api, made["appliance_id"])
    finally:
        policy.unlink()
