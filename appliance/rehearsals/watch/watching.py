"""The watch beside a migration: it looks at its locks, starts probes, and ends it when its time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.rehearsals.watch.catalog import CatalogState
from appliance.rehearsals.watch.locks import BLOCKS_READERS, BLOCKS_WRITERS
from appliance.rehearsals.watch.probing import Probes
from appliance.rehearsals.watch.timeline import Timeline

LOOK_EVERY_S = 0.05
CLOSELY_EVERY_S = 0.01
"""While a statement is young: many are over before another look."""
CLOSELY_FOR_S = 0.5
ASKED_EVERY_S = 0.25
"""How often it is looked whether the migration is still wanted."""
GRACE_S = 5.0
"""A statement that is cancelled may catch that; then its session is ended."""
_AGAIN_S = 1.0
_READY_S = 15.0
"""For its first look: the migration begins behind it."""

_LOCKS = """
SELECT l.relation::bigint, l.mode FROM pg_locks AS l
WHERE l.pid = ANY (%s) AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

Open = Callable[[], Connection[TupleRow]]


@dataclass
class Watched:
    """The migration, as the watch needs to know it."""

    pids: Callable[[Connection[TupleRow]], list[int]]
    """Its sessions now, asked with the watch's own."""
    cancel: Callable[[], None]
    """Ask it to stop."""
    unwanted: Callable[[], bool] = lambda: False
    """Whether it was asked to end."""


class Watch:
    """A thread beside the migration. Use it as a context; afterwards ``timeline`` holds what it saw."""

    def __init__(self, open_session: Open, before: CatalogState, watched: Watched, seconds: float) -> None:
        self.timeline = Timeline()
        self.out_of_time = False
        self.cancelled = False
        self.notes: list[str] = []
        self._open = open_session
        self._tables = before.tables()
        self._watched = watched
        self._probes = Probes(open_session, self.timeline)
        self._deadline = time.monotonic() + seconds
        self._killed_at: float | None = None
        self._asked_at = 0.0
        self._young_until = 0.0
        self._ready = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rehearsal-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        self._ready.wait(_READY_S)
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(timeout=30)
        self._probes.close()

    def statement_begins(self) -> None:
        """Look closely for a moment."""
        self._young_until = time.monotonic() + CLOSELY_FOR_S

    def is_unwanted(self) -> bool:
        """Whether the migration was asked to end."""
        return self.cancelled or self._watched.unwanted()

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                with closing(self._open()) as session:
                    # Statements that lock the catalog itself must not stop the watch.
                    session.execute("SET lock_timeout = '1s'; SET statement_timeout = '10s'")
                    self._look_on(session)
            except (psycopg.Error, ApplianceError) as error:
                state = getattr(error, "sqlstate", None)
                self._note(f"The watch was interrupted{f' (SQLSTATE {state})' if state else ''}.")
                self._end_when_over(None)
                self._over.wait(_AGAIN_S)

    def _look_on(self, session: Connection[TupleRow]) -> None:
        while not self._over.is_set():
            with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
                self._look(session)
                self._ready.set()
            self._end_when_over(session)
            young = time.monotonic() < self._young_until
            self._over.wait(CLOSELY_EVERY_S if young else LOOK_EVERY_S)

    def _look(self, session: Connection[TupleRow]) -> None:
        pids = self._watched.pids(session)
        rows = session.execute(_LOCKS, [pids]).fetchall() if pids else []
        locks = [(table, mode) for table, mode in rows if table in self._tables]
        self.timeline.saw(time.monotonic(), locks)
        for table, mode in locks:
            if mode in BLOCKS_READERS | BLOCKS_WRITERS and self._tables[table].kind in {"r", "p"}:
                known = self._tables[table]
                self._probes.begin(table, known.schema, known.table)

    def _end_when_over(self, session: Connection[TupleRow] | None) -> None:
        now = time.monotonic()
        if not self.cancelled and not self.out_of_time and now > self._asked_at + ASKED_EVERY_S:
            self._asked_at = now
            self.cancelled = self._watched.unwanted()
        if now < self._deadline and not self.cancelled:
            return
        if self._killed_at is None:
            self.out_of_time = not self.cancelled
            self._killed_at = now
            self._watched.cancel()
        elif now > self._killed_at + GRACE_S and session is not None:
            self._killed_at = now
            for pid in self._watched.pids(session):
                session.execute("SELECT pg_terminate_backend(%s)", [pid])

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
