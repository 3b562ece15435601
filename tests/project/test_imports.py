"""Imports point the way the design says, and a wrong one would be noticed."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).parent / "lint-imports"


def lint(config: Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--no-cache", "--no-logo", "--config", config],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )


def test_every_import_points_the_way_the_design_says() -> None:
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


def test_no_imports_go_round_in_a_circle() -> None:
    graph = grimp.build_graph("appliance", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_an_import_that_points_the_other_way_is_noticed(tmp_path: Path) -> None:
    for package in ("appliance", "provisioning"):
        for source in (ROOT / package).rglob("*.py"):
            copied = tmp_path / source.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(source.read_bytes())
    document = tmp_path / "appliance" / "workflow" / "document.py"
    document.write_text("import airflow\nimport appliance.steps.calling.context\n" + document.read_text())
    done = lint(ROOT / "pyproject.toml", tmp_path)
    assert done.returncode == 1
    assert "Imports point one way BROKEN" in done.stdout
    assert "Airflow stays under orchestration BROKEN" in done.stdout
