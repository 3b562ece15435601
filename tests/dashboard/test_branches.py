"""Branches on a workflow's page: which there are, and asking for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from appliance.contract.branches import BranchesReported, BranchLine
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard


def line(name: str, *, ends_in: timedelta) -> BranchLine:
    now = datetime.now(UTC)
    return BranchLine(
        name=name, run_id="run-1", copy_of="golden", made_at=now, ends_at=now + ends_in, bytes=5_000_000
    )


def test_a_page_shows_the_branches_that_stand_and_asks_the_appliance_for_one(dashboard: Dashboard) -> None:
    appliance_id, simulated = dashboard.enrolled()
    dashboard.api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    assigned = {"appliance_ids": [appliance_id]}
    dashboard.api.put("/v1/workflows/staging-twin/appliances", json=assigned).raise_for_status()
    simulated.tell(
        BranchesReported(
            command_id=uuid4(),
            workflow="staging-twin",
            connection="staging",
            branches=(
                line("pay<1", ends_in=timedelta(days=1)),
                line("over", ends_in=timedelta(seconds=-1)),
            ),
            total=2,
        )
    )
    simulated.send()
    browser = dashboard.signed_in()
    shown = browser.get("/workflows/staging-twin").text
    assert "pay&lt;1" in shown and "run-1" in shown and ">over<" not in shown

    path = "/workflows/staging-twin/branches"
    form = {"appliance": appliance_id, "act": "create", "name": " feature/é ", "ttl": "3d", "on": ""}
    sent = browser.post(path, form)
    assert sent.status_code == 303, sent.text
    (command,) = dashboard.api.get(f"/v1/appliances/{appliance_id}").json()["commands"]
    wanted = {"workflow": "staging-twin", "act": "create", "name": "feature/é", "ttl": "3d"}
    assert command["kind"] == "branch" and command["argument"] == wanted
    assert "feature/é" in browser.get(sent.headers["location"]).text


def test_what_is_no_name_or_time_of_a_branch_is_refused(dashboard: Dashboard) -> None:
    appliance_id, _ = dashboard.enrolled()
    path = f"/v1/appliances/{appliance_id}/commands"
    for wrong in (
        {"name": "a\nb"},
        {"name": ""},
        {"name": "a", "ttl": "soon"},
        {"name": "a", "act": "steal"},
    ):
        request = {"kind": "branch", "act": "create", "workflow": "staging-twin", "name": "a", **wrong}
        assert dashboard.api.post(path, json=request).status_code == 422
