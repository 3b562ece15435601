"""What is changed in Airflow from within, held against the Airflow that is installed."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appliance.orchestration.airflow.config import dags_folder
from appliance.orchestration.airflow.patches import WRITTEN_FOR

DESCRIBE = """
import asyncio, json, sys
from appliance.orchestration.airflow.patches import keep_newest_api_versions
kept = keep_newest_api_versions() if sys.argv[1] == "newest" else None
from airflow.api_fastapi.execution_api.app import create_task_execution_api_app
app = create_task_execution_api_app()
app._cadwyn_initialize()
routers = app.router.versioned_routers
def described(route):
    body = getattr(route, "body_field", None)
    fields = getattr(getattr(body, "type_", None) or getattr(body, "field_info", None), "model_fields", {})
    return [sorted(getattr(route, "methods", None) or []), route.path, sorted(fields)]
newest = max(routers)
print(json.dumps({"kept": kept, "versions": len(routers), "newest": newest,
                  "routes": sorted(map(described, routers[newest].routes))}))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the server would serve: all versions, and those that are kept."""
    home = tmp_path_factory.mktemp("airflow")
    found = {}
    for which in ("all", "newest"):
        done = subprocess.run(
            [sys.executable, "-c", DESCRIBE, which],
            env={
                "AIRFLOW_HOME": str(home),
                "PATH": "/usr/bin:/bin",
                "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 40,
            },
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found[which] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_newest_version_is_served_whole(api: dict[str, dict[str, Any]]) -> None:
    assert len(api["all"]["routes"]) > 20
    assert api["newest"]["newest"] == api["all"]["newest"]
    assert api["newest"]["routes"] == api["all"]["routes"]


def test_older_versions_are_not_built(api: dict[str, dict[str, Any]]) -> None:
    assert api["newest"]["kept"] is True
    assert api["newest"]["versions"] == 3
    assert api["all"]["versions"] > 3


def test_the_patches_are_written_for_the_airflow_that_is_installed() -> None:
    installed = importlib.metadata.version("apache-airflow-core")
    assert installed.startswith(f"{WRITTEN_FOR}."), "read patches.py against the new Airflow"


def test_the_scheduler_reads_the_sleep_that_is_patched() -> None:
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    assert "self._scheduler_idle_sleep_time" in inspect.getsource(SchedulerJobRunner._run_scheduler_loop)
    assert "_scheduler_idle_sleep_time =" in inspect.getsource(SchedulerJobRunner.__init__)


def test_a_forked_process_ends_with_the_one_that_forked_it() -> None:
    program = (
        "import os, sys, time\n"
        "from appliance.orchestration.airflow.patches import end_with_parent\n"
        "end_with_parent()\n"
        "if child := os.fork():\n"
        "    print(child, flush=True); time.sleep(600)\n"
        "else:\n"
        "    os.close(1); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    # Orphans go to the nearest reaper, which may leave a zombie; a zombie runs no more.
    stat = Path(f"/proc/{child}/stat")
    while stat.exists() and stat.read_text().split()[2] != "Z":
        os.sched_yield()


def test_a_checkout_has_its_dags_where_airflow_looks_for_them() -> None:
    assert [path.name for path in dags_folder().glob("*.py")] == ["appliance_workflows.py"]


@pytest.mark.parametrize(
    ("program", "status"),
    [("print('said')", 0), ("print('said'); sys.exit(3)", 3), ("print('said'); sys.exit('why')", 1)],
)
def test_a_program_that_is_left_at_once_has_said_all_and_ends_as_it_would(program: str, status: int) -> None:
    code = (
        "import sys\n"
        "from appliance.orchestration.airflow.patches import leave_at_once\n"
        f"leave_at_once(lambda: exec({program!r}))\n"
        "print('what comes after it')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("said\n", status), done.stderr
