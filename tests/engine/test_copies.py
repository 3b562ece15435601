"""Every copy is in the ledger, and one whose time is over is removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from appliance.connections.file import load_connections
from appliance.copies.ledger import ended, made
from appliance.erasure.copies.expiring import StandingCopy, expire, standing_copies
from appliance.errors import ApplianceError
from appliance.receipts.removals import EndingPredicate
from tests.engine.erasure_shop import statement_of
from tests.engine.scenario import Scenario


def after(scenario: Scenario, days: float) -> list[StandingCopy | ApplianceError]:
    """What ends so many days from now."""
    connections = load_connections(scenario.folder / "connections.yaml")
    now = datetime.now(UTC) + timedelta(days=days)
    return list(expire(scenario.state, scenario.state / "exports", connections, now))


def test_a_copy_ends_when_its_time_is_over_and_stays_in_the_ledger(scenario: Scenario) -> None:
    scenario.policy = {"destinations": ["files"]}
    scenario.workflow["deliver"] = [
        {"twin": {"connection": "staging", "grace_s": 0, "expires_days": 2}},
        {"files": {"format": "csv", "expires_days": 1}},
    ]
    assert scenario.run().code == 0
    scenario.workflow["deliver"][0]["twin"] |= {"expires_days": 500, "golden": True}
    del scenario.workflow["deliver"][1]
    assert scenario.run().code == 0
    where = ("--state", str(scenario.state), "--connections", str(scenario.folder / "connections.yaml"))
    listed = scenario.command("copies", "list", "--json", *where)
    found = json.loads(listed.out)
    assert [(each["kind"], each["standing"], each["asked_by"]) for each in found] == [
        ("twin", "there, as the former twin", "command line"),
        ("files", "there", "command line"),
        ("twin", "there", "command line"),
    ]
    assert [each["expires_at"] is None for each in found] == [False, False, False]

    assert after(scenario, 0.9) == []
    (files,) = after(scenario, 1.1)
    assert isinstance(files, StandingCopy)
    assert files.copy.kind == "files"
    assert not list((scenario.state / "exports").rglob("*.gz"))
    port, scenario.connections["staging"]["port"] = scenario.connections["staging"]["port"], 1
    scenario.write()
    (away,) = after(scenario, 3)
    assert isinstance(away, ApplianceError)
    assert "cannot be looked at" in away.text()
    scenario.connections["staging"]["port"] = port
    scenario.write()
    (twin,) = after(scenario, 3)
    assert isinstance(twin, StandingCopy)
    assert twin.copy.kind == "twin"
    names = {name for name in scenario.target.databases() if name.startswith(scenario.twin)}
    assert names == {scenario.twin, f"{scenario.twin}__golden"}, "the later twin is there"
    (later,) = after(scenario, 1000)
    assert isinstance(later, StandingCopy)
    # With a twin ends the golden copy of it.
    assert not {name for name in scenario.target.databases() if name.startswith(scenario.twin)}
    assert after(scenario, 1000) == []
    connections = load_connections(scenario.folder / "connections.yaml")
    standing = standing_copies(scenario.state, scenario.state / "exports", connections)
    assert [each.standing for each in standing] == ["ended", "ended", "ended"]
    assert (len(made(scenario.state)), len(ended(scenario.state))) == (3, 3)
    said = [statement_of(path) for path in sorted((scenario.state / "receipts").glob("0*.json"))]
    ends = [each.kind for each in said if isinstance(each, EndingPredicate)]
    assert ends == ["files", "twin", "twin"], "and the chain of receipts says each"
