"""A release whose steps cannot begin is refused before anything is changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from appliance.errors import WorkFailedError
from appliance.releases.step_probe import STEPS, check_steps
from appliance.steps.calling.call import STEPS as ALL_STEPS
from appliance.steps.calling.call import from_arguments


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker program that ends as its file says for each image and writes down what it was called with."""
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nfor word; do\n'
        f'  [ -e {tmp_path}/"$word" ] && exit $(cat {tmp_path}/"$word")\ndone\nexit 2\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_steps_that_get_as_far_as_missing_their_run_are_enough(engine: Path) -> None:
    check_steps(["appliance-step:2.0", "appliance-step-parquet:2.0"])
    called = (engine / "called").read_text().splitlines()
    assert len(called) == 2 * len(STEPS)
    for line in called:
        assert "--network=none" in line and "--cap-drop=ALL" in line and "--pull=never" in line
        call, paths = from_arguments(re.split(r"appliance-step\S*:2\.0 ", line)[1].split())
        assert call.step in ALL_STEPS and not paths.run_dir.exists()


@pytest.mark.parametrize("code", [0, 1, 125, 137])
def test_a_step_that_ends_otherwise_is_named(code: int, engine: Path) -> None:
    (engine / "verify").write_text(str(code))
    with pytest.raises(WorkFailedError) as refused:
        check_steps(["appliance-step:2.0"])
    assert refused.value.why == f"verify in appliance-step:2.0 (exit code {code})."


def test_an_engine_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkFailedError, match="cannot begin"):
        check_steps(["appliance-step:2.0"])
