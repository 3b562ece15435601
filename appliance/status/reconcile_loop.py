"""What the status service does by itself, in one thread: keeps run state true."""

from __future__ import annotations

import contextlib
import threading

import psycopg

from appliance.errors import ApplianceError
from appliance.orchestration.reconcile import reconcile
from appliance.settings.settings import Settings
from appliance.store.database import Connection, connect, migrate
from appliance.store.runs import RunStore

BUSY_EVERY_S = 2.0
IDLE_EVERY_S = 5.0
AWAY_EVERY_S = 10.0


class Upkeep:
    """Start it once; it ends with the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = RunStore(settings.database_url)
        self._airflow: Connection | None = None
        self._migrated = False
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin, in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="upkeep", daemon=True).start()

    def stop(self) -> None:
        """End after the current look."""
        self._stop.set()

    def look(self) -> float:
        """Reconcile once; in how many seconds to look again."""
        try:
            if not self._migrated:
                migrate(self._settings.database_url)
                self._migrated = True
            if self._airflow is None or self._airflow.closed:
                self._airflow = connect(self._settings.airflow_database_url, read_only=True)
            busy = reconcile(self._store, self._airflow, self._settings.state_dir)
            return BUSY_EVERY_S if busy else IDLE_EVERY_S
        except (psycopg.Error, ApplianceError):
            self._store.close()
            if self._airflow is not None:
                with contextlib.suppress(psycopg.Error):
                    self._airflow.close()
                self._airflow = None
            return AWAY_EVERY_S

    def _run(self) -> None:
        while not self._stop.wait(self.look()):
            pass
