"""The api-server serves the newest execution API whole, without building the ones that nobody here speaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DESCRIBE = """
import asyncio, json, sys
from appliance.orchestration.api_server import keep_newest_versions
kept = keep_newest_versions() if sys.argv[1] == "newest" else None
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
