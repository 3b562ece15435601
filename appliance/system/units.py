"""The appliance's systemd units, by name: the one list for the deploy, updates, restores and diagnostics."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

UNIT_FOLDER = "/etc/systemd/system"
SLICES = ("appliance.slice", "appliance-services.slice", "appliance-steps.slice")
PREPARE = "appliance-prepare.service"
SERVICES = (
    "appliance-api-server.service",
    "appliance-dag-processor.service",
    "appliance-scheduler.service",
    "appliance-upkeep.service",
    "appliance-status.service",
)
"""In the order in which they start, after PREPARE."""
TIMERS = (
    "appliance-branches.timer",
    "appliance-cleanup.timer",
    "appliance-fetch.timer",
    "appliance-fetch.path",
    "appliance-expiry.timer",
    "appliance-reaper.timer",
    "appliance-update.timer",
    "appliance-update.path",
    "appliance-watch.path",
)
STARTED_BY_TIMERS = (
    "appliance-branches.service",
    "appliance-cleanup.service",
    "appliance-fetch.service",
    "appliance-expiry.service",
    "appliance-probe.service",
    "appliance-reaper.service",
    "appliance-update.service",
    "appliance-watch.service",
)
USERS = ("appliance", "appliance-status")
"""As which they run, but for those that are root's."""
FIREWALL = "appliance-firewall.service"
REACH = ("appliance-reach.service", "appliance-reach.path")
"""What lets steps through the firewall; both come and go with it."""
SANDBOX = "appliance-.service.d/50-sandbox.conf"
"""The drop-in that systemd reads for every service here."""
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
