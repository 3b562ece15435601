"""``/metrics`` of the dashboard: the fleet, as Prometheus reads it."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families

from appliance.dashboard.store.access import people, tokens
from appliance.dashboard.store.run_history.workflow_ends import workflow_ends
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard

Sample = tuple[dict[str, str], float]


def samples(text: str) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_a_token_that_may_look_sees_each_appliance_and_how_its_workflows_fare(stored: Dashboard) -> None:
    seeds.fleet(stored.api, stored.client)
    answer = stored.api_as("viewer").get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    fleet = {row["name"]: row for row in stored.api.get("/v1/appliances").json()}
    seen = {labels["appliance"]: value for labels, value in found["dashboard_appliance_up"]}
    assert seen == {
        name: float(row["condition"] == "healthy") for name, row in fleet.items() if row["last_seen"]
    }
    assert "Harbour Clinic" in fleet and "Harbour Clinic" not in seen, "what is new has not been up or down"
    with stored.context.database.read() as session:
        ends = {(each.appliance, each.workflow_id): each for each in workflow_ends(session)}
    succeeded = {
        (labels["appliance"], labels["workflow"]): value
        for labels, value in found["dashboard_workflow_last_success_timestamp_seconds"]
    }
    assert succeeded == {key: end.last_success for key, end in ends.items() if end.last_success}
    assert {value for _, value in found["dashboard_workflow_last_run_success"]} == {0.0, 1.0}


def test_names_that_people_give_are_labels_and_nothing_else(dashboard: Dashboard) -> None:
    name = 'West" 1\\n{x} wing'
    _, appliance = dashboard.enrolled(name)
    appliance.heartbeat()
    found = samples(dashboard.api.get("/metrics").text)
    assert found["dashboard_appliance_up"] == [({"appliance": name}, 1.0)]


def test_when_each_api_token_expires_is_said_with_its_id(dashboard: Dashboard) -> None:
    for days in (3, 30, None):
        tokens.create_token(dashboard.context.database, people.SYSTEM, "pipeline", "viewer", days)
    found = samples(dashboard.api.get("/metrics").text)["dashboard_api_token_expires_timestamp_seconds"]
    own = [value for labels, value in found if labels["name"] == "pipeline"]
    left = sorted(round((value - time.time()) / 86400) for value in own)
    assert left == [3, 30], "one that does not expire has no moment"
    assert len({labels["id"] for labels, _ in found}) == len(found)


def test_without_a_token_nothing_is_said(dashboard: Dashboard) -> None:
    dashboard.api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    assert dashboard.client().get("/metrics").status_code == 401
    assert dashboard.client(authorization="Bearer no").get("/metrics").status_code == 401
