"""The columns of a workflow on the terminal: from the last scan, without a database."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.scenario import Ended, Scenario


def columns(scenario: Scenario, *options: str) -> Ended:
    file, *_, state = scenario.write()
    return scenario.command("workflow", "columns", file, "--state", state, *options)


def test_each_column_says_what_was_found_and_which_line_decides_it(scenario: Scenario) -> None:
    del scenario.workflow["masks"]["crm.customer.phone"]
    refused = columns(scenario)
    assert refused.code == 2 and "appliance scan production" in refused.err
    connections = str(scenario.folder / "connections.yaml")
    scanned = columns(scenario, "--scan", "production", "--connections", connections, "--json")
    assert scanned.code == 0, scanned.text
    # From now on no database is asked.
    scenario.connections["production"]["port"] = 1
    again = columns(scenario, "--json")
    assert json.loads(again.out) == json.loads(scanned.out)
    found: dict[str, dict[str, Any]] = {
        f"{row['table']}.{row['column']}": row for row in json.loads(again.out)["columns"]
    }
    assert "audit_log.what" not in found
    lines = (scenario.folder / "workflow.yaml").read_text().splitlines()
    email, phone, total = (found[name] for name in ("customer.email", "customer.phone", "invoice.total"))
    assert (email["outcome"], email["finding"]["kind"]) == ("masked", "email")
    assert "crm.customer.email" in lines[email["line"] - 1]
    assert (phone["outcome"], phone["line"], phone["finding"]["verdict"]) == ("halted", None, "personal")
    assert total["outcome"] == "kept" and "public.invoice.*" in lines[total["line"] - 1]
    undecided = columns(scenario, "--undecided")
    assert "phone" in undecided.out and "email" not in undecided.out.split("\n\n")[0]
    assert "1 undecided" in undecided.out
    personal = json.loads(columns(scenario, "--personal", "--json").out)["columns"]
    assert {row["finding"]["verdict"] for row in personal} == {"personal"}
