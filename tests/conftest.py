"""How the tests share the cores: whole groups go to one worker, so that what they start is started once."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOGETHER = {"containers", "vm", "browser"}
"""Each of these starts something big (Airflow, a host with systemd, Chromium) that all its tests use."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file, or each of the big folders, on one worker; an explicit mark wins."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            place = item.path.relative_to(TESTS)
            group = place.parts[0] if place.parts[0] in TOGETHER else str(place)
            item.add_marker(pytest.mark.xdist_group(group))
