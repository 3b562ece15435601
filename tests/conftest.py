"""How the tests share the cores, and how they tell of failures.

Whole groups go to one worker, so that what they start is started once.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine and its other work, not of the code.
settings.register_profile("appliance", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("appliance")

# Modules and tests stay to the end: looking through them for garbage time and again finds none.
gc.set_threshold(50_000, 20, 20)

pytest_plugins = ["tests.containers.appliance_fixtures", "tests.containers.handover_rig"]
"""Fixtures that tests of several folders use."""

TESTS = Path(__file__).parent
TOGETHER = ("vm", "containers", "browser")
"""Each of these starts something big (a host with systemd, Airflow, Chromium) that all its tests use."""
ELSEWHERE = {"containers/test_demo.py": "demo", "vm/test_6_debian12.py": "debian12"}
"""Files that use nothing of what their folder's other tests share."""
FIRST = ("unit/test_airflow_patches.py", "unit/test_on_demand_executor.py", "unit/test_workflow_document.py")
"""The longest of the folder that comes last."""
LAST = ("containers/test_journey.py",)
"""Files that set what they share with others up anew."""
ORDER = (*TOGETHER, "debian12", "cloud", "demo", "engine", "dashboard", "project", "unit")
"""What takes longest begins first, so that at the end no core waits for one long group on another.

Images and bundles are made one at a time: the second host and the demo begin when the others have theirs.
"""

NEEDS: dict[str, tuple[str, ...]] = {
    "project": ("packages",),
    "dashboard": ("postgres",),
    "cloud": ("postgres",),
    "engine": ("postgres",),
    "containers": ("docker",),
    "browser": ("docker", "browser"),
    "vm": ("docker", "root"),
}
"""The marks of each folder: what its tests need of the machine. A folder that is not here needs nothing."""

LINES_OF_A_FAILURE = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs, and begin with what takes longest."""
    for item in items:
        for need in NEEDS.get(item.path.relative_to(TESTS).parts[0], ()):
            item.add_marker(need)
    items.sort(key=lambda item: _turn(item.path.relative_to(TESTS)))


def pytest_collection_finish() -> None:
    """What is there now stays."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file, or each of the big folders, on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(Path(nodeid.split("::", maxsplit=1)[0]).relative_to(TESTS.name))

    return ByGroup(config, log)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Show a failure when it happens: a run that is cut short has then said what was wrong."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        last = report.longreprtext.strip().splitlines()[-LINES_OF_A_FAILURE:]
        print(f"\n-- {report.nodeid}, {report.when}:", *last, sep="\n", flush=True)  # noqa: T201


def _group(path: Path) -> str:
    folder = path.parts[0]
    return ELSEWHERE.get(path.as_posix()) or (folder if folder in TOGETHER else path.as_posix())


def _turn(path: Path) -> tuple[int, bool, bool]:
    name = path.as_posix()
    part = ELSEWHERE.get(name) or path.parts[0]
    return ORDER.index(part) if part in ORDER else len(ORDER), name not in FIRST, name in LAST
