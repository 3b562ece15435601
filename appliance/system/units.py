"""The appliance's systemd units, by name: the one list for the deploy, updates, restores and diagnostics."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

UNIT_FOLDER = "/etc/systemd/system"
SLICES = ("appliance.slice", "appliance-services.slice", "appliance-steps.slice")
PREPARE = "appliance-prepare.service"
REAPER = "appliance-reaper.service"
UPDATE = "appliance-update.service"
API_SERVER = "appliance-api-server.service"
SCHEDULER = "appliance-scheduler.service"
SERVICES = (
    API_SERVER,
    SCHEDULER,
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
_BESIDE = f"X-BeginsBeside={API_SERVER}"
_FIRST_WITHIN_S, _FIRST_POLL_S = 30.0, 0.2
"""So long the others wait for these two. Where that takes longer, they begin beside them."""


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


def begins_beside_the_api_server(folder: Path = Path(UNIT_FOLDER)) -> bool:
    """Whether the scheduler of this release says that it may; one from before would begin tasks too early."""
    try:
        return _BESIDE in (folder / SCHEDULER).read_text(encoding="utf-8").splitlines()
    except OSError:
        return False


def start_scheduler_first() -> None:
    """Have all the processor's time go into the scheduler and the api-server, and wait for both.

    What does not start is started again by systemd, and missed by those who wait for its proof.
    """
    _ask(["systemctl", "start", PREPARE])
    # The order in which they stop, and start at a boot, is left as it is.
    beside = ["--no-block", "--job-mode=ignore-dependencies"]
    _ask(["systemctl", "start", *beside, API_SERVER, SCHEDULER])
    give_up = time.monotonic() + _FIRST_WITHIN_S
    while time.monotonic() < give_up:
        states = _ask(["systemctl", "show", "--property=SubState", "--value", API_SERVER, SCHEDULER]).split()
        # For one that has ended, and is to be started again, no other waits.
        if "start" not in states or "auto-restart" in states:
            return
        time.sleep(_FIRST_POLL_S)


def _ask(command: list[str]) -> str:
    """What it says; nothing where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout.strip()
