"""The appliance's systemd units, by name: the one list for the deploy, updates, restores and diagnostics."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

UNIT_FOLDER = "/etc/systemd/system"
SLICES = ("appliance.slice", "appliance-services.slice", "appliance-steps.slice")
PREPARE = "appliance-prepare.service"
REAPER = "appliance-reaper.service"
UPDATE = "appliance-update.service"
SERVICES = (
    "appliance-api-server.service",
    "appliance-scheduler.service",
    "appliance-dag-processor.service",
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
    REAPER,
    UPDATE,
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


def start_unit(name: str, *, wait: bool = False) -> None:
    """Have systemd start a unit. Where it cannot, a timer or the next boot does."""
    _ask(["systemctl", "start", *([] if wait else ["--no-block"]), name])


def start_again(name: str) -> None:
    """Have systemd start a unit as soon as it has ended, where it runs now; else at once."""
    # A start that is under way swallows another one; a unit that is ordered behind it waits for its end.
    behind = ["systemd-run", "--no-block", "--quiet", "--collect", f"--property=After={name}"]
    _ask([*behind, "systemctl", "start", "--no-block", name])


def _ask(command: list[str]) -> None:
    with contextlib.suppress(OSError):
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603
