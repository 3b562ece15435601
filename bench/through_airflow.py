"""The same workflow through Airflow and Docker: what that adds, and what steps take."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.start_and_stop import start_run
from appliance.store.database import connect
from appliance.store.queries import run_details
from appliance.store.rows import RunDetails
from appliance.system.container_labels import INSTANCE, labelled
from bench.engine import write_documents
from bench.processes import StepMemory
from bench.quietly import quietly
from bench.servers import Servers
from tests.containers.appliance_host import GATEWAY, ApplianceHost

COMPOSE = ["docker", "compose", "--project-name", "appliance-bench", "--file", "compose/compose.yaml"]
IMAGE = "appliance-bench-step"
WORKFLOW = "bench"


@dataclass(frozen=True)
class Orchestrated:
    """One run: seconds from trigger to success, by step, and the most memory of each kind of step."""

    seconds: float
    steps: dict[str, float]
    peak_mib: dict[str, float]


def build_step_image() -> None:
    """From this checkout, as the demo builds it."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    extra_ca = os.environ.get("EXTRA_CA") or (str(bundle) if bundle.exists() else os.devnull)
    environment = {**os.environ, "EXTRA_CA": extra_ca, "DOCKER_GID": "0"}
    subprocess.run([*COMPOSE, "build", "--quiet", "prepare"], env=environment, check=True)


@contextmanager
def running_appliance() -> Iterator[ApplianceHost]:
    """Airflow's processes and the status service."""
    host = ApplianceHost(IMAGE)
    try:
        with quietly():
            host.start()
        yield host
    finally:
        host.remove()


def run_once(host: ApplianceHost, servers: Servers, source: str, name: str, parallel: int) -> Orchestrated:
    """Trigger the workflow and wait for its end."""
    servers.fresh_target(name)
    servers.target.drop_database(name)
    workflow, connections = write_documents(
        host.folder, servers, source, name, parallel=parallel, host=GATEWAY
    )
    (host.folder / "etc" / "connections.yaml").write_text(connections.read_text())
    host.write_workflow("bench.yaml", workflow.read_text())
    run_id = _start(host)
    began = time.monotonic()
    import docker  # noqa: PLC0415

    label = labelled(INSTANCE, instance_name(host.settings, docker.from_env().api))
    with StepMemory(label) as memory:
        run = _wait(host, run_id)
    if run.state != "succeeded":
        raise RuntimeError(f"the run {run.state}: {run.failure}")
    return Orchestrated(time.monotonic() - began, _spans(run), memory.peak_mib)


def _start(host: ApplianceHost) -> str:
    give_up = time.monotonic() + 60
    while True:
        try:
            return start_run(host.settings, WORKFLOW).run_id
        except ApplianceError:
            if time.monotonic() > give_up:
                raise
            time.sleep(1)


def _wait(host: ApplianceHost, run_id: str) -> RunDetails:
    with connect(host.settings.database_url) as connection:
        while True:
            run = run_details(connection, run_id)
            if run is not None and run.ended_at is not None:
                return run
            time.sleep(0.1)


def _spans(run: RunDetails) -> dict[str, float]:
    began: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}
    for step in run.steps:
        if step.started_at and step.ended_at:
            began[step.step] = min(step.started_at, began.get(step.step, step.started_at))
            ended[step.step] = max(step.ended_at, ended.get(step.step, step.ended_at))
    return {
        name: (ended[name] - began[name]).total_seconds() for name in sorted(began, key=began.__getitem__)
    }
