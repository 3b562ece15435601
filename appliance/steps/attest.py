"""``attest``: write the files, and take the digests of what was verified, for the run's receipt.

Both are made of ``<twin>__next``: once it is the twin, its users may write to it, and what they write has
been proven by nobody. Who started the step signs the receipt: no step is given the key. Only then does
``publish`` begin.
"""

from __future__ import annotations

import time
from functools import partial

from pydantic import BaseModel

from appliance.postgres.plan import TargetFacts
from appliance.postgres.twin.digests import TwinDigest, TwinDigests, digest_twin
from appliance.steps.context import StepContext
from appliance.steps.exporting import ExportResult, write_export
from appliance.steps.run_files import DIGESTS


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
    files = None
    for target in plan.targets:
        if target.delivery == context.spec.workflow.exporting_delivery:
            files = write_export(context, plan, target)

    # Nobody but the files ever sees what was built for them alone.
    twins = TwinDigests(
        twins=tuple(_digest(context, target, plan.parallel) for target in plan.targets if not target.scratch)
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
