"""Branches that the dashboard asks for: made by a step, where policy says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from appliance.branches.remembered import remembered
from appliance.postgres.twin.database import mark
from appliance.run_folder import run_folder
from tests.cloud.appliance_rig import POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_looks import asked, perform
from tests.engine.clusters import Cluster

__all__ = ["asked"]
TWIN = "branched_twin"
BY_CLOUD = {"by": ["local", "cloud"], "max": 1, "ttl_days": 3}


@pytest.fixture
def twin(state_cluster: Cluster, enrolled: ApplianceRig) -> Iterator[Cluster]:
    """A published twin of a workflow of the appliance's own."""
    state_cluster.create_database(TWIN)
    state_cluster.sql(TWIN, "CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1)")
    with state_cluster.connect() as admin:
        mark(admin, TWIN, workflow="staging-twin", run="run-1", state="published")
    connection = state_cluster.connection(TWIN, "postgres")
    file = enrolled.settings.connections_file
    file.write_text(yaml.safe_dump({"production": connection | {"dbname": "else"}, "staging": connection}))
    file.chmod(0o600)
    folder = enrolled.settings.config_dir / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "staging.yaml").write_text(json.dumps(WORKFLOW))
    yield state_cluster
    for database in state_cluster.databases():
        if database.startswith(TWIN):
            state_cluster.drop_database(database)


def allow(rig: ApplianceRig, branches: dict[str, Any]) -> None:
    rig.write_policy(POLICY | {"branches": branches, "powerful_roles": ["production", "staging"]})


def done(rig: ApplianceRig, cloud: CloudSide, asked: list[str], **wanted: str) -> dict[str, Any]:
    """What became of a command about a branch."""
    command = cloud.command(kind="branch", workflow="staging-twin", **wanted)
    rig.turn_until(lambda: command in asked or cloud.command_state(command)["problem"])
    if command in asked:
        perform(rig, command)
        rig.send_all()
    return cloud.command_state(command)


def known(cloud: CloudSide) -> list[dict[str, Any]]:
    """The branches that the dashboard knows of."""
    (twin,) = cloud.get(f"/v1/appliances/{cloud.appliance_id}/branches/staging-twin")
    assert twin["connection"] == "staging"
    return list(twin["branches"])


def test_a_branch_is_made_extended_made_again_and_dropped(
    enrolled: ApplianceRig, cloud: CloudSide, twin: Cluster, asked: list[str]
) -> None:
    allow(enrolled, BY_CLOUD)
    assert done(enrolled, cloud, asked, act="create", name="pay/1", ttl="2h")["state"] == "done"
    (made,) = known(cloud)
    assert (made["name"], made["run_id"], made["copy_of"]) == ("pay/1", "run-1", "twin")
    (database,) = [each for each in twin.databases() if each.startswith(f"{TWIN}__branch_")]
    twin.sql(database, "INSERT INTO customer VALUES (2)")
    assert remembered(enrolled.settings.state_dir) == ["staging"]

    assert done(enrolled, cloud, asked, act="extend", name="pay/1", ttl="3d")["state"] == "done"
    assert known(cloud)[0]["ends_at"] > made["ends_at"]
    assert twin.value(database, "SELECT count(*) FROM customer") == 2

    second = done(enrolled, cloud, asked, act="create", name="pay/2")
    assert (second["state"], second["rule"]) == ("refused", "branches.max")
    too_long = done(enrolled, cloud, asked, act="extend", name="pay/1", ttl="9d")
    assert (too_long["state"], too_long["rule"]) == ("refused", "branches.ttl_days")

    assert done(enrolled, cloud, asked, act="reset", name="pay/1")["state"] == "done"
    assert twin.value(database, "SELECT count(*) FROM customer") == 1

    lost = done(enrolled, cloud, asked, act="drop", name="pay/3")
    assert lost["state"] == "failed" and "appliance branch list" in lost["problem"]
    assert done(enrolled, cloud, asked, act="drop", name="pay/1")["state"] == "done"
    assert known(cloud) == [] and database not in twin.databases()


@pytest.mark.usefixtures("twin")
def test_without_the_owner_s_word_the_dashboard_makes_no_branch_and_hears_of_none(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    allow(enrolled, {"by": ["local"]})
    for act in ("list", "create"):
        said = done(enrolled, cloud, asked, act=act, name="pay/1")
        assert (said["state"], said["rule"]) == ("refused", "branches.by")
    assert asked == []
    assert not list(run_folder(enrolled.settings.state_dir, "x").parent.glob("*look*"))
    assert cloud.get(f"/v1/appliances/{cloud.appliance_id}/branches/staging-twin") == []


@pytest.mark.usefixtures("twin")
def test_a_twin_that_the_workflow_does_not_deliver_has_no_branch(
    enrolled: ApplianceRig, cloud: CloudSide, asked: list[str]
) -> None:
    allow(enrolled, BY_CLOUD)
    said = cloud.command(kind="branch", workflow="staging-twin", act="create", name="a", on="production")
    enrolled.turn_until(lambda: cloud.command_state(said)["state"] == "failed")
    assert "delivers no twin on" in cloud.command_state(said)["problem"] and asked == []
