"""A workflow's check for drift: its owner and the dashboard hear that a run would halt before one does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError
from appliance.orchestration import drift_checks
from appliance.orchestration.containers.inputs import StepInputs
from appliance.orchestration.workflow_files import read_workflow_files
from appliance.run_folder import run_folder
from appliance.settings.notify import NotifySettings
from appliance.status.notifications.conditions import conditions
from appliance.status.report import WorkflowState
from appliance.status.state import State
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.execute import execute_step
from appliance.steps.calling.secrets import write_secrets
from tests.cloud.appliance_rig import POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_workflows_and_commands import assign
from tests.engine.clusters import Cluster

NIGHTLY = WORKFLOW | {"schedule": "0 2 * * *", "drift": "0 18 * * *"}


@pytest.fixture
def source(state_cluster: Cluster, enrolled: ApplianceRig) -> Iterator[str]:
    """A database that the workflow covers whole."""
    name = "drifting"
    state_cluster.create_database(name)
    state_cluster.sql(name, "CREATE TABLE customer (id serial PRIMARY KEY, email text NOT NULL)")
    connection = state_cluster.connection(name, "postgres")
    file = enrolled.settings.connections_file
    file.write_text(yaml.safe_dump({"production": connection, "staging": {**connection, "dbname": "twin"}}))
    file.chmod(0o600)
    yield name
    state_cluster.drop_database(name)


def share(rig: ApplianceRig, what: str) -> None:
    rig.write_policy(POLICY | {"share_catalog": what, "powerful_roles": ["production", "staging"]})


def check(rig: ApplianceRig, workflow: str) -> None:
    """What the task in the scheduler does, in this process instead of a container."""
    (file,) = read_workflow_files(rig.settings.config_dir, rig.settings.state_dir)
    assert file.drift == "0 18 * * *"
    spec, failure = None, None
    try:
        spec = drift_checks.begin(rig.settings, Path(file.path), file.origin)
        call = StepCall(spec.run_id, spec.workflow.id, drift_checks.STEP)
        _, wanted = StepInputs(rig.settings, spec).connections_to_reach(call)
        secrets = rig.folder / "run" / spec.run_id
        write_secrets(secrets, wanted)
        said: list[Any] = []
        execute_step(call, StepPaths(run_folder(rig.settings.state_dir, spec.run_id), secrets), said.append)
        failure = said[-1] if isinstance(said[-1], Failure) else None
    except ApplianceError as error:
        failure = error
    drift_checks.answer(rig.db, rig.settings, workflow, spec, failure)
    assert not run_folder(rig.settings.state_dir, drift_checks.run_id_of(workflow)).exists()
    rig.send_all()


def state_of(rig: ApplianceRig) -> WorkflowState:
    (found,) = State(rig.settings).report().workflows
    return found


def reported(rig: ApplianceRig) -> dict[str, str]:
    """What would be notified, by kind."""
    found = conditions(State(rig.settings).report(), NotifySettings(), None)
    return {each.kind: each.title for each in found.present}


def taken_up(rig: ApplianceRig, cloud: CloudSide, workflow: str) -> str:
    assign(cloud, NIGHTLY | {"id": workflow})
    rig.turn_until((rig.workflow_folder / f"{workflow}.json").exists)
    return workflow


def test_a_column_that_came_today_is_heard_of_before_the_night_s_run(
    enrolled: ApplianceRig, cloud: CloudSide, state_cluster: Cluster, source: str
) -> None:
    share(enrolled, "names")
    name = taken_up(enrolled, cloud, "came-today")
    check(enrolled, name)
    found = state_of(enrolled).drift_check
    assert found is not None and found.outcome == "goes", found
    assert "run_would_halt" not in reported(enrolled)
    state_cluster.sql(source, "ALTER TABLE customer ADD COLUMN nickname text")
    check(enrolled, name)
    found = state_of(enrolled).drift_check
    assert found is not None and (found.outcome, found.uncovered) == ("halts", 1)
    assert found.columns == ("public.customer.nickname",) and found.failure is not None
    assert name in reported(enrolled)["run_would_halt"]
    path = f"/v1/appliances/{cloud.appliance_id}/drift-checks/{name}"
    shown = cloud.get(path)["found"]
    assert shown["outcome"] == "halts" and shown["uncovered_total"] == 1
    assert [each["column"] for each in shown["uncovered"]] == ["nickname"]
    # No run was made of it, and none is shown.
    assert cloud.runs == {} and state_of(enrolled).last_run is None
    state_cluster.sql(source, "ALTER TABLE customer DROP COLUMN nickname")
    check(enrolled, name)
    assert "run_would_halt" not in reported(enrolled) and cloud.get(path)["found"]["outcome"] == "goes"


def test_without_the_owner_s_word_a_check_counts_columns_and_names_none(
    enrolled: ApplianceRig, cloud: CloudSide, state_cluster: Cluster, source: str
) -> None:
    share(enrolled, "none")
    name = taken_up(enrolled, cloud, "counts-only")
    state_cluster.sql(source, "CREATE TABLE lead (id serial PRIMARY KEY, canary_column text)")
    check(enrolled, name)
    sent = [each for each in cloud.events if each["data"]["type"] == "drift_checked"]
    assert len(sent) == 1 and "canary_column" not in str(sent)
    shown = cloud.get(f"/v1/appliances/{cloud.appliance_id}/drift-checks/{name}")["found"]
    assert shown["outcome"] == "halts" and shown["uncovered_total"] == 1 and shown["uncovered"] == []


def test_a_source_that_is_away_is_no_reason_to_say_that_a_run_would_halt(
    enrolled: ApplianceRig, cloud: CloudSide, source: str
) -> None:
    share(enrolled, "names")
    name = taken_up(enrolled, cloud, "away-today")
    file = enrolled.settings.connections_file
    named = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(named | {"production": named["production"] | {"port": 9}}))
    check(enrolled, name)
    found = state_of(enrolled).drift_check
    assert found is not None and found.outcome == "unknown" and source not in reported(enrolled)
    assert "run_would_halt" not in reported(enrolled)


def test_a_check_gives_way_to_a_run_that_has_ended_since(
    enrolled: ApplianceRig, cloud: CloudSide, state_cluster: Cluster, source: str
) -> None:
    share(enrolled, "names")
    name = taken_up(enrolled, cloud, "run-since")
    state_cluster.sql(source, "ALTER TABLE customer ADD COLUMN nickname text")
    check(enrolled, name)
    assert state_of(enrolled).drift_check is not None
    later = datetime.now(UTC) + timedelta(minutes=1)
    enrolled.db.execute(
        "INSERT INTO appliance.run (run_id, workflow, state, queued_at, started_at, ended_at)"
        " VALUES ('run-since-1', 'run-since', 'succeeded', %(at)s, %(at)s, %(at)s)",
        {"at": later},
    )
    assert state_of(enrolled).drift_check is None and "run_would_halt" not in reported(enrolled)
