"""A scan and a plan that the dashboard asks for: steps of their own, reported as far as policy lets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import yaml

from appliance.contract.fields import document_digest
from appliance.contract.step_messages import Failure
from appliance.orchestration import look_work, looks
from appliance.orchestration.containers.inputs import StepInputs
from appliance.run_folder import run_folder
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.execute import execute_step
from appliance.steps.calling.secrets import write_secrets
from tests.cloud.appliance_rig import POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_workflows_and_commands import assign
from tests.engine.clusters import Cluster

CANARY = "canary@secret-hospital.example"


@pytest.fixture
def source(state_cluster: Cluster, enrolled: ApplianceRig) -> Iterator[str]:
    """A database with an address in it, and a connection to it that the cloud may read from."""
    name = "looked_at"
    state_cluster.create_database(name)
    state_cluster.sql(
        name,
        "CREATE TYPE mood AS ENUM ('canary_label');"
        "CREATE TABLE customer"
        " (id serial PRIMARY KEY, email text NOT NULL DEFAULT 'canary_default', mood mood);"
        "COMMENT ON COLUMN customer.email IS 'canary_comment';"
        f"INSERT INTO customer (email) VALUES ('{CANARY}');"
        "CREATE TABLE note (id serial PRIMARY KEY, customer_id int REFERENCES customer, body jsonb);"
        f"""INSERT INTO note (body) SELECT '{{"canary_key": "{CANARY}"}}' FROM generate_series(1, 30)""",
    )
    connection = state_cluster.connection(name, "postgres")
    file = enrolled.settings.connections_file
    file.write_text(yaml.safe_dump({"production": connection, "staging": {**connection, "dbname": "twin"}}))
    file.chmod(0o600)
    yield name
    state_cluster.drop_database(name)


def share(rig: ApplianceRig, what: str) -> None:
    rig.write_policy(POLICY | {"share_catalog": what, "powerful_roles": ["production", "staging"]})


def perform(rig: ApplianceRig, command_id: str) -> None:
    """What the task in the scheduler does, in this process instead of a container."""
    look = looks.asked_for(rig.settings, command_id)
    spec = look_work.begin(rig.settings, look)
    folder = run_folder(rig.settings.state_dir, look.run_id)
    secrets = rig.folder / "run" / look.run_id
    call = StepCall(look.run_id, spec.workflow.id, look.step, delivery=look.delivery(spec.workflow))
    _, wanted = StepInputs(rig.settings, spec).connections_to_reach(call)
    write_secrets(secrets, wanted)
    said: list[Any] = []
    execute_step(call, StepPaths(folder, secrets), said.append)
    failure = said[-1] if isinstance(said[-1], Failure) else None
    look_work.answer(rig.db, rig.settings, look, failure)
    assert not folder.exists()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Airflow would have been asked to do: the ids of commands."""
    started: list[str] = []
    monkeypatch.setattr(looks, "create_dag_run", lambda _settings, _dag, run_id: not started.append(run_id))
    return started


@pytest.mark.usefixtures("source")
def test_a_scan_reports_names_and_findings_and_nothing_out_of_the_rows(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "names")
    command = cloud.command(kind="scan", connection="production")
    enrolled.turn_until(lambda: asked or cloud.command_state(command)["problem"])
    assert asked == [command], cloud.command_state(command)
    perform(enrolled, command)
    rows = enrolled.db.execute("SELECT payload FROM appliance.event WHERE kind = 'catalog_reported'")
    sent = json.dumps([row["payload"] for row in rows.fetchall()])
    assert "canary" not in sent and '"email"' in sent
    enrolled.send_all()
    assert cloud.command_state(command)["state"] == "done"
    path = f"/v1/appliances/{cloud.appliance_id}/catalogs/production"
    tables = {table["name"]: table for table in cloud.get(path)["tables"]}
    columns = {column["name"]: column for column in tables["customer"]["columns"]}
    assert columns["email"]["kind"] == "email" and columns["email"]["verdict"] == "personal"
    assert columns["id"]["verdict"] == "not personal" and tables["customer"]["primary_key"] == ["id"]
    assert tables["note"]["foreign_keys"][0]["to_table"] == "customer"
    assert {column["kind"] for column in tables["note"]["columns"]} >= {"email"}


@pytest.mark.parametrize(
    ("shared", "connection", "rule"), [("none", "production", "share_catalog"), ("names", "staging", "read")]
)
@pytest.mark.usefixtures("source")
def test_a_scan_that_policy_does_not_allow_is_refused_with_the_rule(  # noqa: PLR0917
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str], shared: str, connection: str, rule: str
) -> None:
    share(enrolled, shared)
    command = cloud.command(kind="scan", connection=connection)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == rule and asked == []


@pytest.mark.usefixtures("source")
def test_a_plan_that_would_be_refused_names_every_column_that_nothing_covers(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "names")
    assign(cloud, WORKFLOW)
    enrolled.turn_until((enrolled.workflow_folder / "staging-twin.json").exists)
    digest = cloud.get("/v1/workflows/staging-twin")["digest"]
    command = cloud.command(kind="plan", workflow="staging-twin", digest=digest)
    enrolled.turn_until(lambda: asked or cloud.command_state(command)["problem"])
    assert asked == [command], cloud.command_state(command)
    perform(enrolled, command)
    enrolled.send_all()
    assert cloud.command_state(command)["state"] == "done"
    plan = cloud.get(f"/v1/appliances/{cloud.appliance_id}/plans/staging-twin")["plan"]
    assert plan["command_id"] == str(UUID(command)) and plan["refused"]
    names = {(each["table"], each["column"]) for each in plan["uncovered"]}
    assert names == {("customer", "mood"), ("note", "customer_id"), ("note", "body")}
    assert plan["uncovered_total"] == 3


def drafted(cloud: CloudSide, document: dict[str, Any], digest: str = "") -> str:
    return cloud.command(
        kind="plan",
        workflow=document["id"],
        digest=digest or document_digest(document),
        draft=json.dumps(document),
    )


@pytest.mark.usefixtures("source")
def test_a_draft_that_was_never_saved_is_planned_with_its_own_text(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "names")
    draft = WORKFLOW | {"id": "never-saved", "keep": ["*.*.mood", "*.*.id"]}
    command = drafted(cloud, draft)
    enrolled.turn_until(lambda: asked or cloud.command_state(command)["problem"])
    assert asked == [command], cloud.command_state(command)
    perform(enrolled, command)
    enrolled.send_all()
    shown = cloud.command_state(command)
    assert shown["state"] == "done" and "draft" not in shown["argument"]
    plan = cloud.get(f"/v1/appliances/{cloud.appliance_id}/plans/never-saved")["plan"]
    assert plan["digest"] == document_digest(draft)
    assert {(each["table"], each["column"]) for each in plan["uncovered"]} == {
        ("note", "customer_id"),
        ("note", "body"),
    }
    assert not (enrolled.workflow_folder / "never-saved.json").exists()


@pytest.mark.parametrize(
    ("changes", "digest", "rule", "problem"),
    [
        ({"rows": {"public.note": {"where": "pg_sleep(1) IS NULL"}}}, "", "sql_from_cloud", ""),
        ({"source": "staging", "deliver": [{"twin": {"connection": "production"}}]}, "", "read", ""),
        ({}, "0" * 64, None, "not the one that the command names"),
        ({"masks": {"*.*.email": "no_such_mask"}}, "", None, "no_such_mask"),
    ],
)
@pytest.mark.usefixtures("source")
def test_a_draft_is_held_to_policy_and_to_its_digest_before_anything_is_read(  # noqa: PLR0917
    enrolled: ApplianceRig,
    cloud: CloudSide,
    asked: list[str],
    changes: dict[str, Any],
    digest: str,
    rule: str | None,
    problem: str,
) -> None:
    share(enrolled, "names")
    command = drafted(cloud, WORKFLOW | {"id": "refused-draft"} | changes, digest)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] in {"refused", "failed"})
    shown = cloud.command_state(command)
    assert shown["rule"] == rule and problem in shown["problem"] and asked == []


@pytest.mark.usefixtures("source")
def test_without_the_owner_s_word_a_plan_counts_columns_and_names_none(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "none")
    assign(cloud, WORKFLOW | {"id": "other-twin"})
    enrolled.turn_until((enrolled.workflow_folder / "other-twin.json").exists)
    digest = cloud.get("/v1/workflows/other-twin")["digest"]
    command = cloud.command(kind="plan", workflow="other-twin", digest=digest)
    enrolled.turn_until(lambda: asked or cloud.command_state(command)["problem"])
    assert asked == [command], cloud.command_state(command)
    perform(enrolled, command)
    enrolled.send_all()
    plan = cloud.get(f"/v1/appliances/{cloud.appliance_id}/plans/other-twin")["plan"]
    assert plan["uncovered"] == [] and plan["uncovered_total"] == 3


def tested(rig: ApplianceRig) -> list[dict[str, Any]]:
    """What waits to be sent of tests."""
    kind = "SELECT payload FROM appliance.event WHERE kind = 'connection_tested' ORDER BY seq"
    return [row["payload"] for row in rig.db.execute(kind).fetchall()]


@pytest.mark.usefixtures("source")
def test_a_connection_is_tried_and_the_dashboard_hears_of_checks_and_of_nothing_else(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "none")
    # The twin's database is not there yet, which says nothing against its server.
    commands = [cloud.command(kind="test", connection=name) for name in ("production", "staging")]
    enrolled.turn_until(lambda: len(asked) == 2)
    for command in commands:
        perform(enrolled, command)
    works, twin = tested(enrolled)
    file = enrolled.settings.connections_file
    wrong = yaml.safe_load(file.read_text())
    wrong["production"]["dbname"] = "canary_database"
    wrong["production"]["maintenance_db"] = "canary_database"
    file.write_text(yaml.safe_dump(wrong))
    failing = cloud.command(kind="test", connection="production")
    enrolled.turn_until(lambda: len(asked) == 3)
    perform(enrolled, failing)
    (fails,) = tested(enrolled)
    assert works["works"] and {"check": "login", "state": "ok"} in works["checks"]
    assert twin["works"] and twin["connection"] == "staging"
    assert (fails["works"], fails["failure"]) == (False, "3D000")
    assert fails["checks"] == [{"check": "login", "state": "fail"}]
    assert "canary" not in json.dumps([works, twin, fails])
    enrolled.send_all()
    assert [cloud.command_state(each)["state"] for each in (*commands, failing)] == ["done", "done", "failed"]


@pytest.mark.usefixtures("source")
def test_a_connection_that_policy_does_not_name_is_not_tried(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    share(enrolled, "names")
    command = cloud.command(kind="test", connection="elsewhere")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == "read" and asked == []
