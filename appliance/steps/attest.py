"""``attest``: write the files, and take the digests of what was verified, for the run's receipt.

Both are made of ``<twin>__next``: once it is the twin, its users may write to it, and what they write has
no proof. The process that started the step signs the receipt: no step is given the key. Only then does
``publish`` begin.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial

from pydantic import BaseModel

from appliance.errors import RefusedError
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.twin.digests import TwinDigest, TwinDigests, digest_twin
from appliance.postgres.twin.groups import USUAL_K, GroupSizes, group_sizes, wanted_groups
from appliance.steps.calling.context import StepContext
from appliance.steps.exporting import ExportResult, write_export
from appliance.steps.records.run_files import DIGESTS


class AttestResult(BaseModel):
    """What the receipt will be about."""

    twins: tuple[str, ...]
    """The digest of each."""
    files: ExportResult | None = None
    """What was exported, where the workflow delivers files."""
    seconds: float


def run(context: StepContext) -> AttestResult:
    """Write files where the workflow delivers any, and the digests of every target. Raises our errors."""
    began = time.monotonic()
    plan = context.plan()
    groups = _groups(context, plan)
    files = None
    for target in plan.targets:
        if target.delivery == context.spec.workflow.exporting_delivery:
            files = write_export(context, plan, target)

    # Only the files ever see what was built for them alone.
    built = [target for target in plan.targets if not target.scratch]
    twins = TwinDigests(
        twins=tuple(_digest(context, target, plan.parallel) for target in built), groups=groups
    )
    DIGESTS.write(context.run_dir, twins)
    return AttestResult(
        twins=tuple(twin.sha256 for twin in twins.twins),
        files=files,
        seconds=round(time.monotonic() - began, 3),
    )


def _digest(context: StepContext, target: TargetFacts, parallel: int) -> TwinDigest:
    open_session = partial(context.connect_target, target.connection, target.next_database)
    return digest_twin(target.connection, open_session, parallel)


def _groups(context: StepContext, plan: Plan) -> tuple[GroupSizes, ...]:
    """Counted before anything is written. Raises RefusedError where the policy wants larger groups."""
    quasi, demanded = context.spec.workflow.quasi, context.spec.policy.k_anonymity
    if not quasi or not plan.targets:
        return ()
    target, k = plan.targets[0], demanded or USUAL_K
    with closing(context.connect_target(target.connection, target.next_database)) as session:
        found = tuple(
            group_sizes(session, name, columns, k, has_partitions=has_partitions)
            for name, has_partitions, columns in wanted_groups(plan, quasi)
        )
    small = [each for each in found if each.smallest is not None and each.smallest < k]
    if demanded is not None and small:
        raise RefusedError(
            "The twin was not published: some of its rows stand too much alone.",
            "\n".join(
                f"  {each.table}: {each.rows_below:,} of {each.rows:,} rows share {', '.join(each.columns)}"
                f" with fewer than {k - 1} others"
                for each in small
            ),
            "Mask one of these columns more coarsely, or ask the owner of the policy about k_anonymity.",
            rule="k_anonymity",
        )
    return found
