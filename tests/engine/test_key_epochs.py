"""``appliance keys``: a source's pseudonyms, before and after its keys are rotated, and beside another's."""

from __future__ import annotations

import json
from typing import Any

from appliance.keys.epochs import start_epoch
from appliance.keys.keys import read_key
from appliance.postgres.plan import Plan
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.records.run_spec import RunSpec
from tests.engine.scenario import Ended, Scenario


def keys(scenario: Scenario, command: str, *options: str) -> Ended:
    """``appliance keys COMMAND`` for the scenario's appliance."""
    _, *where = scenario.write()
    return scenario.command("keys", command, *where, *options)


def people(scenario: Scenario) -> list[tuple[Any, ...]]:
    """The twin's people, after a run."""
    ended = scenario.run()
    assert ended.code == 0, ended.text
    return scenario.twin_rows("SELECT email, full_name, phone FROM crm.customer ORDER BY id")


def shared(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> int:
    """How many e-mail addresses of one are in the other."""
    return len({row[0] for row in one} & {row[0] for row in other})


def test_a_new_epoch_gives_everybody_a_new_pseudonym(scenario: Scenario) -> None:
    first = people(scenario)
    assert people(scenario) == first
    rotated = keys(scenario, "rotate", "--source", "production")
    assert rotated.code == 0, rotated.text
    assert "production: epoch 2 from the next run on" in rotated.out and "staging" not in rotated.out
    second = people(scenario)
    assert shared(first, second) == 0
    assert sum(one[2] == other[2] for one, other in zip(first, second, strict=True)) == 0
    last = max((scenario.state / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime)
    for document in ("spec.json", "plan.json"):
        assert json.loads((last / document).read_text())["epoch"] == 2
    planned = scenario.run("plan")
    assert "Pseudonyms: keys of 'production', epoch 2." in planned.out


def test_a_run_that_has_begun_stays_in_its_epoch(scenario: Scenario) -> None:
    people(scenario)
    (folder,) = (scenario.state / "runs").iterdir()
    plan = Plan.model_validate_json((folder / "plan.json").read_bytes())
    spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    root = read_key(scenario.state / "keys" / "mask.key")
    given = step_settings("copy", spec, plan, root)
    start_epoch(scenario.state / "keys", ["production"])
    assert step_settings("copy", spec, plan, root) == given


def test_two_sources_share_pseudonyms_only_where_that_is_written(scenario: Scenario) -> None:
    first = people(scenario)
    scenario.connections["other"] = scenario.connections["production"]
    scenario.workflow["source"] = "other"
    assert shared(first, people(scenario)) == 0
    scenario.connections["other"] = {**scenario.connections["production"], "mask_key": "production"}
    assert people(scenario) == first


def test_keys_are_shown_by_fingerprints(scenario: Scenario) -> None:
    shown = keys(scenario, "show")
    assert shown.code == 0, shown.text
    lines = dict(line.split(": ", 1) for line in shown.out.splitlines())
    assert list(lines) == ["appliance", "production", "staging"]
    assert lines["production"].startswith("epoch 1, ")
    assert read_key(scenario.state / "keys" / "mask.key").hex()[:16] not in shown.out
    rotated = keys(scenario, "rotate")
    assert "production: epoch 2" in rotated.out and "staging: epoch 2" in rotated.out
    after = dict(line.split(": ", 1) for line in keys(scenario, "show").out.splitlines())
    assert after["appliance"] == lines["appliance"]
    assert after["production"].startswith("epoch 2, ")
    assert after["production"].partition(", ")[2] != lines["production"].partition(", ")[2]


def test_a_source_that_is_not_there_is_refused(scenario: Scenario) -> None:
    refused = keys(scenario, "rotate", "--source", "prodution")
    assert refused.code == 2
    assert "There is no connection 'prodution'." in refused.text
