"""A run compares the source with the last verified run, and keeps what has changed in its folder."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.scenario import Scenario


def drift_of(scenario: Scenario, workflow: str) -> dict[str, Any]:
    newest = max(scenario.state.glob(f"runs/{workflow}-*/drift.json"), key=lambda path: path.stat().st_mtime)
    found: dict[str, Any] = json.loads(newest.read_text())
    return found


def test_what_has_changed_is_said_by_plan_and_kept_also_where_the_run_halts(scenario: Scenario) -> None:
    name = scenario.workflow["id"]
    scenario.publish_first_twin()
    assert drift_of(scenario, name) == {"since": None, "items": []}
    same = scenario.run("plan")
    assert "The source's tables are as they were for" in same.out
    scenario.source.sql(
        scenario.source_database,
        "ALTER TABLE public.invoice ADD COLUMN note text; ALTER TABLE crm.customer ADD COLUMN nickname text;"
        "CREATE TABLE public.extra (id int PRIMARY KEY); GRANT SELECT ON public.extra TO reader",
    )
    refused = scenario.run("plan")
    assert refused.code == 3
    assert "column crm.customer.nickname (text) added: nothing covers it" in refused.text
    halted = scenario.run()
    assert halted.code == 3
    items = {
        (item["table"], item["name"]): (item["outcome"], item["decision"])
        for item in drift_of(scenario, name)["items"]
        if item["kind"] == "column"
    }
    assert items["invoice", "note"] == ("kept", "kept by the pattern public.invoice.*")
    assert items["customer", "nickname"][0] == items["extra", "id"][0] == "halted"
    scenario.workflow["keep"].append("public.extra.id")
    scenario.workflow["masks"]["crm.customer.nickname"] = "first_name"
    planned = scenario.run("plan")
    assert planned.code == 0, planned.text
    assert "column crm.customer.nickname (text) added: masked with first_name" in planned.out
    ended = scenario.run()
    assert ended.code == 0, ended.text
    # The run before is what the next one is compared with.
    assert json.loads(scenario.run("plan", "--json").out)["drift"]["items"] == []
