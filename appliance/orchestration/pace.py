"""How long the scheduler sleeps when it finds nothing to do: long while no run is under way, short otherwise.

A step waits for up to one such sleep, and a short one costs processor time all day; Airflow has one number
for both. The scheduler's own number is replaced by a property of its class. Where a later Airflow no longer
reads it, that changes nothing, and the configured number holds.
"""

from __future__ import annotations

from appliance.orchestration.run_folder import open_runs
from appliance.settings import Settings

RESTING_S = 1.0
WORKING_S = 0.15


class Pace:
    """Knows which runs are under way in this scheduler."""

    def __init__(self, settings: Settings) -> None:
        self._under_way = {run_id for run_id, _ in open_runs(settings.state_dir)}

    def run_started(self, run_id: str) -> None:
        """Hurry from now on."""
        self._under_way.add(run_id)

    def run_ended(self, run_id: str) -> None:
        """Rest when it was the last one."""
        self._under_way.discard(run_id)

    def sleep_s(self) -> float:
        """What the scheduler is to sleep."""
        return WORKING_S if self._under_way else RESTING_S

    def apply(self) -> None:
        """Let this process's scheduler ask for its sleep each time."""
        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner  # noqa: PLC0415 - there only

        SchedulerJobRunner._scheduler_idle_sleep_time = property(  # type: ignore[assignment]
            lambda _: self.sleep_s(), lambda _, __: None
        )
