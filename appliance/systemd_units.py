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
    "appliance-status.service",
)
TIMERS = (
    "appliance-cleanup.timer",
    "appliance-reaper.timer",
    "appliance-update.timer",
    "appliance-update.path",
)
STOP = "sudo systemctl stop 'appliance-*.timer' 'appliance-*.path' 'appliance-*.service' --all"
START = f"sudo systemctl start {' '.join((PREPARE, *SERVICES, *TIMERS))}"
_TIMEOUT_S = 20


def active_units() -> list[str]:
    """Those of them that run now; none where there is no systemd."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        return []
    names = [PREPARE, *SERVICES, *TIMERS]
    done = subprocess.run(  # noqa: S603
        [systemctl, "is-active", *names], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    states = done.stdout.split("\n")
    busy = ("active", "activating", "reloading", "deactivating")
    # What prepared the databases and ended counts as active, and is in nobody's way.
    return [name for name, state in zip(names, states, strict=False) if state in busy and name != PREPARE]
