"""Who waits on the source for what a step holds there, and giving way to them.

A session of its own looks at the server's locks about once a second. Sessions that are in another's way are
ended by the server, which undoes whatever they hold at once, also while they compute or wait for the network;
the step then takes its work up again. Any role may look at locks and end its own sessions, on a standby too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError
from appliance.postgres.errors import database_failure

_LONGEST_NAP_S = 1.0
_FORGET_AFTER_S = 60.0
"""A session that gives up and comes back within this time has waited all along."""

# Reading holds ACCESS SHARE locks, which only ACCESS EXCLUSIVE waits for, and a transaction's own lock, which
# whatever is done CONCURRENTLY waits for. What our own sessions wait for matters where that must not be.
# Those that wait, mostly none, stand by themselves: a run may hold ten thousand locks, and each of them would
# be held against all others.
_LOOK = """
WITH locks AS MATERIALIZED (
    SELECT locktype, database, relation, virtualxid, pid, mode, granted FROM pg_locks
    WHERE locktype IN ('relation', 'virtualxid')
), waiting AS MATERIALIZED (
    SELECT locktype, database, relation, virtualxid, pid, mode FROM locks WHERE NOT granted
), ours AS MATERIALIZED (
    SELECT unnest(%(pids)s::int[]) AS pid
    UNION SELECT pid FROM pg_stat_activity
    WHERE application_name = %(name)s AND usename = current_user AND datname = current_database()
), found AS (
    SELECT DISTINCT w.relation, true AS in_the_way, h.pid
    FROM waiting AS w JOIN locks AS h ON h.locktype = w.locktype
        AND ((h.database = w.database AND h.relation = w.relation AND w.mode = 'AccessExclusiveLock')
            OR h.virtualxid = w.virtualxid)
    WHERE h.granted AND h.pid IN (SELECT pid FROM ours) AND w.pid NOT IN (SELECT pid FROM ours)
    UNION ALL
    SELECT w.relation, false, w.pid FROM waiting AS w
    WHERE w.locktype = 'relation' AND w.pid IN (SELECT pid FROM ours)
)
SELECT f.in_the_way, n.nspname::text, coalesce(t.relname, c.relname)::text, f.pid
FROM found AS f LEFT JOIN pg_class AS c ON c.oid = f.relation
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
"""

# Tables that a session has locked as a whole, or is about to.
_LOCKED = """
SELECT DISTINCT n.nspname::text, coalesce(t.relname, c.relname)::text FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

Name = tuple[str, str]
OpenSession = Callable[[], Connection[TupleRow]]


@dataclass(frozen=True)
class Age:
    """How old the run's snapshot may become, by the source's own clock."""

    taken_at: datetime
    most_s: float
    on_half: Callable[[], None]
    """Called when half of that has passed while it is watched."""


class GaveWayError(Exception):
    """The step's session was ended, because another session waited for what it held."""


@dataclass
class Covered:
    """Sessions that are watched, and what came of it."""

    pids: tuple[int, ...] = ()
    name: str | None = None
    """Or all of the role's sessions of this application name."""
    never_wait_for: frozenset[Name] = frozenset()
    """Tables that these sessions may not wait for, not even for a second."""
    gave_way: bool = False
    too_old: bool = False
    """The sessions were ended because of the snapshot's age."""
    tables: set[Name] = field(default_factory=set)
    """Which tables it was about; empty where a session waited for the transaction."""


class LockWatch:
    """Watches in a thread of its own, from ``with`` on, whatever sessions it is given to cover."""

    def __init__(self, open_session: OpenSession, yield_s: float, age: Age | None = None) -> None:
        self._open = open_session
        self._age = age
        self._former_age_s: float | None = None
        self._nap = min(_LONGEST_NAP_S, yield_s / 4)
        # Noticing takes a nap, ending a session less than a second.
        self._patience = max(0.0, yield_s - self._nap - 1)
        self._session = open_session()
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._covered: Covered | None = None
        self._first_seen: dict[Name | None, float] = {}
        self._last_seen: dict[Name | None, float] = {}
        self._failure: psycopg.Error | ApplianceError | None = None
        self._thread = threading.Thread(target=self._run, name="lock-watch", daemon=True)

    def __enter__(self) -> LockWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=2 * _LONGEST_NAP_S)
        self._session.close()

    @contextlib.contextmanager
    def covering(
        self, *pids: int, name: str | None = None, never: Collection[Name] = ()
    ) -> Iterator[Covered]:
        """Watch these sessions meanwhile. One set at a time."""
        covered = Covered(pids, name, frozenset(never))
        with self._turn:
            self._covered = covered
        try:
            yield covered
        finally:
            with self._turn:
                self._covered = None

    def check(self, covered: Covered) -> None:
        """Raise GaveWayError if the sessions were ended, or one of our errors if watching broke."""
        if covered.gave_way:
            raise GaveWayError
        if covered.too_old and self._age is not None:
            raise snapshot_too_old(self._age.most_s)
        failure = self._failure
        if isinstance(failure, psycopg.Error):
            raise database_failure("The source's locks could not be watched.", failure) from None
        if failure is not None:
            raise failure

    def ask(self, question: Callable[[Connection[TupleRow]], list[TupleRow]]) -> list[TupleRow]:
        """Ask the server something from the watching session, which sees everything as it is now.

        Raises our errors; a session that broke is opened anew first.
        """
        with self._turn:
            try:
                return question(self._session)
            except psycopg.OperationalError as error:
                self._reopen(error)
            try:
                return question(self._session)
            except psycopg.Error as error:
                raise database_failure("The source could not be looked at.", error) from None

    def locked_tables(self) -> set[Name]:
        """Tables that a session holds as a whole, or waits to hold. Raises our errors."""
        return {(schema, name) for schema, name in self.ask(lambda session: _rows(session, _LOCKED))}

    def _run(self) -> None:
        while not self._over.wait(self._nap):
            with self._turn:
                if self._over.is_set():
                    return
                try:
                    self._look()
                except psycopg.Error as error:
                    self._reopen(error)

    def _reopen(self, error: psycopg.Error) -> None:
        try:
            self._session.close()
            self._session = self._open()
            self._failure = None
        except ApplianceError as failure:
            self._failure = failure
        except psycopg.Error:
            self._failure = error

    def _look(self) -> None:
        covered = self._covered
        if covered is None or covered.gave_way or covered.too_old:
            return
        if self._age is not None and self._grown_too_old(self._age):
            covered.too_old = True
            self._end(set(covered.pids))
            return
        rows = self._session.execute(_LOOK, {"pids": list(covered.pids), "name": covered.name}).fetchall()
        waited_for = {_name(schema, table): pid for in_the_way, schema, table, pid in rows if in_the_way}
        due = [name for name in waited_for if self._has_waited(name)]
        stuck = [
            (schema, table)
            for in_the_way, schema, table, _ in rows
            if not in_the_way and (schema, table) in covered.never_wait_for
        ]
        if due or stuck:
            covered.tables |= {name for name in due if name is not None} | set(stuck)
            covered.gave_way = True
            self._end({pid for *_, pid in rows} | set(covered.pids))

    def _grown_too_old(self, age: Age) -> bool:
        row = self._session.execute(
            "SELECT extract(epoch FROM clock_timestamp() - %s)::float8", [age.taken_at]
        ).fetchone()
        seconds: float = row[0] if row else 0.0
        half = age.most_s / 2
        if self._former_age_s is not None and self._former_age_s < half <= seconds:
            age.on_half()
        self._former_age_s = seconds
        return seconds >= age.most_s

    def _has_waited(self, name: Name | None) -> bool:
        now = time.monotonic()
        if now - self._last_seen.get(name, now) > _FORGET_AFTER_S:
            del self._first_seen[name]
        self._last_seen[name] = now
        return now - self._first_seen.setdefault(name, now) >= self._patience

    def _end(self, pids: set[int]) -> None:
        self._session.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS s (pid)", [list(pids)]
        )


def _rows(session: Connection[TupleRow], query: str) -> list[TupleRow]:
    return session.execute(query.encode()).fetchall()


def _name(schema: str | None, table: str | None) -> Name | None:
    return None if schema is None or table is None else (schema, table)


def described(tables: Collection[Name]) -> str:
    """The tables as people write them, the first few."""
    names = sorted(".".join(table) for table in tables)
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "the run's transaction"


def snapshot_too_old(most_s: float) -> WorkFailedForGoodError:
    """The run has kept its snapshot for as long as it may."""
    return WorkFailedForGoodError(
        f"The run's snapshot is older than it may become ({most_s / 60:g} minutes).",
        "While it is kept, vacuum can clean nothing that was deleted since on the source.",
        "Raise limits.snapshot_max_min (or limits.run_timeout_min, which bounds it), raise limits.parallel,"
        " or copy fewer rows.",
    )


def still_in_the_way(tables: Collection[Name], times: int) -> WorkFailedError:
    """A piece of work that had to give way again and again."""
    return WorkFailedError(
        f"A step gave way {times} times to a session that waited for {described(tables)}.",
        "A session locks it as a whole, again and again (ALTER TABLE, TRUNCATE, VACUUM FULL, CREATE INDEX"
        " CONCURRENTLY …), so that it cannot be read to the end.",
        "Run it again when that has ended, or raise limits.yield_s to let it wait for longer.",
        sqlstate="55P03",
    )
