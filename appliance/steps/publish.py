"""``publish``: put the verified database in the twin's place, the former twin kept beside it.

What was built for files alone is dropped. Files were written before that, by ``attest``. Who started the step
gives them their name when it has worked, so that files and twin appear together or not at all. Without a
receipt nothing is published.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial

import psycopg
from pydantic import BaseModel

from appliance.errors import WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.twin.database import drop_own
from appliance.postgres.twin.golden import wish_of
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.ownership import Owners
from appliance.postgres.twin.publishing import Publisher
from appliance.run_folder import RECEIPT
from appliance.steps.calling.context import StepContext


class PublishResult(BaseModel):
    """What was published."""

    connection: str
    twin: str | None
    """None where the database was built for files alone, and is dropped."""
    former: str | None
    """The name under which the former twin is kept; None where there was none."""
    already_done: bool
    grants: int
    """Objects of the former twin whose grants were given again."""
    notes: tuple[str, ...] = ()
    golden_s: float = 0
    """How long the golden copy took to make, of ``seconds``."""
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
    if target.scratch:
        return _drop_scratch(context, plan, target, began)
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
        golden=wish_of(context.spec.workflow.twins[target.delivery].golden),
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
        golden_s=published.golden_s,
        seconds=round(time.monotonic() - began, 3),
    )


def _drop_scratch(context: StepContext, plan: Plan, target: TargetFacts, began: float) -> PublishResult:
    """The files are written: nothing else was ever to see the database. A second attempt finds it gone."""
    open_database = partial(context.connect_target, target.connection)
    try:
        with closing(context.connect_admin(target.connection)) as admin:
            there = drop_own(admin, target.next_database, run=plan.run_id, open_database=open_database)
    except psycopg.Error as error:
        what = f"'{target.next_database}', built for the files alone, could not be dropped."
        raise database_failure(what, error) from None
    return PublishResult(
        connection=target.connection,
        twin=None,
        former=None,
        already_done=not there,
        grants=0,
        seconds=round(time.monotonic() - began, 3),
    )
