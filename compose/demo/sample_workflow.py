"""The sample workflow, as a user works with it on the dashboard: written, assigned, run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.errors import WorkFailedError

from .dashboard import TOKEN_NAME, Dashboard

ID = "staging-twin"
DOCUMENT = Path(__file__).parent / "workflows" / f"{ID}.yaml"
TAKEN_UP_WITHIN_S = 300
"""By the appliance's status service, and by Airflow, whose parser has only just begun at the first start."""
BELIEVED_AFTER_S = 30
"""A refusal may be of the version before, until the appliance has called again."""
ANSWERED_WITHIN_S = 300


def write(dashboard: Dashboard, appliance_id: str, tell: Callable[[str], None]) -> None:
    """See that the workflow is on the dashboard, assigned, and in force on the appliance.

    A version that another user has written stays as it is. Raises WorkFailedError when the appliance does
    not take it up, with its reason.
    """
    path, text = f"/v1/workflows/{ID}", DOCUMENT.read_text(encoding="utf-8")
    present = dashboard.find(path)
    if present is None:
        dashboard.ask("POST", "/v1/workflows", {"yaml": text, "note": "The demo's sample"})
    elif present["archived_at"] is not None or (
        present["author"] == f"token {TOKEN_NAME}" and present["yaml"] != text
    ):
        dashboard.ask("PUT", path, {"yaml": text, "note": "The sample as this checkout has it"})
    assigned = {row["appliance_id"] for row in (present or {}).get("appliances", ())}
    if appliance_id not in assigned:
        dashboard.ask("PUT", f"{path}/appliances", {"appliance_ids": sorted({*assigned, appliance_id})})
    tell("the appliance fetches it")
    began = time.monotonic()
    while not _is_in_force(placed := _placement(dashboard, appliance_id)):
        patience = BELIEVED_AFTER_S if placed["state"] in ("refused", "invalid") else TAKEN_UP_WITHIN_S
        if time.monotonic() - began > patience:
            raise WorkFailedError(
                f"The appliance has not taken up the workflow {ID}.",
                placed["problem"] or f"{TAKEN_UP_WITHIN_S} s have passed.",
                f"open {dashboard.url}/workflows/{ID}",
            )
        time.sleep(0.5)


def run(dashboard: Dashboard, appliance_id: str) -> str:
    """Ask for a run, as the button does; returns its id.

    Raises WorkFailedError with the appliance's reason.
    """
    [command] = dashboard.ask("POST", f"/v1/workflows/{ID}/run", {"appliance_ids": [appliance_id]})
    give_up = time.monotonic() + ANSWERED_WITHIN_S
    while command["state"] in ("waiting", "accepted"):
        if time.monotonic() > give_up:
            raise WorkFailedError(
                "The appliance has not answered the command to run.",
                "",
                f"open {dashboard.url}/appliances/{appliance_id}",
            )
        time.sleep(0.3)
        command = dashboard.ask("GET", f"/v1/commands/{command['id']}")
    if command["state"] != "done":
        raise WorkFailedError(
            f"The appliance has {command['state']} the command to run.",
            command["problem"] or "",
            f"open {dashboard.url}/appliances/{appliance_id}",
        )
    return str(command["run_id"])


def page_of(dashboard: Dashboard, appliance_id: str, run_id: str) -> str:
    """The address of a run's page."""
    return f"{dashboard.url}/runs/{appliance_id}/{run_id}"


def run_on_dashboard(dashboard: Dashboard, appliance_id: str, run_id: str) -> Any:
    """The run as the dashboard has it when it has heard of its end; None when it has not for a while."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        found = dashboard.find(f"/v1/runs/{appliance_id}/{run_id}")
        if found and found["outcome"]:
            return found
        time.sleep(0.5)
    return None


def _is_in_force(placed: dict[str, Any]) -> bool:
    return placed["state"] == "active" and placed["digest"] == placed["wanted_digest"]


def _placement(dashboard: Dashboard, appliance_id: str) -> dict[str, Any]:
    found = dashboard.ask("GET", f"/v1/appliances/{appliance_id}")["placements"]
    [mine] = [row for row in found if row["workflow_id"] == ID]
    return mine
