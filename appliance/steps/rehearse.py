"""``rehearse``: make the twin's empty structure aside and drop it, so that a plan lists what is refused.

Some of what a twin lacks shows only when it is tried. ``appliance plan`` tries it as ``schema`` does, in a
database of another name that lives for seconds: one that a run is building, or has built, is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import psycopg

from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.twin.database import drop_own
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.target.extension_trial import one_trial_at_a_time
from appliance.steps.calling.context import StepContext
from appliance.steps.schema import SchemaResult, make_schema


def run(context: StepContext) -> SchemaResult:
    """What came of making every target's structure; nothing of it is left there. Raises our errors."""
    plan = _aside(context.plan())
    with ExitStack() as trials:
        for target in plan.targets:
            trials.enter_context(_trial(context, target))
        return make_schema(context, plan)


@contextmanager
def _trial(context: StepContext, target: TargetFacts) -> Iterator[None]:
    """No other trial is at work in the database meanwhile, and it is gone afterwards."""
    name, open_database = target.next_database, partial(context.connect_target, target.connection)
    with closing(context.connect_admin(target.connection)) as admin:
        try:
            with one_trial_at_a_time(admin, name):
                try:
                    yield
                finally:
                    drop_own(admin, name, run=context.spec.run_id, open_database=open_database)
        except psycopg.Error as error:
            raise database_failure(f"The database '{name}' could not be tried in.", error) from None


def _aside(plan: Plan) -> Plan:
    targets = [
        target.model_copy(update={"next_database": twin_names(target.database).trial})
        for target in plan.targets
    ]
    return plan.model_copy(update={"targets": tuple(targets)})
