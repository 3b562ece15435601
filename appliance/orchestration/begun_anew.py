"""Runs whose source changed under their snapshot, begun anew by themselves: once, and in a fresh snapshot.

Nothing of such a run was published, and its twin stands as it was. What a run of a workflow began meanwhile
needs no other. Imports no Airflow.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

from appliance.errors import ApplianceError, SourceChangedError
from appliance.orchestration.start_and_stop import start_run
from appliance.settings.settings import Settings
from appliance.store.queries import runs_to_begin_anew
from appliance.store.runs import RunStore, Trigger

ANEW = "anew-"
"""How Airflow's id of such a run begins: the rest is that of the run before it, so each has but one."""
WITHIN = timedelta(hours=1)
"""After that, with the appliance down meanwhile, the next run by the schedule is as good."""


def begin_anew(settings: Settings, store: RunStore) -> list[str]:
    """Start what is to begin anew; the ids of the new runs.

    What cannot be started, since Airflow does not answer or the workflow is gone, is tried at the next look.
    Raises psycopg.Error where the store is away.
    """
    begun = []
    for run in runs_to_begin_anew(store.connection, SourceChangedError.__name__, ANEW, WITHIN):
        trigger: Trigger = "schedule" if run.trigger == "schedule" else "operator"
        with contextlib.suppress(ApplianceError):
            started = start_run(
                settings,
                run.workflow,
                airflow_run_id=f"{ANEW}{run.airflow_run_id}",
                trigger=trigger,
                wait_s=0,
            )
            begun.append(started.run_id)
    return begun
