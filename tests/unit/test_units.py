"""The units: all of them are in the one list, and what they share is said once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.system.units import (
    FIREWALL,
    PREPARE,
    REACH,
    SANDBOX,
    SERVICES,
    SLICES,
    STARTED_BY_TIMERS,
    STOP,
    TIMERS,
)

UNITS = Path(__file__).parents[2] / "systemd"
ALL_SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
WITHOUT = {FIREWALL, "appliance-update.service"}
"""They must start whatever is missing: the one keeps others out, the other mends."""


def settings_of(name: str) -> dict[str, list[str]]:
    """What stands under [Service], by key."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_every_unit_is_known_and_held_off_while_a_restore_is_unfinished() -> None:
    firewall = {FIREWALL, *REACH}
    services = set(ALL_SERVICES) - firewall
    assert {PREPARE, *SERVICES, *STARTED_BY_TIMERS} == services
    begun = {path.name for kind in ("timer", "path") for path in UNITS.glob(f"*.{kind}")}
    assert set(TIMERS) == begun - firewall
    assert set(SLICES) == {path.name for path in UNITS.glob("*.slice")}
    pending = "!/var/lib/appliance/restore/pending"
    assert [name for name in services if pending not in (UNITS / name).read_text()] == []
    assert "firewall" not in STOP


@pytest.mark.parametrize("name", ALL_SERVICES)
def test_no_unit_says_what_the_shared_restrictions_say(name: str) -> None:
    """They would win over it: an exception in the unit would not hold, unseen."""
    assert settings_of(name).keys() & settings_of(SANDBOX).keys() == set()


@pytest.mark.parametrize("name", ALL_SERVICES)
def test_no_service_starts_without_the_shared_restrictions(name: str) -> None:
    is_held = f"AssertPathExists=/etc/systemd/system/{SANDBOX}" in (UNITS / name).read_text()
    assert is_held is (name not in WITHOUT)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ALL_SERVICES)
def test_a_unit_is_as_closed_as_what_it_does_allows(name: str) -> None:
    limit = 40 if "docker" in settings_of(name).get("SupplementaryGroups", []) else 20
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={limit}", name]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{UNITS}:"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
