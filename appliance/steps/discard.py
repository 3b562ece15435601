"""``discard``: after a run that failed before it was verified, drop what it had built aside.

What was built for files alone is dropped after any run whose files were not delivered.

The next run would do so too, but the disk space is wanted now, and evidence is not to stay. The starter of
the steps decides when: a finished twin that could only not be swapped in stays, and the message of
``publish`` says what to do then. After a run that was killed it is the reaper's, or the next command's: see
``killed_runs.left_behind``.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial

import psycopg

from appliance.killed_runs import mark_removed
from appliance.postgres.errors import database_failure
from appliance.postgres.twin.database import drop_own
from appliance.postgres.twin.names import scratch_names, twin_names
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import PLAN


def run(context: StepContext) -> dict[str, list[str]]:
    """Drop each delivery's unfinished database, if this run made it; the names of those that were dropped."""
    dropped: list[str] = []
    if not PLAN.is_in(context.run_dir):
        return {"dropped": dropped}
    workflow = context.spec.workflow
    # By the specification: the plan may be another release's, and says nothing more of names.
    for place, connection in workflow.built.items():
        database = context.twin_name(connection)
        if place in workflow.scratch:
            unfinished = scratch_names(database, workflow.id).files
        else:
            unfinished = twin_names(database).next
        open_database = partial(context.connect_target, connection)
        with closing(context.connect_admin(connection)) as admin:
            try:
                if drop_own(admin, unfinished, run=context.spec.run_id, open_database=open_database):
                    dropped.append(unfinished)
            except psycopg.Error as error:
                raise database_failure(f"'{unfinished}' could not be looked at.", error) from None
    mark_removed(context.run_dir)
    return {"dropped": dropped}
