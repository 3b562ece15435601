"""Whether appliances would take a workflow, by what each reports of its owner's policy."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Lenient
from appliance.policy.columns import KEEP_RULE
from appliance.policy.containers import EXPORTS
from appliance.policy.policy import Policy, check_workflow
from appliance.workflow.document import Workflow

_NEEDS = {
    "workflows_from_cloud": "workflows_from_cloud",
    "sql_from_cloud": "sql_from_cloud",
    KEEP_RULE: "workflows_from_cloud",
    "read": "read",
    "write": "write",
    "destinations": "files",
    "max_parallel": "max_parallel",
    "snapshot_max_min": "snapshot_max_min",
    "min_interval_min": "min_interval_min",
}
"""The rules that can be judged here, and the field of a report without which one cannot."""
MOST_COMPARED = 20


@dataclass(frozen=True)
class Fit:
    """An appliance's answer as far as it can be foreseen."""

    name: str
    known: bool
    """Whether it has reported its policy at all."""
    refusals: tuple[str, ...]


def fits(session: Session, workflow: Workflow, workflow_id: str) -> list[Fit]:
    """What each appliance that the workflow is for would say to this version of it."""
    assigned = workflows.assignments(session, workflow_id) if workflow_id else []
    return [
        Fit(row.name, bool(policy), refusals(workflow, policy) if policy else ())
        for row in assigned[:MOST_COMPARED]
        for policy in [fleet.report(session, row.appliance_id)["policy"] or Lenient()]
    ]


def refusals(workflow: Workflow, reported: Lenient) -> tuple[str, ...]:
    """The refusals that follow from what was reported. What was not reported refuses nothing here."""
    policy = Policy(
        workflows_from_cloud=bool(reported["workflows_from_cloud"]),
        sql_from_cloud=bool(reported["sql_from_cloud"]),
        read=tuple(reported["read"] or ()),
        write=tuple(reported["write"] or ()),
        destinations=(EXPORTS,) if reported["files"] else (),
        max_parallel=reported["max_parallel"],
        snapshot_max_min=reported["snapshot_max_min"],
        min_interval_min=reported["min_interval_min"],
    )
    found = check_workflow(policy, workflow, origin="cloud")
    return tuple(
        f"{refusal.what} (policy rule {refusal.rule})"
        for refusal in found
        if refusal.rule in _NEEDS
        and reported[_NEEDS[refusal.rule]] is not None
        # Where a container may reach is not reported.
        and not (refusal.rule == "destinations" and not workflow.files)
    )
