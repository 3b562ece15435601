"""The status service while everything else is away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.processes import own_bytes
from tests.containers.appliance_host import wait_for
from tests.engine.clusters import free_port


class Lonely(NamedTuple):
    """Where it listens, and which process it is."""

    port: int
    pid: int


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lonely]:
    """A status service whose databases and Airflow do not exist."""
    folder: Path = tmp_path_factory.mktemp("lonely")
    for name in ("etc/workflows", "state", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "workflows" / "bad.yaml").write_text("id: [")
    port = free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE")},
        "APPLIANCE_CONFIG_DIR": str(folder / "etc"),
        "APPLIANCE_STATE_DIR": str(folder / "state"),
        "APPLIANCE_RUNTIME_DIR": str(folder / "run"),
        "APPLIANCE_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "APPLIANCE_AIRFLOW_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "APPLIANCE_AIRFLOW_EXECUTION_API_URL": f"http://127.0.0.1:{free_port()}/execution/",
        "APPLIANCE_STATUS_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "appliance.status"], env=environment, cwd=folder)
    try:
        wait_for("it answers", lambda: ask(port, "/healthz")[0])
        yield Lonely(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def ask(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None


def test_it_is_not_healthy_and_says_what_is_away(lonely: Lonely) -> None:
    code, body = ask(lonely.port, "/healthz")
    assert code == 503
    all_reasons = " ".join(body["reasons"])
    for part in ("postgres", "scheduler", "api_server"):
        assert part in all_reasons


def test_it_still_shows_the_workflow_files_and_the_disk(lonely: Lonely) -> None:
    code, body = ask(lonely.port, "/status")
    assert code == 200
    assert [each["state"] for each in body["workflows"]] == ["invalid"]
    assert body["disk"]["free_bytes"] > 0


def test_runs_cannot_be_shown_and_the_answer_says_why(lonely: Lonely) -> None:
    for path in ("/runs", "/runs/some-run"):
        code, body = ask(lonely.port, path)
        assert code == 503
        assert "database" in body["detail"]


def test_it_takes_less_than_60_mb_of_its_own(lonely: Lonely) -> None:
    for path in ("/status", "/runs", "/healthz"):
        ask(lonely.port, path)
    assert own_bytes(lonely.pid) < 60e6
