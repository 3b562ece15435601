"""The real appliance with the real dashboard: a workflow written there, run from there, broken and mended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psycopg
import pytest
import yaml

from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.containers.cloud import Cloud, enrolled_cloud
from tests.containers.shop import FAR, slow_workflow, workflow
from tests.engine.clusters import Cluster


@pytest.fixture(scope="module")
def cloud(appliance: ApplianceHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A dashboard with which the appliance has enrolled, and a policy that lets its workflows in."""
    with enrolled_cloud(appliance, tmp_path_factory.mktemp("dashboard"), read=(FAR,)) as made:
        yield made


def test_a_workflow_written_there_is_run_broken_and_mended_from_there(
    appliance: ApplianceHost, databases: Cluster, cloud: Cloud, customers: int
) -> None:
    cloud.write(workflow("from-cloud", "cloud"))
    wait_for("it is taken up", lambda: cloud.placement("from-cloud").get("state") == "active")
    run = cloud.run_to_end("from-cloud")
    assert run["state"] == "succeeded", run
    assert databases.value("twin_cloud", "SELECT count(*) FROM customer") == customers

    good = databases.connection("twin_cloud", "twin_owner", host="172.17.0.1")
    appliance.change_connection("cloud", good | {"password": "wr0ng-c4nary"})
    broken = cloud.run_to_end("from-cloud")
    assert broken["state"] == "failed"
    failure = broken["outcome"]["failure"]
    assert "password" in failure["what"] + failure["why"]
    assert "connections.yaml" in failure["next_step"]
    assert "wr0ng-c4nary" not in json.dumps(broken)
    appliance.change_connection("cloud", good)
    assert cloud.run_to_end("from-cloud")["state"] == "succeeded"


def test_a_command_whose_answer_was_lost_with_the_process_starts_no_second_run(
    appliance: ApplianceHost, cloud: Cloud
) -> None:
    run = cloud.run_to_end("from-cloud")
    with psycopg.connect(appliance.database_url("appliance"), autocommit=True) as db:
        query = "SELECT count(*) FROM dag_run WHERE dag_id = 'from-cloud'"
        with psycopg.connect(appliance.database_url("airflow")) as airflow:
            before = airflow.execute(query).fetchone()
        # As if it had been killed between the deed and writing down that it is done.
        changed = "UPDATE appliance.command SET state = 'received' WHERE command_id = %s"
        assert db.execute(changed, [run["command_id"]]).rowcount == 1
        settled = "SELECT state FROM appliance.command WHERE command_id = %s"
        wait_for(
            "it is settled again",
            lambda: db.execute(settled, [run["command_id"]]).fetchone() == ("done",),
        )
        with psycopg.connect(appliance.database_url("airflow")) as airflow:
            assert airflow.execute(query).fetchone() == before


def test_a_workflow_removed_there_ends_its_run_and_is_scheduled_no_more(
    appliance: ApplianceHost, cloud: Cloud
) -> None:
    cloud.write(slow_workflow("removed-there", "removed", schedule="0 2 * * *"))
    wait_for("it is taken up", lambda: cloud.placement("removed-there").get("state") == "active")
    run_id = cloud.command(kind="run", workflow="removed-there")["run_id"]
    wait_for("it runs", lambda: (appliance.run(run_id) or {}).get("state") == "running")
    cloud.ask("PUT", "/v1/workflows/removed-there/appliances", {"appliance_ids": []})
    file = appliance.folder / "state" / "workflows" / "removed-there.json"
    wait_for("its file is gone", lambda: not file.exists())
    assert cloud.run_at_its_end(run_id)["state"] == "succeeded"
    with psycopg.connect(appliance.database_url("airflow"), autocommit=True) as airflow:
        stale = "SELECT is_stale FROM dag WHERE dag_id = 'removed-there'"
        wait_for("Airflow lets go of it", lambda: airflow.execute(stale).fetchone() == (True,))
    assert "removed-there" not in {each["id"] for each in appliance.status("/status")[1]["workflows"]}
    assert cloud.placement("removed-there") == {}


def test_what_it_newly_keeps_waits_for_the_owner_and_so_does_a_column_of_tomorrow(
    appliance: ApplianceHost, databases: Cluster, cloud: Cloud
) -> None:
    policy = appliance.folder / "etc" / "policy.yaml"
    before = policy.read_text()
    policy.write_text(yaml.safe_dump(yaml.safe_load(before) | {"keep_from_cloud": ["public.*.id"]}))
    try:
        cloud.write(workflow("asks-first", "asks"))
        wait_for("it waits", lambda: cloud.placement("asks-first").get("rule") == "keep_from_cloud")
        refused = cloud.command(kind="run", workflow="asks-first")
        assert (refused["state"], refused["rule"]) == ("refused", "keep_from_cloud")
        approve(appliance, "asks-first")
        wait_for("it is taken up", lambda: cloud.placement("asks-first").get("state") == "active")
        assert cloud.run_to_end("asks-first")["state"] == "succeeded"
        databases.sql("shop", "ALTER TABLE purchase ADD COLUMN gift_for text")
        run = cloud.run_to_end("asks-first")
        assert run["state"] == "refused" and "public.purchase.gift_for" in run["outcome"]["failure"]["what"]
        approve(appliance, "asks-first")
        assert cloud.run_to_end("asks-first")["state"] == "succeeded"
    finally:
        databases.sql("shop", "ALTER TABLE purchase DROP COLUMN IF EXISTS gift_for")
        policy.write_text(before)


def approve(appliance: ApplianceHost, workflow_id: str) -> None:
    """As the owner would without a terminal: look first, then say yes to exactly that."""
    shown = appliance.cli("workflow", "approve", workflow_id, check=False)
    digest = re.search(r"--digest (\w+)", shown.stderr)
    assert shown.returncode == 3 and digest, shown.stderr
    appliance.cli("workflow", "approve", workflow_id, "--digest", digest[1])
