"""What the status service may know of connections: their names, whether they are filled in, and when their
certificates expire.

Where it has a user of its own it may not read connections.yaml. appliance-upkeep may, and writes this
down for it, without an address or a secret.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.connections.buckets import BucketConnection
from appliance.connections.database import Connection
from appliance.connections.file import load_connections, unchanged_keys
from appliance.durable import write_file
from appliance.errors import ApplianceError
from appliance.settings.settings import Settings
from appliance.status.facts.certificates import expiries
from appliance.status.report import Certificate

NOTE = "connections-note.json"
"""In the runtime folder."""
FRESH_S = 120.0


class ConnectionNote(BaseModel):
    """Of all connections."""

    model_config = ConfigDict(frozen=True)

    is_there: bool
    states: dict[str, str]
    """``ready`` or ``placeholder``, by name."""
    certificates: tuple[Certificate, ...]


def write_note(settings: Settings) -> None:
    """Write down how the connections are now. Raises OSError."""
    note = ConnectionNote(
        is_there=settings.connections_file.exists(),
        states=connection_states(settings.connections_file, set()),
        certificates=expiries(settings),
    )
    write_file(settings.runtime_dir / NOTE, note.model_dump_json(), durable=False, mode=0o640)


def states_of(settings: Settings, wanted: set[str]) -> dict[str, str]:
    """How ready each connection is that there is or that a workflow names."""
    if not settings.is_split:
        return connection_states(settings.connections_file, wanted)
    note = _read(settings)
    if note is None:
        return {}
    return dict.fromkeys(wanted, "missing" if note.states or not note.is_there else "invalid") | note.states


def connection_states(file: Path, wanted: set[str]) -> dict[str, str]:
    """How ready each connection is that the file has or a workflow names."""
    try:
        found = load_connections(file)
    except ApplianceError:
        return dict.fromkeys(wanted, "invalid" if file.exists() else "missing")
    both: dict[str, Connection | BucketConnection] = {**found, **found.buckets}
    states = {name: "placeholder" if _is_unfilled(each) else "ready" for name, each in both.items()}
    return dict.fromkeys(wanted, "missing") | states


def certificates_of(settings: Settings) -> tuple[Certificate, ...]:
    """Every certificate in use; soonest to expire first."""
    own = expiries(settings, of_connections=not settings.is_split)
    note = _read(settings) if settings.is_split else None
    theirs = note.certificates if note else ()
    by_file = {each.file: each for each in (*theirs, *own)}
    return tuple(sorted(by_file.values(), key=lambda each: each.expires_at))


def _read(settings: Settings) -> ConnectionNote | None:
    path: Path = settings.runtime_dir / NOTE
    with contextlib.suppress(OSError, ValidationError):
        if time.time() - path.stat().st_mtime < FRESH_S:
            return ConnectionNote.model_validate_json(path.read_bytes())
    return None


def _is_unfilled(connection: Connection | BucketConnection) -> bool:
    return bool(unchanged_keys(connection))
