"""Entries in systemd's journal about what happened to a run, in fields that it can be searched by.

Names and states only: what an error says is for the run's own log, which is scrubbed. Where there is no
journal, as in a container, nothing is sent. No caller waits for it.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Literal

SOCKET = Path("/run/systemd/journal/socket")
Weight = Literal["info", "warning", "error"]
_PRIORITY: dict[Weight, int] = {"error": 3, "warning": 4, "info": 6}


def tell(
    message: str,
    *,
    run: str,
    workflow: str,
    weight: Weight = "info",
    step: str | None = None,
    state: str | None = None,
) -> None:
    """One entry, with ``APPLIANCE_RUN``, ``APPLIANCE_WORKFLOW`` and what else is known as fields."""
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(_PRIORITY[weight]),
        "SYSLOG_IDENTIFIER": "appliance",
        "APPLIANCE_RUN": run,
        "APPLIANCE_WORKFLOW": workflow,
        "APPLIANCE_STEP": step,
        "APPLIANCE_STATE": state,
    }
    entry = b"".join(_field(name, value) for name, value in fields.items() if value is not None)
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)
        sending.sendto(entry, str(SOCKET))


def _field(name: str, value: str) -> bytes:
    """As the journal takes it: with its length before it, whatever stands in it."""
    data = value.encode(errors="replace")
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
