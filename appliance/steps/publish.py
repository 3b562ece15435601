"""``publish``: put the verified database in the twin's place, the former twin kept beside it.

Files are written before that, from the database that was verified: once it is the twin, its users may write
to it, and what they write has been proven by nobody. Who started the step gives the files their name when it
has worked, so that files and twin appear together or not at all.
"""

from __future__ import annotations

import time
from functools import partial

from pydantic import BaseModel

from appliance.errors import WrongRequestError
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.ownership import Owners
from appliance.postgres.twin.publishing import Publisher
from appliance.steps.context import StepContext
from appliance.steps.exporting import ExportResult, write_export


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
    files: ExportResult | None = None
    """What was exported, where this delivery's twin is what the files are written from."""
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
    files = None
    if target.delivery == context.spec.workflow.exporting_delivery:
        files = write_export(context, plan, target)
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
        owners=Owners(context.spec.workflow.id, context.spec.workflow.replaces),
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
        files=files,
        seconds=round(time.monotonic() - began, 3),
    )
