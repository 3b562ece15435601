"""The note of the last backup that was written on this machine, for the status page."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.durable import write_file
from appliance.system.beneath import as_owner_of

_NOTE = "last-backup.json"
"""In the state's folder; part of no backup."""


class LastBackup(BaseModel):
    """A backup that was written; whether the file is still there is not known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    file: str
    bytes: int
    release: str


def note_backup(state_dir: Path, backup: LastBackup) -> None:
    """Write it down. Raises OSError."""
    with as_owner_of(state_dir):
        write_file(state_dir / _NOTE, backup.model_dump_json() + "\n", durable=False, mode=0o640)


def last_backup(state_dir: Path) -> LastBackup | None:
    """The last one; None where none is known."""
    with contextlib.suppress(OSError, ValidationError):
        return LastBackup.model_validate_json((state_dir / _NOTE).read_bytes())
    return None
