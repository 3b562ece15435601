"""``appliance policy check`` says beforehand what policy would say to a workflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.example_documents import workflow

POLICY = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "etc" / "workflows").mkdir(parents=True)
    (tmp_path / "state" / "workflows").mkdir(parents=True)
    (tmp_path / "appliance.yaml").write_text(f"config_dir: {tmp_path}/etc\nstate_dir: {tmp_path}/state\n")
    (tmp_path / "etc" / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    return tmp_path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", "policy", "check", *arguments],
        env={"APPLIANCE_CONFIG": str(folder / "appliance.yaml"), "PATH": "/usr/bin:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def write(path: Path, **changes: Any) -> Path:
    document = workflow(**changes).model_dump(mode="json", exclude_unset=True)
    path.write_text(yaml.safe_dump(document))
    return path


def test_what_policy_allows_is_said_with_the_policy_that_was_asked(folder: Path) -> None:
    done = check(folder, str(write(folder / "mine.yaml")))
    assert done.returncode == 0, done.stderr
    assert "nothing in" in done.stdout and "policy.yaml" in done.stdout


def test_every_rule_that_is_broken_is_named_and_the_exit_status_is_3(folder: Path) -> None:
    path = write(folder / "mine.yaml", source="hr", deliver=[{"twin": {"connection": "attic"}}])
    done = check(folder, str(path))
    assert done.returncode == 3 and done.stdout == ""
    assert "(policy rule read)" in done.stderr and "(policy rule write)" in done.stderr


def test_a_file_is_judged_as_if_the_dashboard_had_sent_it_where_that_is_asked(folder: Path) -> None:
    path = write(folder / "mine.yaml", rows={"public.person": {"where": "true"}})
    assert check(folder, str(path)).returncode == 0
    done = check(folder, str(path), "--from-cloud")
    assert done.returncode == 3 and "(policy rule sql_from_cloud)" in done.stderr


def test_a_workflow_that_is_here_is_named_by_its_id_and_judged_by_where_it_came_from(folder: Path) -> None:
    sent = workflow(rows={"public.person": {"where": "true"}})
    text = sent.model_dump_json(exclude_unset=True)
    (folder / "state" / "workflows" / f"{sent.id}.json").write_text(text)
    done = check(folder, sent.id)
    assert done.returncode == 3 and "(policy rule sql_from_cloud)" in done.stderr
    unknown = check(folder, "no-such-workflow")
    assert unknown.returncode == 2 and "There is no workflow" in unknown.stderr


def test_another_policy_can_be_tried(folder: Path) -> None:
    stricter = folder / "stricter.yaml"
    stricter.write_text("read: []\n")
    done = check(folder, str(write(folder / "mine.yaml")), "--policy", str(stricter))
    assert done.returncode == 3 and "(policy rule read)" in done.stderr
    stricter.write_text("raed: []\n")
    wrong = check(folder, str(write(folder / "mine.yaml")), "--policy", str(stricter))
    assert wrong.returncode == 2 and "did you mean read?" in wrong.stderr
