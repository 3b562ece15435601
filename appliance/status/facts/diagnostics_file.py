"""Diagnostics that the owner asks for on the page: as ``appliance diagnostics`` makes them, kept an hour.

Made with the rights of the appliance's user. What only root may read, the journal first of all, says in its
place that it could not be collected.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.settings.settings import Settings
from appliance.store.database import Connection

FILE = "diagnostics.tar.gz"
"""Part of no backup."""
KIND = "diagnostics"
KEPT_S = 3600.0
LONGEST_S = 300.0
BY_HAND = "On the appliance: sudo appliance diagnostics"


def path_of(settings: Settings) -> Path:
    """Where they are: where what works behind the page writes notes for it, else with the state."""
    return (settings.runtime_dir if settings.is_split else settings.state_dir) / FILE


class DiagnosticsShown(BaseModel):
    """How far the newest diagnostics are that were asked for here."""

    model_config = ConfigDict(frozen=True)

    state: Literal["none", "under way", "ready", "failed"]
    made_at: datetime | None = Field(default=None, description="When the file was made.")
    bytes: int | None = Field(default=None, description="How large it is.")
    problem: str | None = Field(default=None, description="Why there is none.")


def diagnostics_shown(settings: Settings, db: Connection) -> DiagnosticsShown:
    """Raises psycopg.Error."""
    row = db.execute(
        "SELECT state, outcome ->> 'problem' AS problem,"
        " received_at < now() - make_interval(secs => %s) AS is_old"
        " FROM appliance.command WHERE kind = %s ORDER BY received_at DESC LIMIT 1",
        [2 * LONGEST_S, KIND],
    ).fetchone()
    if row is None:
        return DiagnosticsShown(state="none")
    if row["state"] in {"received", "accepted"} and not row["is_old"]:
        return DiagnosticsShown(state="under way")
    if row["state"] in {"received", "accepted"}:
        problem = f"They were asked for, and nothing was heard of them any more. {BY_HAND}"
        return DiagnosticsShown(state="failed", problem=problem)
    if row["state"] == "failed":
        return DiagnosticsShown(state="failed", problem=row["problem"])
    with contextlib.suppress(OSError):
        found = path_of(settings).stat()
        made_at = datetime.fromtimestamp(found.st_mtime, UTC)
        return DiagnosticsShown(state="ready", made_at=made_at, bytes=found.st_size)
    return DiagnosticsShown(state="none")


def forget_old(settings: Settings) -> None:
    """Delete the file once it is old."""
    path = path_of(settings)
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > KEPT_S:
            path.unlink()
