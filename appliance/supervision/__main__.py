"""What the units start: ``python -m appliance.supervision NAME``.

``prepare`` makes keys and brings both databases up to date, then ends. Every other name runs that program
under the watchdog's eye.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from appliance.durable import create_file
from appliance.supervision.docker_probe import noting_docker
from appliance.supervision.health_probes import Proof, answers, database_answers, job_beats
from appliance.supervision.notify import notify
from appliance.supervision.supervisor_settings import SupervisorSettings
from appliance.supervision.upkeep_mark import upkeep_proof
from appliance.supervision.watch import wait_for, watch

_PYTHON = [sys.executable, "-I", "-m"]
_LAUNCH = [*_PYTHON, "appliance.orchestration.airflow.launch"]
COMMANDS = {
    "scheduler": [*_LAUNCH, "scheduler"],
    "dag-processor": [*_LAUNCH, "dag-processor"],
    "api-server": [*_LAUNCH, "api-server"],
    "status": [*_PYTHON, "appliance.status"],
    "upkeep": [*_PYTHON, "appliance.status.keeping"],
}
JWT_SECRET_BYTES = 48


def main(arguments: list[str]) -> int:
    """Run what is named; exit status 2 for a name that is not known."""
    names = ["prepare", *COMMANDS]
    if len(arguments) != 1 or arguments[0] not in names:
        sys.stderr.write(f"usage: python -m appliance.supervision {'|'.join(names)}\n")
        return 2
    settings = _settings()
    if settings is None:
        return 2
    if arguments[0] != "status":
        # A supervisor that waits for the database can still look at Docker.
        wait_for(_noting(arguments[0], settings, database_answers(settings.airflow_database)))
    if arguments[0] == "prepare":
        return _prepare(settings)
    return _watch(arguments[0], settings)


def _watch(name: str, settings: SupervisorSettings) -> int:
    command, proof = COMMANDS[name], _proof(name, settings)
    if name == "dag-processor":
        from appliance.supervision.idle_dag_processor import watch_and_rest  # noqa: PLC0415 -- memory of this one only

        return watch_and_rest(
            command,
            os.environ,
            proof,
            folders=[Path(folder) for folder in settings.workflow_folders],
            files=[Path(settings.policy_file)],
            state_dir=Path(settings.state_dir),
            runtime_dir=Path(settings.runtime_dir),
        )
    status = watch(command, os.environ, proof)
    return 0 if status is None else status


def _settings() -> SupervisorSettings | None:
    """What the settings say, asked of a process that ends again: the modules that read them are 25 MB."""
    command = [*_PYTHON, "appliance.supervision.settings_json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
    if done.returncode != 0:
        notify("STATUS=appliance.yaml is wrong; the journal says where")
        return None
    return SupervisorSettings(**json.loads(done.stdout))


def _proof(name: str, settings: SupervisorSettings) -> Proof:
    started = time.monotonic()

    def age_s() -> float:
        return time.monotonic() - started

    if name == "api-server":
        return answers("127.0.0.1", settings.execution_api_port, "/execution/health")
    if name == "upkeep":
        return upkeep_proof(Path(settings.runtime_dir))
    if name == "status":
        # A page that says what is wrong is a status service that works: only silence is not.
        host, port, tls = settings.status_host, settings.status_port, settings.status_tls
        return answers(host, port, "/healthz", accepted=range(200, 600), tls=tls)
    job = "SchedulerJob" if name == "scheduler" else "DagProcessorJob"
    return _noting(name, settings, job_beats(settings.airflow_database, job, age_s))


def _noting(name: str, settings: SupervisorSettings, proof: Proof) -> Proof:
    """The scheduler's supervisor, which may ask Docker, notes each time what it says."""
    return noting_docker(proof, Path(settings.runtime_dir)) if name == "scheduler" else proof


def _prepare(settings: SupervisorSettings) -> int:
    """Keys that never leave this machine are made on it; then the databases' schemas."""
    if settings.jwt_secret_file:
        make_secret(Path(settings.jwt_secret_file))
    return subprocess.run([*_LAUNCH, "migrate"], check=False).returncode  # noqa: S603


def make_secret(path: Path) -> None:
    """Write a random secret that only its owner reads, unless it exists. Whole or not at all."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    import secrets  # noqa: PLC0415 -- memory that the supervisors do not spend

    create_file(path, secrets.token_urlsafe(JWT_SECRET_BYTES), durable=True, mode=0o600)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
