"""``plan_only``: what a run would do, in a snapshot that lasts no longer than that. Nothing is copied."""

from __future__ import annotations

from appliance.postgres.source.snapshot import export_snapshot
from appliance.steps.calling.context import StepContext
from appliance.steps.plan import PlanSummary, planned, summary_of
from appliance.steps.records.run_files import PLAN, SNAPSHOT


def run(context: StepContext) -> PlanSummary:
    """Make the plan and write ``plan.json``. Raises WrongRequestError, RefusedError or WorkFailedError."""
    with context.connect_source() as keeper:
        SNAPSHOT.write(context.run_dir, export_snapshot(keeper))
        plan, _ = planned(context)
    PLAN.write(context.run_dir, plan)
    return summary_of(plan)
