"""The status service's own API: whatever is sent to it, it answers as its OpenAPI document says."""

from __future__ import annotations

import pytest
import schemathesis
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from appliance.contract.step_messages import Progress
from appliance.status.service import create_app
from appliance.status.state import State
from tests.cloud.appliance_rig import ApplianceRig
from tests.dashboard.probing import probe

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
EXAMPLES = 15
LOCAL = {"host": "localhost"}
"""It answers to the names of its own machine only."""


def described(rig: ApplianceRig) -> schemathesis.BaseSchema:
    app = create_app(rig.settings, State(rig.settings))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=dict(LOCAL))


def local(_: schemathesis.APIOperation) -> dict[str, str]:
    return LOCAL


@pytest.mark.parametrize("mode", MODES)
def test_with_its_database_there_nothing_that_is_sent_ends_in_a_5xx(
    rig: ApplianceRig, mode: GenerationMode
) -> None:
    for number in range(3):
        rig.store.run_queued(f"run-{number}", "w", airflow_run_id=None, origin="local", trigger="operator")
        rig.store.run_started(f"run-{number}")
    # Its answer is 503 because there is no Airflow here; the test below asks it.
    schema = described(rig).exclude(path="/healthz")
    assert probe(schema, mode, local, examples=EXAMPLES)


@pytest.mark.parametrize("mode", MODES)
def test_with_airflow_and_postgresql_down_it_says_503_where_it_says_that_it_does(
    rig: ApplianceRig, mode: GenerationMode
) -> None:
    rig.environment["APPLIANCE_DATABASE_URL"] = "host=127.0.0.1 port=9 dbname=none"
    assert probe(described(rig), mode, local, examples=EXAMPLES, said={503})


def test_an_id_that_no_database_can_hold_is_no_run_rather_than_a_database_that_is_away(
    rig: ApplianceRig,
) -> None:
    asked = TestClient(create_app(rig.settings, State(rig.settings)), base_url="http://127.0.0.1")
    assert asked.get("/runs/a%00b").status_code == 404
    assert asked.get("/runs", params={"workflow": "a\0b"}).json() == []


def test_metrics_count_what_all_runs_come_to(rig: ApplianceRig) -> None:
    for number, state in enumerate(("succeeded", "failed", "succeeded")):
        run = f"shop-{number}"
        rig.store.run_queued(run, "shop", airflow_run_id=None, origin="local", trigger="operator")
        rig.store.run_started(run)
        rig.store.step_started(run, "copy", 0, 1)
        rig.store.progress(
            run, [Progress(step="copy", shard=0, table="public.a", rows=10, bytes=100, done=True)]
        )
        rig.store.step_ended(run, "copy", 0, "succeeded" if state == "succeeded" else "failed")
        rig.store.run_ended(run, state)
    asked = TestClient(create_app(rig.settings, State(rig.settings)), base_url="http://127.0.0.1")
    text = asked.get("/metrics").text
    assert 'appliance_workflow_runs_total{outcome="succeeded",workflow="shop"} 2.0' in text
    assert 'appliance_workflow_runs_total{outcome="failed",workflow="shop"} 1.0' in text
    assert 'appliance_workflow_copied_rows_total{workflow="shop"} 30.0' in text
    assert 'appliance_workflow_copied_bytes_total{workflow="shop"} 300.0' in text
    assert 'appliance_workflow_step_duration_seconds{step="copy",workflow="shop"}' in text
