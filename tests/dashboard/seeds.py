"""Fills a dashboard with a believable fleet, through its own API and the contract."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from appliance.contract.calls import ComponentReport, ConnectionReport, ScrubbedText, WorkflowReport
from appliance.contract.events import Noticed, WorkflowChanged

from .simulated_appliance import SimulatedAppliance, now

STAGING = """\
id: staging-twin
title: Nightly staging twin
schedule: "0 2 * * *"
source: production
tables:
  include: ["public.*", "crm.*"]
  exclude: ["public.audit_*"]
masks:
  # people
  "*.*.email": email
  public.customer.phone: {mask: phone, keep_prefix: 3}
  public.customer.last_name: last_name
  crm.note.body: text_scrub
keep:
  - "*.*.id"
  - "*.*.created_at"
deliver:
  - twin: {connection: staging}
limits: {parallel: 4, memory_mb: 512}
"""
ANALYTICS = """\
id: analytics-copy
title: Analytics copy
schedule: "30 4 * * 1"
source: production
tables:
  include: ["public.invoice*", "public.product"]
masks:
  "*.*.email": email
keep: ["*.*.*_id", "*.*.total"]
unlisted: "null"
deliver:
  - twin: {connection: analytics}
"""
ON_DEMAND = """\
id: support-sandbox
title: Support sandbox
source: production
tables:
  include: ["crm.*"]
masks:
  "*.*.email": email
deliver:
  - twin: {connection: sandbox}
"""


def add(
    api: httpx.Client, name: str, new_client: Callable[[], httpx.Client] | None = None
) -> tuple[str, SimulatedAppliance]:
    """A new appliance that has enrolled: its id, and itself."""
    created = api.post("/v1/appliances", json={"name": name}).raise_for_status().json()
    simulated = SimulatedAppliance(
        new_client() if new_client else httpx.Client(base_url=api.base_url, timeout=300)
    )
    simulated.enrol(created["enrolment_token"])
    return created["appliance_id"], simulated


def tell_run(simulated: SimulatedAppliance, workflow: str, **how: Any) -> str:
    """A whole run, sent; returns its id."""
    run_id = ""
    for portion in simulated.run(workflow, **how):
        run_id = portion
        simulated.send()
    return run_id


def fleet(
    api: httpx.Client, new_client: Callable[[], httpx.Client] | None = None
) -> dict[str, tuple[str, SimulatedAppliance]]:
    """Six appliances in six conditions, three workflows, and runs that went well and badly."""
    for text in (STAGING, ANALYTICS, ON_DEMAND):
        api.post("/v1/workflows", json={"yaml": text}).raise_for_status()
    changed = STAGING.replace(
        "  crm.note.body: text_scrub\n", '  crm.note.body: text_scrub\n  "*.*.street": street\n'
    )
    changed = changed.replace("parallel: 4", "parallel: 8")
    given = {"yaml": changed, "based_on": 1, "note": "Mask streets too; the night is short"}
    api.put("/v1/workflows/staging-twin", json=given).raise_for_status()
    names = ("Hospital West", "Hospital East", "Northern Insurance", "City Archive", "Transit Authority")
    made = {name: add(api, name, new_client) for name in names}
    api.post("/v1/appliances", json={"name": "Harbour Clinic"}).raise_for_status()
    ids = [appliance_id for appliance_id, _ in made.values()]
    api.put("/v1/workflows/staging-twin/appliances", json={"appliance_ids": ids[:4]}).raise_for_status()
    api.put("/v1/workflows/analytics-copy/appliances", json={"appliance_ids": ids[:2]}).raise_for_status()
    api.put("/v1/workflows/support-sandbox/appliances", json={"appliance_ids": ids[:1]}).raise_for_status()
    for _, simulated in made.values():
        simulated.heartbeat()
    _histories(*(simulated for _, simulated in made.values()))
    return made


def _histories(
    west: SimulatedAppliance,
    east: SimulatedAppliance,
    insurance: SimulatedAppliance,
    archive: SimulatedAppliance,
    transit: SimulatedAppliance,
) -> None:
    for days in (3, 2, 1):
        tell_run(west, "staging-twin", started=now() - timedelta(days=days, hours=5))
    tell_run(west, "analytics-copy", started=now() - timedelta(days=2))
    tell_run(east, "staging-twin", started=now() - timedelta(days=1))
    tell_run(east, "staging-twin", outcome="failed", started=now() - timedelta(hours=6))
    tell_run(insurance, "staging-twin", outcome="refused", started=now() - timedelta(hours=9))
    going = west.run("staging-twin", trigger="command", started=now() - timedelta(seconds=25), portions=4)
    for _ in range(3):
        next(going)
    west.send()
    say = ScrubbedText.mark
    refused = WorkflowReport(
        id="staging-twin",
        origin="cloud",
        state="refused",
        rule="always_mask",
        problem=say("The customer's policy always masks *.*.ssn, and the workflow keeps crm.contact.ssn."),
        digest="a" * 64,
    )
    archive.tell(
        WorkflowChanged(workflow="staging-twin", state="refused", rule="always_mask", problem=refused.problem)
    )
    archive.send()
    archive.sequence += 12
    archive.tell(Noticed(kind="clock_skew"))
    archive.send()
    archive.state = {
        "workflows": (refused,),
        "healthy": False,
        "components": (
            ComponentReport(name="scheduler", state="ok", version="3.3.2"),
            ComponentReport(name="docker", state="down", problem=say("The Docker engine does not answer.")),
        ),
        "connections": (
            ConnectionReport(name="production", state="ready"),
            ConnectionReport(name="staging", state="placeholder"),
        ),
    }
    transit.state = {"version": "0.9.4"}
    for simulated in (west, east, insurance, archive, transit):
        simulated.heartbeat(sent_at=now() + timedelta(seconds=190 if simulated is insurance else 0))
