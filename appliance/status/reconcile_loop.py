"""Keeps run state true, by comparing it with Airflow's again and again, and begins anew what is to be."""

from __future__ import annotations

import contextlib

import psycopg

from appliance.errors import ApplianceError
from appliance.orchestration.begun_anew import begin_anew
from appliance.orchestration.reconcile import reconcile
from appliance.settings.settings import Settings
from appliance.store.database import Connection, connect, migrate
from appliance.store.runs import RunStore
from appliance.system.background import Background

BUSY_EVERY_S = 2.0
IDLE_EVERY_S = 5.0
AWAY_EVERY_S = 10.0


class ReconcileLoop:
    """``background.start()`` begins it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = RunStore(settings.database_url)
        self._airflow: Connection | None = None
        self._migrated = False
        self.background = Background("Comparing runs with Airflow", self.look)

    def look(self) -> float:
        """Reconcile once; in how many seconds to look again."""
        try:
            if not self._migrated:
                migrate(self._settings.database_url)
                self._migrated = True
            if self._airflow is None or self._airflow.closed:
                self._airflow = connect(self._settings.airflow_database_url, read_only=True)
            busy = reconcile(self._store, self._airflow, self._settings.state_dir)
            begin_anew(self._settings, self._store)
            return BUSY_EVERY_S if busy else IDLE_EVERY_S
        except (psycopg.Error, ApplianceError):
            self._store.close()
            if self._airflow is not None:
                with contextlib.suppress(psycopg.Error):
                    self._airflow.close()
                self._airflow = None
            return AWAY_EVERY_S
