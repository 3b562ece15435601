"""Copies of what a way down has lost: Airflow's metadata as it was under the newer release, as SQL.

``kept/VERSION-TIME.sql`` in the folder of the update's state, which only root reads.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.durable import sync_folder

FOLDER = "kept"
KEPT_MAX = 3


def place_for(state: Path, version: str, now: datetime) -> Path:
    """Where a copy of what this release has written goes. Raises OSError."""
    folder = state / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"airflow-of-{version}-{now:%Y%m%dT%H%M%SZ}.sql"


def keep(state: Path, copy: Path, version: str, now: datetime) -> Path | None:
    """Keep the copy that a move was begun with; where it is now. None where it was kept before.

    Raises OSError.
    """
    if not copy.exists():
        return None
    place = place_for(state, version, now)
    copy.rename(place)
    sync_folder(place.parent)
    drop_older(state)
    return place


def drop_older(state: Path) -> None:
    """Let go of all but the last few. Raises OSError."""
    for older in kept(state)[KEPT_MAX:]:
        older.unlink(missing_ok=True)


def kept(state: Path) -> list[Path]:
    """The copies that are kept, the newest first."""
    found = (state / FOLDER).glob("airflow-of-*.sql")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
