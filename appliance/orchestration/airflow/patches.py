"""Every place where this project changes Airflow from within, written for Airflow 3.3.

Airflow offers no setting for any of them. Each has a test that fails when Airflow changes under it, and where
the inside is not as expected, Airflow runs as it comes.

| patch | what it gains (measured) |
| --- | --- |
| ``SchedulerSleep`` | a sleep of 1 s while idle (3 % of a core), of 0.15 s during a run |
| ``keep_newest_api_versions`` | 50 MiB and 5 s of processor time at each start of the api-server |
| ``leave_at_once`` | 1.5 s of processor time at each stop, in which nothing else runs |
| ``end_with_parent`` | no worker outlives a killed scheduler and holds its locks |

``executor`` replaces LocalExecutor, by subclassing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from appliance.run_folder import open_runs
from appliance.settings.settings import Settings

WRITTEN_FOR = "3.3"
"""Airflow's version whose inside this file knows."""

IDLE_SLEEP_S = 1.0
WORKING_SLEEP_S = 0.15
KEPT_API_VERSIONS = 3
"""The newest versions of the execution API; some routes are defined in terms of the one or two before."""
_PR_SET_PDEATHSIG = 1
_forker = 0


class SchedulerSleep:
    """How long the scheduler sleeps when it finds nothing to do: long while idle, short during a run.

    A step waits for up to one such sleep, and a short one costs processor time all day; Airflow has one
    number for both. A property of the scheduler's class takes the place of that number.
    """

    def __init__(self, settings: Settings) -> None:
        self._under_way = {run_id for run_id, _ in open_runs(settings.state_dir)}

    def run_started(self, run_id: str) -> None:
        """Sleep briefly from here on."""
        self._under_way.add(run_id)

    def run_ended(self, run_id: str) -> None:
        """Sleep long again if it was the last one."""
        self._under_way.discard(run_id)

    def seconds(self) -> float:
        """The present length of one sleep."""
        return WORKING_SLEEP_S if self._under_way else IDLE_SLEEP_S

    def apply(self) -> None:
        """Let this process's scheduler ask for its sleep each time."""
        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner  # noqa: PLC0415 - there only

        SchedulerJobRunner._scheduler_idle_sleep_time = property(  # type: ignore[assignment]
            lambda _: self.seconds(), lambda _, __: None
        )


def keep_newest_api_versions(count: int = KEPT_API_VERSIONS) -> bool:
    """Leave the older dated versions of the execution API unbuilt in this process; whether that was possible.

    The older ones serve task supervisors of older Airflow releases. Ours are of the server's own release.
    """
    try:
        from airflow.api_fastapi.execution_api import versions  # noqa: PLC0415 - Airflow takes seconds
        from cadwyn import HeadVersion, Version, VersionBundle  # noqa: PLC0415

        whole = versions.bundle
        if len(whole.versions) <= count:
            return False
        newest, oldest = whole.versions[: count - 1], whole.versions[count - 1]
        for version in newest:
            for change in version.changes:
                # A change belongs to one list only, and these are to belong to the shorter one.
                change._bound_version_bundle = None
        versions.bundle = VersionBundle(HeadVersion(), *newest, Version(oldest.value))
    except Exception as error:  # whatever a later Airflow has made of it
        sys.stderr.write(f"Every version of the execution API is served ({type(error).__name__}).\n")
        return False
    return True


def end_with_parent() -> None:
    """Have the kernel kill every process that this one forks when its parent dies, and so on. Linux only.

    LocalExecutor's workers outlive a killed scheduler. Each holds the scheduler's connection to the database
    and the locks of the transaction that was open then, and the next scheduler passes over every run locked
    so. systemd and a container end the whole group; this holds without them too.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def remember() -> None:
        global _forker  # noqa: PLW0603 - a fork hook can be given nothing
        _forker = os.getpid()

    def ask_for_the_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != _forker:
            os._exit(1)

    os.register_at_fork(before=remember, after_in_child=ask_for_the_signal)


def leave_at_once(program: Callable[[], object]) -> None:
    """Run it, and end this process with what it ends with, without taking apart all that was imported.

    What Python tidies up at its end, module by module, the kernel takes back at once.
    """
    status = 0
    try:
        program()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        status = ended.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Airflow's own command line; its api-server with the newest versions of the execution API."""
    if sys.argv[1:2] == ["api-server"]:
        keep_newest_api_versions()
    from airflow.__main__ import main as airflow  # noqa: PLC0415

    leave_at_once(airflow)


if __name__ == "__main__":
    main()
