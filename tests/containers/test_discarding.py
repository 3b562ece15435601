"""The reaper and what a killed run has built beside a twin: with a real container, without Airflow."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from appliance.killed_runs import left_behind, mark_unfinished
from appliance.orchestration.containers.discarding import discard_left_behind
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.probe.leftovers import alone, remove_ended
from appliance.policy.policy import Policy
from appliance.postgres.twin.database import mark
from appliance.run_folder import TRY_AGAIN_S, mark_over, run_folder
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import PLAN, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.system import container_labels
from appliance.workflow.document import Workflow
from tests.containers.appliance_host import GATEWAY
from tests.engine.clusters import Cluster

RUN = "flow-20260101t000000z-0001"


@pytest.fixture
def settings(step_image: str, databases: Cluster) -> Iterator[Settings]:
    """An appliance of which only files are there: no Airflow, no database of its own."""
    home = Path(tempfile.mkdtemp(prefix="appliance-discard-"))
    connections = {
        "production": databases.connection("shop", "reader", host=GATEWAY),
        "staging": databases.connection("twin_killed", "twin_owner", host=GATEWAY),
    }
    (home / "connections.yaml").write_text(yaml.safe_dump(connections))
    (home / "connections.yaml").chmod(0o600)
    yield Settings.model_validate(
        {
            "config_dir": home,
            "state_dir": home / "state",
            "runtime_dir": home / "run",
            "database_url": "host=/nowhere",
            "steps": {"image": step_image, "network": "bridge"},
        }
    )
    shutil.rmtree(home)


def killed_run(settings: Settings, databases: Cluster, *, by: str = RUN) -> Path:
    """The folder of a run that ended while its database stood there, and the database, made by ``by``."""
    folder = run_folder(settings.state_dir, RUN)
    document: dict[str, Any] = {
        "id": "flow",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    spec = RunSpec(
        run_id=RUN,
        workflow=Workflow.model_validate(document),
        origin="local",
        policy=Policy(),
        created_at=datetime.now(UTC),
        appliance_version="0",
    )
    SPEC.freeze(folder, spec)
    PLAN.path(folder).write_text("{}")
    mark_unfinished(folder)
    mark_over(settings.state_dir, RUN, "failed")
    databases.create_database("twin_killed__next", "OWNER twin_owner")
    with databases.connect("postgres", user="twin_owner") as admin:
        mark(admin, "twin_killed__next", workflow="flow", run=by, state="building")
    return folder


@pytest.fixture(autouse=True)
def _no_database_left(databases: Cluster) -> Iterator[None]:
    yield
    databases.drop_database("twin_killed__next")


def test_the_reaper_drops_what_a_run_that_is_over_had_built_beside_its_twin(
    settings: Settings, databases: Cluster
) -> None:
    killed_run(settings, databases)
    client = docker.from_env(version="auto").api
    assert list(discard_left_behind(client, settings)) == [
        f"Dropped what the run {RUN} had built beside its twin."
    ]
    assert "twin_killed__next" not in databases.databases()
    assert left_behind(settings.state_dir) == []
    assert not list(settings.runtime_dir.rglob("pg_service.conf")), "its secrets are gone"
    assert list(discard_left_behind(client, settings)) == []


def test_the_reaper_leaves_what_another_run_builds_there(settings: Settings, databases: Cluster) -> None:
    killed_run(settings, databases, by="flow-20260102t000000z-0002")
    list(discard_left_behind(docker.from_env(version="auto").api, settings))
    assert "twin_killed__next" in databases.databases()


def test_a_target_that_is_away_is_tried_again_later(settings: Settings, databases: Cluster) -> None:
    folder = killed_run(settings, databases)
    known = yaml.safe_load(settings.connections_file.read_text())
    settings.connections_file.write_text(
        yaml.safe_dump({**known, "staging": {**known["staging"], "port": 1}})
    )
    client = docker.from_env(version="auto").api
    (line,) = discard_left_behind(client, settings)
    assert line.startswith(f"What the run {RUN} had built beside its twin could not be dropped. ")
    assert list(discard_left_behind(client, settings)) == []
    settings.connections_file.write_text(yaml.safe_dump(known))
    before = datetime.now(UTC).timestamp() - TRY_AGAIN_S - 1
    os.utime(folder / "unfinished", (before, before))
    assert list(discard_left_behind(client, settings)) == [
        f"Dropped what the run {RUN} had built beside its twin."
    ]
    assert "twin_killed__next" not in databases.databases()


def test_the_reaper_removes_what_a_probe_that_was_cut_off_has_left_and_nothing_of_one_under_way(
    settings: Settings,
) -> None:
    client = docker.from_env(version="auto").api
    probe = "look.probe-appliance-20260101t000000z-0001"
    folder = run_folder(settings.state_dir, probe)
    (folder / "server" / "data").mkdir(parents=True)
    given = settings.runtime_dir / probe / "open_snapshot-1"
    given.mkdir(parents=True)
    labels = {container_labels.INSTANCE: instance_name(settings, client), container_labels.RUN: probe}
    client.create_container(settings.steps.image, labels=labels)
    left = {"label": container_labels.labelled(container_labels.RUN, probe)}
    with alone(settings, within_s=0):
        assert remove_ended(client, settings) == []
        assert folder.is_dir() and given.is_dir() and len(client.containers(all=True, filters=left)) == 1
    assert remove_ended(client, settings) == [probe]
    assert not folder.exists() and not given.parent.exists()
    assert client.containers(all=True, filters=left) == []
    assert remove_ended(client, settings) == []
