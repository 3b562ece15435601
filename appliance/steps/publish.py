"""``publish``: put the verified database in the twin's place, the former twin kept beside it.

Files were written before that, by ``attest``. Who started the step gives them their name when it has worked,
so that files and twin appear together or not at all. Without a receipt nothing is published.
"""

from __future__ import annotations

import time
from functools import partial

from pydantic import BaseModel

from appliance.errors import WrongRequestError
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.publishing import Publisher
from appliance.run_folder import RECEIPT
from appliance.steps.context import StepContext


class PublishResult(BaseModel):
    """What was published."""

    connection: str
    twin: str
    former: str | None
    """The name under which the former twin is kept; None where there was none."""
    already_done: bool
    grants: int
    """Objects of the former twin whose grants were given again."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> PublishResult:
    """Publish the delivery that the step was started for. Raises our errors, the former twin in place."""
    began = time.monotonic()
    plan = context.plan()
    targets = [target for target in plan.targets if target.delivery == (context.call.delivery or 0)]
    if not targets:
        raise WrongRequestError(
            f"The plan has no delivery {context.call.delivery}.", f"It has {len(plan.targets)}."
        )
    target = targets[0]
    if not (context.run_dir / RECEIPT).exists():
        raise WrongRequestError(
            "The run has no receipt, so it is not published.",
            "One is signed when the twin has been attested, before anyone can see it.",
            "Start the run again.",
        )
    names = twin_names(target.database)
    published = Publisher(
        names=names,
        connection=target.connection,
        open_admin=partial(context.connect_admin, target.connection),
        open_database=partial(context.connect_target, target.connection),
        workflow=plan.workflow_id,
        run=plan.run_id,
        grace_s=context.spec.workflow.twins[target.delivery].grace_s,
        tell=context.notice,
    ).publish()
    for note in published.notes:
        context.notice(note)
    return PublishResult(
        connection=target.connection,
        twin=names.twin,
        former=names.prev if published.replaced else None,
        already_done=published.already,
        grants=published.grants,
        notes=tuple(published.notes),
        seconds=round(time.monotonic() - began, 3),
    )
