"""``appliance twin``: what stands on a target, going back, and publishing what could not be swapped in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import WorkFailedError
from appliance.postgres.twin.names import twin_names
from tests.engine.clusters import Cluster
from tests.engine.ready_commands import run_command
from tests.engine.test_publish import RUN, Stage

Twin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stage(target: Cluster, twin_database: str) -> Stage:
    stage = Stage(target, twin_names(twin_database))
    stage.database(stage.names.twin, "old", run="run-1")
    stage.finished_next()
    return stage


@pytest.fixture
def twin(stage: Stage, tmp_path: Path) -> Twin:
    """Run ``appliance twin COMMAND staging``."""
    connections = tmp_path / "connections.yaml"
    connections.write_text(json.dumps({"staging": stage.target.connection(stage.names.twin, "twin_owner")}))
    connections.chmod(0o600)

    def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        line = ["twin", command, "staging", "--connections", str(connections), *options]
        return run_command(line, {**os.environ, "NO_COLOR": "1"})

    return run


def test_it_shows_what_is_there_and_goes_back_and_forth(stage: Stage, twin: Twin) -> None:
    stage.publish()
    shown = twin("show")
    assert shown.returncode == 0, shown.stderr
    lines = [" ".join(line.split()[:6]) for line in shown.stdout.splitlines()]
    assert lines[1].startswith(f"{stage.names.twin} the twin w {RUN}")
    assert lines[2].startswith(f"{stage.names.prev} the former twin w run-1")
    back = twin("rollback", "--grace", "0")
    assert (back.returncode, stage.which(stage.names.twin)) == (0, "old")
    assert back.stdout == f"'{stage.names.twin}' is now the twin of run-1.\n"
    assert twin("rollback").returncode == 0
    assert stage.which(stage.names.twin) == "new"


def test_a_verified_twin_that_waits_is_published_when_what_held_it_is_gone(stage: Stage, twin: Twin) -> None:
    early = twin("publish")
    assert early.returncode == 2 and "is finished" in early.stderr
    with stage.target.connect(stage.names.twin), pytest.raises(WorkFailedError):
        stage.publish()
    assert "the next twin, verified" in twin("show").stdout
    published = twin("publish", "--grace", "0")
    assert published.returncode == 0, published.stderr
    assert f"the twin of {RUN}; the former one is kept" in published.stdout
    assert stage.which(stage.names.twin) == "new"


def test_without_a_former_twin_it_says_so(stage: Stage, twin: Twin) -> None:
    back = twin("rollback")
    assert back.returncode == 2 and "no former twin" in back.stderr
