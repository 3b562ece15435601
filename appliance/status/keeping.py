"""``python -m appliance.status.keeping``: what needs the appliance's rights, out of every network's reach.

The status service, which speaks to the cloud, has a user of its own and few rights. Here runs are started
and cancelled as the dashboard asks, once policy has been asked here, the disk is watched, run state kept
true, and connections described without their secrets.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable

import psycopg

from appliance.cloud.commands import CloudCommands
from appliance.cloud.wanted_release import WantedRelease
from appliance.data_users.desk import OwnDesk
from appliance.data_users.far_desk import DeskKeeper
from appliance.errors import ApplianceError
from appliance.settings.settings import Settings, load_settings
from appliance.status.disk_watch import DiskWatch
from appliance.status.facts.connection_notes import write_note
from appliance.status.facts.diagnostics_making import DiagnosticsRequests
from appliance.status.facts.exports_shown import write_exports_note
from appliance.status.facts.log_ends import write_log_ends
from appliance.status.facts.reading import Database
from appliance.status.reconcile_loop import ReconcileLoop
from appliance.store.database import Connection, connect
from appliance.supervision.upkeep_mark import MARK

RUNS = ("run", "cancel", "scan", "plan", "test", "branch", "rehearse")
"""The commands that are done here, near connections and scheduler; the status service does the others."""
TURN_S = 1.0
NOTE_EVERY_S = 10.0


class RunCommands:
    """Works off the commands that start and cancel runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._commands = CloudCommands(settings, WantedRelease(settings), kinds=RUNS)
        self._db: Connection | None = None

    def turn(self) -> None:
        """Do what is open. Raises nothing that was foreseen."""
        try:
            if self._db is None or self._db.closed:
                self._db = connect(self._settings.database_url)
            self._commands.work(self._db, lambda: None)
        except psycopg.Error:
            if self._db is not None:
                with contextlib.suppress(psycopg.Error):
                    self._db.close()
            self._db = None


class LogEnds:
    """Writes down the ends of the logs of what runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database_url)

    def turn(self) -> None:
        """Write them down. Raises nothing that was foreseen."""
        with contextlib.suppress(OSError, psycopg.Error):
            self._database.ask(lambda db: write_log_ends(self._settings, db))


class Notes:
    """Writes the notes about connections and exports now and then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next = 0.0

    def turn(self) -> None:
        """Write it if it is time. Raises nothing that was foreseen."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + NOTE_EVERY_S
            for write in (write_note, write_exports_note):
                with contextlib.suppress(OSError, ApplianceError):
                    write(self._settings)


def keep(settings: Settings, stop: threading.Event) -> None:
    """Work until asked to stop. Each turn that came to its end is marked, for the supervisor to see."""
    DiskWatch(settings).background.start()
    ReconcileLoop(settings).background.start()
    with contextlib.suppress(OSError):
        DeskKeeper(settings, OwnDesk(settings)).start()
    turns: tuple[Callable[[], None], ...] = (
        RunCommands(settings).turn,
        Notes(settings).turn,
        LogEnds(settings).turn,
        DiagnosticsRequests(settings).turn,
    )
    while not stop.wait(TURN_S):
        for turn in turns:
            turn()
        with contextlib.suppress(OSError):
            (settings.runtime_dir / MARK).touch(mode=0o640)


def main() -> int:
    """Read the settings and work until ended; the exit status."""
    try:
        settings = load_settings()
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keep(settings, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
