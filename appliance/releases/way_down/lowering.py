"""Turning Airflow's metadata into an older schema: by the newer release, which alone knows the way back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from appliance.errors import Explanation, WorkFailedError

# In a service of its own, without a network: the updater is root, and the databases are another user's.
_OUTSIDE = (
    "systemd-run",
    "--wait",
    "--pipe",
    "--quiet",
    "--collect",
    "--slice=appliance.slice",
    "--property=User=appliance",
    "--property=PrivateNetwork=yes",
    "--property=NoNewPrivileges=yes",
    "--property=RuntimeMaxSec=1800",
)
_SAID_MAX = 400


def perform(python: Path, schema: str, outside: tuple[str, ...] = _OUTSIDE) -> None:
    """Have the release whose ``python`` that is do it. May be done twice. Raises WorkFailedError.

    Each of Airflow's downgrades is done whole or not at all, and one that was cut off is gone on with.
    """
    command = [*outside, str(python), "-I", "-m", "appliance.orchestration.airflow.launch", "lower", schema]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise WorkFailedError(f"{command[0]} cannot be run: {os.strerror(error.errno or 0)}.") from None
    if done.returncode != 0:
        said = Explanation.parsed(done.stderr).what.splitlines() or [""]
        raise WorkFailedError(
            f"Airflow's metadata cannot be turned into the schema {schema}.",
            said[-1][:_SAID_MAX],
            "journalctl -u appliance-update",
        )
