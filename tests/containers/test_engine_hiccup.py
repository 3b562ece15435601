"""An error of the Docker engine that passes costs a run another try of the step, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.appliance_host import ApplianceHost
from tests.containers.hiccuping_engine import HiccupingEngine
from tests.containers.shop import workflow


@pytest.fixture
def engine(appliance: ApplianceHost, tmp_path: Path) -> Iterator[HiccupingEngine]:
    """What this appliance's scheduler takes for the engine."""
    engine = HiccupingEngine(tmp_path / "docker.sock")
    appliance.environment["DOCKER_HOST"] = f"unix://{engine.path}"
    try:
        appliance.kill_process("scheduler")
        appliance.start_process("scheduler")
        yield engine
    finally:
        del appliance.environment["DOCKER_HOST"]
        appliance.kill_process("scheduler")
        appliance.start_process("scheduler")
        engine.close()


def test_a_run_goes_on_after_the_engine_failed_once(
    appliance: ApplianceHost, engine: HiccupingEngine
) -> None:
    appliance.write_workflow("hiccup.yaml", workflow("hiccup", "hiccup"))
    engine.fail(b"/containers/create")
    run = appliance.wait_for_end(appliance.start_run("hiccup"))
    assert engine.not_failed == []
    assert run["state"] == "succeeded", json.dumps(run, indent=1)
