"""Writing run state from inside Airflow, where a database that is away must cost nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from appliance.store.runs import RunStore

PAUSE_AFTER_LOSS_S = 5.0
"""After a loss the database is not asked again for so long: each try may cost the scheduler two seconds."""


class QuietStore:
    """A RunStore a thread, whose failures fail nothing: the reconciliation makes up for what is lost."""

    def __init__(self, conninfo: Callable[[], str]) -> None:
        self._conninfo = conninfo
        self._stores = threading.local()
        self._away_until = 0.0

    def write(self, action: Callable[[RunStore], Any]) -> None:
        """Do it, or let it be. Never raises."""
        if time.monotonic() < self._away_until:
            return
        try:
            if not hasattr(self._stores, "store"):
                self._stores.store = RunStore(self._conninfo())
            store: RunStore = self._stores.store
            if store.attempt(lambda: (action(store),)) is None:
                self._away_until = time.monotonic() + PAUSE_AFTER_LOSS_S
        except Exception:  # a listener that raises would be a failure no one asked for
            self._away_until = time.monotonic() + PAUSE_AFTER_LOSS_S
