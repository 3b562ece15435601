"""What all runs of a workflow come to, for graphs and alerts."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.store.database import Connection


@dataclass
class WorkflowTotals:
    """Of one workflow, over all of its runs that are known."""

    workflow: str
    runs: dict[str, int] = field(default_factory=dict)
    """How many have ended, by how."""
    rows: int = 0
    bytes: int = 0
    step_seconds: dict[str, float] = field(default_factory=dict)
    """How long each step of its newest run that succeeded took."""


def workflow_totals(connection: Connection) -> tuple[WorkflowTotals, ...]:
    """The totals of every workflow that has ever run."""
    found: dict[str, WorkflowTotals] = {}

    def of(workflow: str) -> WorkflowTotals:
        return found.setdefault(workflow, WorkflowTotals(workflow))

    for row in connection.execute(
        "SELECT workflow, state, count(*) AS runs FROM appliance.run"
        " WHERE state NOT IN ('queued', 'running') GROUP BY workflow, state"
    ):
        of(row["workflow"]).runs[row["state"]] = row["runs"]
    for row in connection.execute(
        "SELECT workflow, sum(rows)::int8 AS rows, sum(bytes)::int8 AS bytes"
        " FROM appliance.progress JOIN appliance.run USING (run_id) WHERE step = 'copy' GROUP BY workflow"
    ):
        totals = of(row["workflow"])
        totals.rows, totals.bytes = row["rows"], row["bytes"]
    for row in connection.execute(
        "SELECT newest.workflow, step, extract(epoch FROM max(step.ended_at) - min(step.started_at))::float8"
        " AS seconds FROM appliance.step JOIN (SELECT DISTINCT ON (workflow) workflow, run_id"
        "   FROM appliance.run WHERE state = 'succeeded' ORDER BY workflow, ended_at DESC) AS newest"
        " USING (run_id) GROUP BY newest.workflow, step"
    ):
        if row["seconds"] is not None:
            of(row["workflow"]).step_seconds[row["step"]] = row["seconds"]
    return tuple(found.values())
