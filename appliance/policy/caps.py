"""How much the cloud may ask for: how long a snapshot, how often, how many copies at a time.

A wish above is refused and named, not cut down: who reads a workflow must find in it what happens.
"""

from __future__ import annotations

from appliance.policy.refusal import Refusal
from appliance.workflow.cron import parse_cron
from appliance.workflow.cron_interval import least_interval_min
from appliance.workflow.document import Workflow


def check_caps(
    workflow: Workflow,
    *,
    snapshot_max_min: int | None,
    min_interval_min: int | None,
    max_parallel: int | None,
) -> list[Refusal]:
    """Every wish of a workflow from the cloud that is above a cap."""
    limits = workflow.limits
    refusals = []
    if max_parallel is not None and limits.parallel > max_parallel:
        what = f"limits.parallel is {limits.parallel}, and the cloud may ask for at most {max_parallel}."
        refusals.append(Refusal("max_parallel", what))
    if snapshot_max_min is not None and (asked := _snapshot_min(workflow)) > snapshot_max_min:
        what = (
            f"A snapshot of the source could be held for {asked} minutes, and the cloud may ask for at most"
            f" {snapshot_max_min}."
        )
        refusals.append(Refusal("snapshot_max_min", what))
    if min_interval_min is not None and workflow.schedule is not None:
        interval = least_interval_min(parse_cron(workflow.schedule))
        if interval < min_interval_min:
            what = (
                f"The schedule {workflow.schedule} can come {interval} minutes after the time before, and the"
                f" cloud may ask for a run every {min_interval_min} minutes at most."
            )
            refusals.append(Refusal("min_interval_min", what))
    return refusals


def _snapshot_min(workflow: Workflow) -> int:
    """The longest that a run may hold its snapshot: what it says itself, and no longer than it may take."""
    whole_run = workflow.limits.run_timeout_min
    own: int | None = getattr(workflow.limits, "snapshot_max_min", None)
    return whole_run if own is None else min(own, whole_run)
