"""The appliance's systemd units, by name, for whoever looks at them or says how to stop and start them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PREPARE = "appliance-prepare.service"
SERVICES = (
    "appliance-api-server.service",
    "appliance-dag-processor.service",
    "appliance-scheduler.service",
    "appliance-upkeep.service",
    "appliance-status.service",
)
TIMERS = (
    "appliance-cleanup.timer",
    "appliance-reaper.timer",
    "appliance-update.timer",
    "appliance-update.path",
)
STARTED_BY_TIMERS = ("appliance-cleanup.service", "appliance-reaper.service", "appliance-update.service")
STOP = f"sudo systemctl stop {' '.join((*TIMERS, *STARTED_BY_TIMERS, *reversed(SERVICES), PREPARE))}"
"""All but the firewall, whose rules go when it is stopped."""
START = f"sudo systemctl start {' '.join((PREPARE, *SERVICES, *TIMERS))}"
_TIMEOUT_S = 20


def active_units() -> list[str]:
    """Those of them that run now; none where there is no systemd."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        return []
    names = [*SERVICES, *TIMERS, *STARTED_BY_TIMERS]
    done = subprocess.run(  # noqa: S603
        [systemctl, "is-active", *names], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    states = done.stdout.split("\n")
    busy = ("active", "activating", "reloading", "deactivating")
    return [name for name, state in zip(names, states, strict=False) if state in busy]
