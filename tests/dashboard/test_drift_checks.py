"""A check for drift on the pages: that the next run would halt, until a run has said more."""

from __future__ import annotations

from appliance.contract.catalog import UncoveredColumn
from appliance.contract.drift_check import DriftChecked
from appliance.contract.table_drift import TableDrift
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard

HALTS = DriftChecked(
    workflow="staging-twin",
    outcome="halts",
    uncovered_total=1,
    uncovered=(
        UncoveredColumn(
            schema_name="crm", table="lead", column="nick<name", type="text", suggestion="mask", mask="redact"
        ),
    ),
    drift=(TableDrift(table="crm.lead", change="columns_added", outcome="halted"),),
)


def test_that_the_next_run_would_halt_is_said_on_both_pages_and_leads_to_the_editor(
    dashboard: Dashboard,
) -> None:
    appliance_id, simulated = dashboard.enrolled()
    body = {"yaml": seeds.STAGING}
    dashboard.api.post("/v1/workflows", json=body).raise_for_status()
    assigned = {"appliance_ids": [appliance_id]}
    dashboard.api.put("/v1/workflows/staging-twin/appliances", json=assigned).raise_for_status()
    simulated.tell(HALTS)
    simulated.send()
    browser = dashboard.signed_in()
    for path in ("/workflows/staging-twin", f"/appliances/{appliance_id}"):
        shown = browser.get(path).text
        assert "The next run would halt: nothing covers 1 column." in shown
        assert "crm.lead.nick&lt;name" in shown and "column(s) added" in shown
        assert f"/workflows/staging-twin/edit?checked_on={appliance_id}" in shown
    edited = browser.get(f"/workflows/staging-twin/edit?checked_on={appliance_id}").text
    assert "crm.lead.nick&lt;name" in edited and "redact" in edited
    placed = dashboard.api.get(f"/v1/appliances/{appliance_id}").json()["placements"]
    assert placed[0]["drift"]["found"]["outcome"] == "halts"

    # A run that has ended says more.
    seeds.tell_run(simulated, "staging-twin")
    assert "would halt" not in browser.get("/workflows/staging-twin").text
    path = f"/v1/appliances/{appliance_id}/drift-checks/staging-twin"
    assert dashboard.api.get(path).status_code == 404
    simulated.tell(DriftChecked(workflow="staging-twin", outcome="goes"))
    simulated.send()
    assert "the next run would go" in browser.get("/workflows/staging-twin").text
