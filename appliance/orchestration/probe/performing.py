"""A probe from beginning to end: a throwaway server, a run of ``_probe`` in Airflow, a look at its twin."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import psycopg

from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.orchestration.airflow.execution_api import create_dag_run
from appliance.orchestration.airflow.metadata import PROBE_DAG, dag_runs
from appliance.orchestration.probe.leftovers import alone, folders_of_probes
from appliance.orchestration.probe.server import ThrowawayServer
from appliance.orchestration.probe.tiny_run import (
    LONGEST_MIN,
    PROBED,
    SERVER,
    Probed,
    check,
    fill,
    folder_of,
    run_id_of,
    spec_of,
)
from appliance.run_folder import new_airflow_run_id
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import SPEC
from appliance.store.database import connect
from appliance.system.postgres_programs import of_server

TAKEN_UP_S = 300.0
"""Until Airflow knows the DAG: its files are read anew every few seconds, by a process that may rest."""
BEGUN_S = 300.0
FREE_S = 60.0
"""The reaper may just remove what an earlier probe has left."""
ENDED_S = 60.0 * (LONGEST_MIN - 1)
_POLL_S = 0.2


def probe(settings: Settings, *, server_user: str | None = None) -> None:
    """Have a tiny run go through Airflow and Docker, and leave nothing of it. Raises ApplianceError.

    ``server_user`` runs the throwaway server where this process is root.
    """
    with alone(settings, within_s=FREE_S):
        # What a probe that was killed has left. Its run in Airflow ends when it finds its folder gone.
        for former in folders_of_probes(settings):
            shutil.rmtree(former, ignore_errors=True)
        airflow_run_id = new_airflow_run_id()
        folder = folder_of(settings, airflow_run_id)
        try:
            initdb = Path(of_server("initdb", settings.database_url))
            with ThrowawayServer(folder / SERVER, initdb, user=server_user) as server:
                fill(server)
                SPEC.write(folder, spec_of(run_id_of(airflow_run_id)))
                _ask(settings, airflow_run_id)
                _wait(settings, airflow_run_id, folder)
                check(server)
        except psycopg.Error as error:
            raise WorkFailedError(
                "The probe's own server could not be used.", str(error).strip().splitlines()[0][:300]
            ) from None
        except OSError as error:
            raise WorkFailedError(
                "The probe's folder could not be written.",
                error.strerror or type(error).__name__,
                f"df -h {settings.state_dir}",
            ) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _ask(settings: Settings, airflow_run_id: str) -> None:
    """Start the run, as soon as Airflow knows its DAG and its execution API answers."""
    give_up = time.monotonic() + TAKEN_UP_S
    while True:
        try:
            create_dag_run(settings, PROBE_DAG, airflow_run_id)
        except (WrongRequestError, WorkFailedError) as error:
            if time.monotonic() > give_up:
                raise WorkFailedError(
                    "Airflow did not take up the tiny run of the probe.", error.explanation.line()
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def _wait(settings: Settings, airflow_run_id: str, folder: Path) -> None:
    """Until Airflow has brought the run to its end. Raises WorkFailedError with why it did not succeed."""
    began, key = time.monotonic(), (PROBE_DAG, airflow_run_id)
    with connect(settings.airflow_database_url, read_only=True) as connection:
        while True:
            run = dag_runs(connection, [key]).get(key)
            state = run.state if run is not None else "queued"
            if state == "success" and PROBED.is_in(folder):
                return
            if state in ("success", "failed"):
                raise WorkFailedError("The tiny run of the probe failed.", _why(folder))
            waited = time.monotonic() - began
            if state == "queued" and waited > BEGUN_S:
                raise WorkFailedError(
                    "Airflow's scheduler has not begun the tiny run of the probe.",
                    f"It has waited for {waited:.0f} s.",
                    "journalctl -u appliance-scheduler",
                )
            if waited > ENDED_S:
                raise WorkFailedError(
                    "The tiny run of the probe has not come to its end.", f"It began {waited:.0f} s ago."
                )
            time.sleep(_POLL_S)


def _why(folder: Path) -> str:
    with contextlib.suppress(ApplianceError):
        probed: Probed = PROBED.read(folder)
        if (failure := probed.failure) is not None:
            said = failure.log_tail[-1:] if not failure.why else ()
            line = " ".join((failure.explanation.line(), *said))
            return f"In the step {failure.step}: {line}"
    return "Airflow ended its task before that could say why: journalctl -u appliance-scheduler."
