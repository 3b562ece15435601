"""On which connections' servers branches stand: what ends them by itself looks there, and at no other server.

One empty file a connection, in ``branches/`` of the state folder. A file too many costs one look.
"""

from __future__ import annotations

from pathlib import Path

from appliance.durable import write_file
from appliance.system.beneath import as_owner_of

FOLDER = "branches"


def remember(state_dir: Path, connection: str) -> bool:
    """Note that a branch is being made there; False where this user may not write to the state folder."""
    if not state_dir.is_dir():
        return False
    try:
        with as_owner_of(state_dir):
            folder = state_dir / FOLDER
            folder.mkdir(mode=0o700, exist_ok=True)
            write_file(folder / connection, b"", durable=True, mode=0o600)
    except OSError:
        return False
    return True


def remembered(state_dir: Path) -> list[str]:
    """The connections, by name."""
    folder = state_dir / FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def forget(state_dir: Path, connection: str) -> None:
    """There is no branch left on its server. Raises OSError."""
    with as_owner_of(state_dir):
        (state_dir / FOLDER / connection).unlink(missing_ok=True)
