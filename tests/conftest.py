"""How the tests share the cores: whole groups go to one worker, so that what they start is started once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine and its other work, not of the code.
settings.register_profile("appliance", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("appliance")

TESTS = Path(__file__).parent
TOGETHER = ("vm", "containers", "browser")
"""Each of these starts something big (a host with systemd, Airflow, Chromium) that all its tests use."""
ORDER = (*TOGETHER, "cloud", "engine", "dashboard", "unit")
"""What takes longest begins first, so that at the end no core waits for one long group on another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file, or each of the big folders, on one worker; an explicit mark wins."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            place = item.path.relative_to(TESTS)
            group = place.parts[0] if place.parts[0] in TOGETHER else str(place)
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return ORDER.index(folder) if folder in ORDER else len(ORDER)
