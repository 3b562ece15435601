"""The scrubber that knows this appliance's connections: their passwords, and whom and where they lead to.

Anyone who adds an event to the outbox and may read connections.yaml scrubs with it there and then. The status
service, which sends the events, may not read that file, and needs to know no secret but its own.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from appliance.connections import Connections, load_connections
from appliance.errors import ApplianceError
from appliance.password_command import printed_passwords
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import load_settings


def scrubber_of(file: Path, *secrets: str) -> Scrubber:
    """One that knows every secret of the connections, and whom and where they lead to."""
    try:
        known = load_connections(file)
    except (ApplianceError, OSError):
        known = Connections()
    found, buckets = list(known.values()), known.buckets.values()
    return Scrubber(
        [
            *(each.password.get_secret_value() for each in found),
            *(secret for each in buckets for secret in each.secrets),
            *printed_passwords(),
            *secrets,
        ],
        [name for each in found for name in (each.host, each.user) if not each.host.startswith("/")],
    )


def own_scrubber() -> Scrubber:
    """The same for the connections of this process's settings, as they are now."""
    file = _own_file()
    try:
        status = file.stat()
    except OSError:
        return _plain()
    return _kept(file, status.st_mtime_ns, status.st_size, status.st_ino, printed_passwords())


@lru_cache(maxsize=1)
def _own_file() -> Path:
    try:
        return load_settings().connections_file
    except ApplianceError:
        return Path("/nowhere")


@lru_cache(maxsize=1)
def _plain() -> Scrubber:
    return Scrubber()


@lru_cache(maxsize=1)
def _kept(
    file: Path,
    mtime_ns: int,  # noqa: ARG001 - these make it read afresh
    size: int,  # noqa: ARG001
    inode: int,  # noqa: ARG001
    printed: tuple[str, ...],  # noqa: ARG001
) -> Scrubber:
    return scrubber_of(file)
