"""Workflow files changed, broken, removed and doubled under a running appliance."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.containers.shop import workflow


def airflow_knows(appliance: ApplianceHost) -> dict[str, str | None]:
    """The workflows that Airflow would run, and their titles."""
    with psycopg.connect(appliance.settings.airflow_database_url) as db:
        return dict(db.execute("SELECT dag_id, description FROM dag WHERE NOT is_stale").fetchall())


def shown(appliance: ApplianceHost) -> dict[str, dict[str, Any]]:
    """What the status service says of each workflow file, by its name."""
    _, status = appliance.status("/status")
    return {each["file"].rsplit("/", 1)[-1]: each for each in status["workflows"]}


def test_a_workflow_file_is_live_without_a_restart_and_so_is_a_change_to_it(
    appliance: ApplianceHost,
) -> None:
    appliance.write_workflow("live.yaml", workflow("live", "live"))
    wait_for("Airflow knows it", lambda: airflow_knows(appliance).get("live") == "Test of live")
    appliance.write_workflow("live.yaml", workflow("live", "live", title="Changed", schedule="0 2 * * *"))
    wait_for("Airflow knows the change", lambda: airflow_knows(appliance).get("live") == "Changed")
    wait_for("it has a next run", lambda: shown(appliance)["live.yaml"]["next_run_at"])


def test_a_broken_file_hides_no_other_and_its_error_is_shown(appliance: ApplianceHost) -> None:
    appliance.write_workflow("good.yaml", workflow("good", "good"))
    wait_for("Airflow knows the good one", lambda: "good" in airflow_knows(appliance))
    appliance.write_workflow("broken.yaml", "id: broken\ntables: {include: [\n")
    appliance.write_workflow("good.yaml", workflow("good", "good", title="Still here"))
    wait_for("the good one still changes", lambda: airflow_knows(appliance).get("good") == "Still here")
    assert shown(appliance)["broken.yaml"]["state"] == "invalid"
    listed = appliance.cli("workflow", "list", check=False)
    assert listed.returncode == 2
    assert "broken.yaml:" in listed.stdout
    started = appliance.cli("workflow", "start", "broken", check=False)
    assert started.returncode == 2


def test_a_removed_workflow_disappears(appliance: ApplianceHost) -> None:
    path = appliance.write_workflow("gone.yaml", workflow("gone", "gone"))
    wait_for("Airflow knows it", lambda: "gone" in airflow_knows(appliance))
    path.unlink()
    wait_for("Airflow forgets it", lambda: "gone" not in airflow_knows(appliance))
    assert "gone.yaml" not in shown(appliance)


def test_two_workflows_with_one_id_both_stop_and_the_error_names_both(appliance: ApplianceHost) -> None:
    first = appliance.write_workflow("first.yaml", workflow("double", "gone"))
    wait_for("Airflow knows the first", lambda: "double" in airflow_knows(appliance))
    second = appliance.write_workflow("second.yaml", workflow("double", "main"))
    wait_for("neither runs", lambda: "double" not in airflow_knows(appliance))
    for name in ("first.yaml", "second.yaml"):
        problem = shown(appliance)[name]["problem"]
        assert str(first) in problem
        assert str(second) in problem
    refused = appliance.cli("workflow", "start", "double", check=False)
    assert refused.returncode == 2
    assert "second.yaml" in refused.stderr
    second.unlink()
    wait_for("the other one is back", lambda: "double" in airflow_knows(appliance))


def test_the_commands_speak_json_and_do_not_import_airflow(appliance: ApplianceHost) -> None:
    listed = json.loads(appliance.cli("workflow", "list", "--json", check=False).stdout)
    assert all(each["file"] for each in listed)
    status = json.loads(appliance.cli("status", "--json", check=False).stdout)
    assert {part["name"] for part in status["components"]} >= {"scheduler", "dag_processor", "api_server"}
    assert isinstance(json.loads(appliance.cli("runs", "--json").stdout), list)
    unknown = appliance.cli("runs", "no-such-run", check=False)
    assert unknown.returncode == 2
    assert "no-such-run" in unknown.stderr
