"""Whether this machine is fit for a release: its own preflight says so, before anything is stopped for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from appliance.errors import WorkFailed

# In a service of its own: the updater's sees neither the network nor the kernel as they are.
_OUTSIDE = ("systemd-run", "--wait", "--pipe", "--quiet", "--collect")
_CHECK_FAILED = 1


def check_fitness(release: Path) -> None:
    """Run the preflight that a release brings. Raises WorkFailed with what fails; warnings are none.

    A release from before there was a preflight, or one that cannot be asked, is not held up.
    """
    command = [*_OUTSIDE, str(release / "venv" / "bin" / "appliance"), "preflight", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return
    unfit = failures_in(done.stdout) if done.returncode == _CHECK_FAILED else []
    if unfit:
        raise WorkFailed(
            f"This machine is not fit for {release.name}.", " ".join(unfit), "sudo appliance preflight"
        )


def failures_in(told: str) -> list[str]:
    """What ``preflight --json`` says of the checks that fail."""
    try:
        findings = json.loads(told)["findings"]
        return [f"{each['check']}: {each['what']}" for each in findings if each["state"] == "fail"]
    except (ValueError, KeyError, TypeError):
        return []
