"""How the tests share the cores, and how they tell of failures.

Whole groups go to one worker, so that what they start is started once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine and its other work, not of the code.
settings.register_profile("appliance", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("appliance")

pytest_plugins = ["tests.containers.appliance_fixtures"]
"""Tests of two folders share one appliance; whoever uses it is of the group ``containers``."""

TESTS = Path(__file__).parent
TOGETHER = ("vm", "containers", "browser")
"""Each of these starts something big (a host with systemd, Airflow, Chromium) that all its tests use."""
ORDER = (*TOGETHER, "cloud", "engine", "dashboard", "unit")
"""What takes longest begins first, so that at the end no core waits for one long group on another."""

LINES_OF_A_FAILURE = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file, or each of the big folders, on one worker; an explicit mark wins."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            place = item.path.relative_to(TESTS)
            group = place.parts[0] if place.parts[0] in TOGETHER else str(place)
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Show a failure when it happens: a run that is cut short has then said what was wrong."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        last = report.longreprtext.strip().splitlines()[-LINES_OF_A_FAILURE:]
        print(f"\n-- {report.nodeid}, {report.when}:", *last, sep="\n", flush=True)  # noqa: T201


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return ORDER.index(folder) if folder in ORDER else len(ORDER)
