"""Making the diagnostics that the owner asks for on the page, apart from saying how far they are."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import psycopg

from appliance.settings.settings import Settings
from appliance.status.facts.diagnostics_file import BY_HAND, FILE, KIND, LONGEST_S, forget_old, path_of
from appliance.status.facts.reading import Database
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection, connect


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


def _asked_for(db: Connection) -> str | None:
    row = db.execute(
        "SELECT command_id FROM appliance.command WHERE kind = %s AND state = 'received'"
        " AND expires_at > now() ORDER BY received_at DESC LIMIT 1",
        [KIND],
    ).fetchone()
    return str(row["command_id"]) if row else None
