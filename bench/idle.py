"""What the appliance takes while it has nothing to do, beside Airflow as it comes: ``python -m bench.idle``.

Both on the same machine, with the same PostgreSQL and one workflow that is not started. The appliance runs as
its units start it, supervisors and all. Airflow as it comes is its four processes with default settings,
without the example DAGs. PostgreSQL and Docker count for neither here.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from appliance.supervision.idle_dag_processor import is_resting
from bench.processes import cpu_seconds, pss_mib, tree
from bench.quietly import quietly
from tests.containers.appliance_host import PROCESSES, ApplianceHost, wait_for
from tests.engine.clusters import free_port

STOCK = ("scheduler", "dag-processor", "api-server", "triggerer")
SETTLE_S = 30
REST_S = 900
WORKFLOW = """\
id: idle
title: It is never started
source: production
tables: {include: ["public.*"]}
unlisted: "null"
deliver: [{twin: {connection: staging}}]
"""

Figures = dict[str, tuple[float, float]]


class SupervisedHost(ApplianceHost):
    """The appliance with a supervisor beside each process, as systemd starts it."""

    def _launch(self, name: str) -> list[str]:
        if name not in PROCESSES:
            return super()._launch(name)
        return [sys.executable, "-I", "-m", "appliance.supervision", name]


def main() -> int:
    """Measure both, and print the table."""
    parser = argparse.ArgumentParser(prog="bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch each")
    seconds = parser.parse_args().seconds
    host = SupervisedHost("nothing-runs-here")
    try:
        host.write_workflow("idle.yaml", WORKFLOW)
        with quietly():
            host.start()
        wait_for("the DAG processor rests", lambda: is_resting(host.folder / "run"), seconds=REST_S)
        time.sleep(SETTLE_S)
        ours = watched({name: host.pids(name) for name in PROCESSES}, seconds)
    finally:
        host.remove()
    print_table("appliance", ours)
    print_table("Airflow as it comes", stock(seconds))
    return 0


def stock(seconds: float) -> Figures:
    """Airflow's own layout, on a cluster of its own."""
    host = ApplianceHost("nothing-runs-here")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    port = str(free_port())
    address = host.database_url("airflow").replace("postgresql://", "postgresql+psycopg://")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(host.folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[1] / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": address,
        **{key: value for key, value in host.environment.items() if key.startswith("APPLIANCE")},
    }
    airflow = [sys.executable, "-m", "airflow"]
    try:
        host.write_workflow("idle.yaml", WORKFLOW)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, **quiet)  # type: ignore[call-overload]
        for name in STOCK:
            options = ["--port", port, "--host", "127.0.0.1"] if name == "api-server" else []
            processes[name] = subprocess.Popen(  # type: ignore[call-overload]
                [*airflow, name, *options], env=environment, start_new_session=True, **quiet
            )
        time.sleep(3 * SETTLE_S)
        return watched({name: process.pid for name, process in processes.items()}, seconds)
    finally:
        for process in processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        host.remove()


def watched(pids: dict[str, int], seconds: float) -> Figures:
    """Name → PSS in MiB and percent of one core, with everything that the process has started meanwhile."""
    before = {name: cpu_seconds(tree(pid)) for name, pid in pids.items()}
    time.sleep(seconds)
    return {
        name: (pss_mib(tree(pid)), 100 * (cpu_seconds(tree(pid)) - before[name]) / seconds)
        for name, pid in pids.items()
    }


def print_table(title: str, figures: Figures) -> None:
    """One line a process, and their sum."""
    print(f"\n| idle: {title} | PSS, MiB | % of one core |\n| --- | --- | --- |")
    for name, (pss, cpu) in figures.items():
        print(f"| {name} | {pss:.0f} | {cpu:.1f} |")
    pss, cpu = (sum(each[index] for each in figures.values()) for index in (0, 1))
    print(f"| together | {pss:.0f} | {cpu:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
