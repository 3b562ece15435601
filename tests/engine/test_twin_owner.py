"""A twin belongs to the workflow that made it: another one replaces it only where it says so."""

from __future__ import annotations

from tests.engine.scenario import Scenario


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
    shown = scenario.finish(
        scenario.start_command(
            "twin", "show", "staging", "--connections", str(scenario.folder / "connections.yaml")
        )
    )
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
