"""Diagnostics that the owner asks for on the page: as ``appliance diagnostics`` makes them, kept an hour.

Made with the rights of the appliance's user. What only root may read, the journal first of all, says in its
place that it could not be collected.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psycopg
from pydantic import BaseModel, ConfigDict, Field

from appliance.settings.settings import Settings
from appliance.status.facts.reading import Database
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection, connect

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


class Making:
    """The process that makes them. It has memory of its own, for what it collects is large."""

    def __init__(self, settings: Settings, command_id: str) -> None:
        self.command_id = command_id
        self._path = path_of(settings)
        self._fresh = self._path.with_name(f".{FILE}.fresh")
        self._fresh.unlink(missing_ok=True)
        self._until = time.monotonic() + LONGEST_S
        program = [sys.executable, "-m", "appliance", "diagnostics", "--yes", "--output", str(self._fresh)]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def outcome(self) -> Settled | None:
        """What became of it; None while it is under way."""
        ended = self._process.poll()
        if ended is None and time.monotonic() < self._until:
            return None
        if ended is None:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError):
            if ended == 0:
                self._fresh.chmod(0o640)
                self._fresh.rename(self._path)
                return Settled("done")
        self._fresh.unlink(missing_ok=True)
        why = "It took too long." if ended is None else f"It ended with the exit status {ended}."
        return Settled("failed", problem=f"No diagnostics could be made. {why} {BY_HAND}")


class DiagnosticsRequests:
    """Makes them where they are asked for, one after the other, and deletes the file after an hour."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._making: Making | None = None
        self._database = Database(settings.database_url)

    def turn(self) -> None:
        """Begin, or look how far it is. Raises nothing that was foreseen."""
        forget_old(self._settings)
        with contextlib.suppress(OSError, psycopg.Error):
            if self._making is None:
                wanted = self._database.ask(_asked_for)
                self._making = Making(self._settings, wanted) if wanted else None
            elif outcome := self._making.outcome():
                with connect(self._settings.database_url) as db:
                    finish_command(db, self._making.command_id, outcome)
                self._making = None


def make_here(settings: Settings, command_id: str) -> None:
    """Make them behind the page, where no other process works for it."""

    def make() -> None:
        try:
            making = Making(settings, command_id)
            while (outcome := making.outcome()) is None:
                time.sleep(0.2)
        except OSError as error:
            why = error.strerror or type(error).__name__
            outcome = Settled("failed", problem=f"No diagnostics could be made: {why}. {BY_HAND}")
        with contextlib.suppress(psycopg.Error), connect(settings.database_url) as db:
            finish_command(db, command_id, outcome)

    threading.Thread(target=make, name="diagnostics", daemon=True).start()


def forget_old(settings: Settings) -> None:
    """Delete the file once it is old."""
    path = path_of(settings)
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > KEPT_S:
            path.unlink()


def _asked_for(db: Connection) -> str | None:
    row = db.execute(
        "SELECT command_id FROM appliance.command WHERE kind = %s AND state = 'received'"
        " AND expires_at > now() ORDER BY received_at DESC LIMIT 1",
        [KIND],
    ).fetchone()
    return str(row["command_id"]) if row else None
