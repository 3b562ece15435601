"""systemd's notification protocol (sd_notify(3)): datagrams of KEY=VALUE lines to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> None:
    """Tell systemd. Does nothing where no one listens, as when the program is started by hand."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(lines).encode(), address)


def watchdog_seconds(default: float) -> float:
    """How often systemd wants to hear of proven work, in seconds; ``default`` where it did not say."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1_000_000 if microseconds.isdigit() else default
