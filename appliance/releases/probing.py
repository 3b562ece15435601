"""The probe of a release that was switched to: a unit of its own performs it, and answers in a file.

``probe.json``: {"version", "why"}, in the folder where the updater is asked and answers. That folder belongs
to a less trusted user than the one that this code runs as: no link in it is followed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.releases.wanted import opened_folder, read_plain_file
from appliance.system.postgres_programs import ask

UNIT = "appliance-probe.service"
ANSWER = "probe.json"
WITHIN_S = 600.0
"""Longer than the unit's own limit."""
CONTACT_WITHIN_S = 120.0
"""Heartbeats come once a minute, and the first one at the start."""
RECENTLY_MIN = 10
_POLL_S = 1.0
_ASK_WITHIN_S = 20.0
_IN_CONTACT = (
    "SELECT coalesce(bool_or(last_contact_at > now() - interval '{minutes} minutes'), false)"
    " FROM appliance.reporting"
)
_SINCE = (
    "SELECT CASE WHEN last_contact_at > to_timestamp({since}) THEN 'yes'"
    " ELSE coalesce(problem, 'no heartbeat was answered') END FROM appliance.reporting"
)
_YES = "yes"
_REACHED = 0
# Outside of the updater's sandbox, which has no network; as the user that speaks to the dashboard.
_OUTSIDE = ("systemd-run", "--wait", "--quiet", "--collect", "--property=RuntimeMaxSec=60")


class Proof(BaseModel):
    """What a probe came to; ``why`` it failed is empty where it did not."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    version: str = Field(max_length=100)
    why: str = Field(default="", max_length=4000)


def perform(version: str, folder: Path) -> str:
    """Have the unit probe the release that runs, from the beginning; why it fails, empty where it does not.

    What an interrupted probe has left is removed by the next.
    """
    _systemctl("stop", UNIT)
    with contextlib.suppress(OSError), opened_folder(folder) as where:
        os.unlink(ANSWER, dir_fd=where)
    try:
        code = _systemctl("start", UNIT)
    finally:
        _systemctl("reset-failed", UNIT)
    proof = _read(folder)
    if proof is None or proof.version != version:
        return f"The probe ended without an answer (systemctl {code}): journalctl -u {UNIT}"
    return proof.why


def in_contact(database_url: str) -> bool:
    """Whether the dashboard has answered within the last minutes."""
    sql = _IN_CONTACT.format(minutes=RECENTLY_MIN)
    return ask(database_url, sql, within_s=_ASK_WITHIN_S) == "t"


def lost_contact(database_url: str, since: datetime, python: Path) -> str:
    """Wait for the dashboard's first answer since then; else why there is none, if that is the release's.

    A dashboard that the former release (whose ``python`` that is) does not reach now either is no release's
    fault.
    """
    give_up = time.monotonic() + CONTACT_WITHIN_S
    said = ""
    while time.monotonic() < give_up:
        said = (
            ask(database_url, _SINCE.format(since=f"{since.timestamp():.3f}"), within_s=_ASK_WITHIN_S) or ""
        )
        if said == _YES:
            return ""
        time.sleep(_POLL_S)
    return said if said and _is_there(python) else ""


def _is_there(python: Path) -> bool:
    command = [
        *_OUTSIDE,
        "--property=User=appliance-status",
        "--property=EnvironmentFile=-/etc/appliance/status.env",
    ]
    command += ["--property=EnvironmentFile=-/etc/appliance/proxy.env"]
    command += [str(python), "-I", "-m", "appliance.cloud.reaching"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == _REACHED  # noqa: S603
    except OSError:
        return False


def _read(folder: Path) -> Proof | None:
    with contextlib.suppress(OSError, ValidationError), opened_folder(folder) as where:
        return Proof.model_validate_json(read_plain_file(where, ANSWER) or b"")
    return None


def _systemctl(verb: str, unit: str) -> int:
    try:
        done = subprocess.run(  # noqa: S603
            ["systemctl", verb, unit],  # noqa: S607
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode
