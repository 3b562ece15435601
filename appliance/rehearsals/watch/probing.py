"""Probes: a reader and a writer of each table that a migration has locked, trying every 50 ms.

A probe takes the lock that a SELECT, or an UPDATE, takes first, and lets go of it at once. While it is
refused it tries on, as an application's query would wait on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.rehearsals.watch.timeline import Stretch, Timeline

EVERY_S = 0.05
WORTH_S = 0.005
"""A shorter wait is the network's, or the scheduler's."""
MOST_TABLES = 6
"""Each takes two sessions of the server. Of others the time that locks were held is known all the same."""
_MODES = {"reader": "ACCESS SHARE", "writer": "ROW EXCLUSIVE"}

Open = Callable[[], Connection[TupleRow]]


class Probes:
    """The probes of one migration; ``close`` ends them."""

    def __init__(self, open_session: Open, timeline: Timeline) -> None:
        self._open = open_session
        self._timeline = timeline
        self._over = threading.Event()
        self._threads: dict[int, list[threading.Thread]] = {}

    def begin(self, table: int, schema: str, name: str) -> None:
        """Try this table from now on, if it is not tried yet and there is room."""
        if table in self._threads or len(self._threads) >= MOST_TABLES:
            return
        self._threads[table] = []
        for who in _MODES:
            thread = threading.Thread(
                target=self._try,
                args=(table, sql.Identifier(schema, name), who),
                name=f"probe-{who}",
                daemon=True,
            )
            self._threads[table].append(thread)
            thread.start()

    def close(self) -> None:
        """End all of them; what one waits for now has ended with the migration."""
        self._over.set()
        for threads in self._threads.values():
            for thread in threads:
                thread.join(timeout=10)

    def _try(self, table: int, name: sql.Identifier, who: str) -> None:
        try:
            with closing(self._open()) as session:
                session.execute(f"SET lock_timeout = '{int(EVERY_S * 1000)}ms'")
                began = time.monotonic()
                while not self._over.is_set():
                    if not self._once(session, name, who):
                        # It is waiting: since when its first try began.
                        continue
                    waited = Stretch(began, time.monotonic())
                    self._timeline.probed.add(table)
                    if waited.seconds >= WORTH_S:
                        self._timeline.wait(table, who, waited)
                    self._over.wait(EVERY_S)
                    began = time.monotonic()
        except (psycopg.Error, ApplianceError):
            # The table is gone, or the server: how long locks were held is seen by the watch all the same.
            return

    def _once(self, session: Connection[TupleRow], name: sql.Identifier, who: str) -> bool:
        statement = sql.SQL("BEGIN; LOCK TABLE ONLY {} IN {} MODE; ROLLBACK").format(
            name, sql.SQL(_MODES[who])
        )
        try:
            session.execute(statement)
        except psycopg.errors.LockNotAvailable:
            session.execute("ROLLBACK")
            return False
        return True
