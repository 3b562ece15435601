"""A twin belongs to the workflow that made it: another one replaces it only where it says so."""

from __future__ import annotations

import json

from tests.engine.scenario import Ended, Scenario

STAGING = "staging"


def test_another_workflow_is_refused_until_it_says_that_it_replaces(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    scenario.workflow["id"] = "second-twin"
    for command in ("plan", "run"):
        ended = scenario.run(command)
        assert ended.code == 2
        assert "belongs to the workflow 'staging-twin'" in ended.err
        assert "replaces: staging-twin" in ended.err
    assert scenario.twin_is_the_former()
    scenario.workflow["replaces"] = "staging-twin"
    ended = scenario.run()
    assert ended.code == 0, ended.text
    connections = str(scenario.folder / "connections.yaml")
    shown = scenario.command("twin", "show", "staging", "--connections", connections)
    assert "second-twin" in shown.out
    # What was replaced does not come back by itself.
    del scenario.workflow["replaces"]
    scenario.workflow["id"] = "staging-twin"
    ended = scenario.run()
    assert ended.code == 2 and "second-twin" in ended.err


def test_a_name_for_the_same_database_is_the_same_twin(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    scenario.workflow["id"] = "second-twin"
    scenario.connections["by-another-name"] = scenario.connections["staging"]
    scenario.workflow["deliver"] = [{"twin": {"connection": "by-another-name"}}]
    ended = scenario.run("plan")
    assert ended.code == 2 and "belongs to the workflow" in ended.err


def test_a_run_says_since_when_its_twin_stands_and_what_has_replaced_it(scenario: Scenario) -> None:
    first = scenario.run("run", "--json").lines[0]["run_id"]
    assert f"Twin on {STAGING}: stands since" in run_page(scenario, first).out
    # A run that fails replaces nothing, though it had noted its twin.
    scenario.workflow["after_load"] = [{"sql": "SELECT 1 / 0"}]
    failed = scenario.run("run", "--json")
    assert failed.code != 0
    del scenario.workflow["after_load"]
    assert "stands since" in run_page(scenario, first).out
    scenario.workflow |= {"id": "second-twin", "replaces": scenario.workflow["id"]}
    second = scenario.run("run", "--json").lines[0]["run_id"]
    said = run_page(scenario, first).out
    assert "stood from" in said and f"{second} of the workflow second-twin replaced it." in said
    assert "stands since" in run_page(scenario, second).out
    # A later one of the same workflow is what replaced the second, not the first.
    third = scenario.run("run", "--json").lines[0]["run_id"]
    assert f"when {second} of the workflow" in run_page(scenario, first).out
    assert f"when {third} replaced it." in run_page(scenario, second).out
    (twin,) = json.loads(run_page(scenario, second, "--json").out)["twins"]
    assert (twin["replaced_by"], twin["replaced_workflow"]) == (third, "second-twin")


def run_page(scenario: Scenario, run: str, *more: str) -> Ended:
    return scenario.command("runs", run, *more, "--state", str(scenario.state))
