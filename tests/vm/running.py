"""Starting runs on the host under test, as its operator would."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.vm.container_host import Deployed
from tests.vm.sample_database import sql


def run_workflow(appliance: Deployed, workflow: str = "vm-twin") -> dict[str, Any]:
    """Start it, wait for its end, and give back the run."""
    # The command itself waits for a workflow file that is not taken up yet.
    done = appliance.vm.ssh(f"sudo appliance workflow start {workflow} --wait --json", check=False)
    assert done.stdout.strip(), done.stderr
    run: dict[str, Any] = json.loads(done.stdout)
    return run


def start(appliance: Deployed, workflow: str, *options: str) -> str:
    """Start it and return at once: the run's id."""
    done = appliance.vm.ssh(f"sudo appliance workflow start {workflow} {' '.join(options)}")
    return done.stdout.strip()


def runs(appliance: Deployed) -> list[dict[str, Any]]:
    """The newest runs, as the status service knows them."""
    found: list[dict[str, Any]] = json.loads(appliance.vm.sudo("appliance runs --json"))
    return found


def assert_masked_twin(appliance: Deployed) -> None:
    """The twin is there, whole, and holds no real name or address."""
    counts = sql(
        appliance, "SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM orders)", "shop_twin"
    )
    assert counts == "5000|20000"
    real = sql(
        appliance,
        "SELECT count(*) FROM customer WHERE name LIKE '%Lovelace%' OR email LIKE '%@example.org'",
        "shop_twin",
    )
    assert real == "0"


def wait_until(appliance: Deployed, command: str, seconds: float = 600) -> None:
    """Wait until a shell command succeeds on the host. A limit for hanging, not for slowness."""
    give_up = time.monotonic() + seconds
    while appliance.vm.ssh(f"sudo sh -c '{command}'", check=False).returncode != 0:
        assert time.monotonic() < give_up, f"not within {seconds} s: {command}"
        time.sleep(1)
