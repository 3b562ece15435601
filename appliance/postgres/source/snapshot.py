"""One snapshot for a whole run: exported by a session that stays open, imported by all that read."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Snapshot

_NAP_MS = 500
_RINGS = 64
"""Signals that are taken in at once."""
_LOOK_EVERY_S = 1.0

_FACTS = """
SELECT pg_export_snapshot(), now(), current_setting('server_version_num')::int, pg_is_in_recovery(),
       (SELECT system_identifier::text FROM pg_control_system()), pg_backend_pid()
"""
# A function and not the view pg_locks: the session that keeps the snapshot locks no relation at all.
_WAITED_FOR = """
SELECT true FROM (SELECT locktype, virtualxid, pid, granted FROM pg_lock_status()) AS w
WHERE w.locktype = 'virtualxid' AND NOT w.granted AND w.virtualxid = (
    SELECT h.virtualxid FROM pg_lock_status() AS h
    WHERE h.locktype = 'virtualxid' AND h.granted AND h.pid = pg_backend_pid())
LIMIT 1
"""


def export_snapshot(connection: Connection[TupleRow]) -> Snapshot:
    """Begin the read-only transaction that holds the snapshot, and export it. Raises our errors.

    No table is locked: a lock that lasts for a whole run would stop every change of a table, and all
    behind it. The reader sees to it that a table still is what the snapshot saw (``table_identity``).
    """
    try:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute(_FACTS).fetchone()
    except psycopg.Error as error:
        raise database_failure("The source's snapshot could not be taken.", error) from None
    assert row is not None  # noqa: S101
    snapshot_id, taken_at, version, in_recovery, system_identifier, pid = row
    return Snapshot(
        snapshot_id=snapshot_id,
        taken_at=taken_at,
        server_version=version,
        in_recovery=in_recovery,
        system_identifier=system_identifier,
        backend_pid=pid,
    )


def import_snapshot(connection: Connection[TupleRow], snapshot: Snapshot) -> None:
    """Begin a read-only transaction that sees what the snapshot saw. Raises our errors."""
    try:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot.snapshot_id)))
    except psycopg.OperationalError as error:
        raise database_failure("The run's snapshot could not be used.", error) from None
    except psycopg.Error as error:
        raise WorkFailedError(
            "The run's snapshot is gone.",
            "The session that held it has ended: the source was restarted, or the session was ended"
            f" (SQLSTATE {error.sqlstate}).",
            "Start a new run.",
            sqlstate=error.sqlstate,
        ) from None


def hold(connection: Connection[TupleRow], until: float, stopped: Callable[[], bool], yield_s: float) -> None:
    """Keep the transaction open until ``stopped()`` or the monotonic time ``until``.

    Raises WorkFailedError when the session dies, the time is over, or a session waits for the transaction's
    end for ``yield_s``: what is done CONCURRENTLY waits for every older snapshot, and others may wait for it.
    """
    look_at = time.monotonic()
    waited_since: float | None = None
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    with _bell() as rings:
        if rings is not None:
            poll.register(rings, select.POLLIN)
        while not stopped():
            now = time.monotonic()
            if now >= until:
                raise WorkFailedError(
                    "The snapshot was held for as long as the run may take.",
                    "A longer one would keep the source from vacuuming.",
                    "Raise limits.snapshot_max_min (or limits.run_timeout_min, which bounds it), raise"
                    " limits.parallel, or copy fewer rows.",
                    sqlstate="57014",
                )
            try:
                # Anything that arrives unasked is the end of the session; a question keeps firewalls awake.
                said = [number for number, _ in poll.poll(_NAP_MS)]
                if rings is not None and rings.fileno() in said:
                    rings.recv(_RINGS)
                    continue
                if said or now >= look_at:
                    waited_for = connection.execute(_WAITED_FOR).fetchone() is not None
                    look_at = now + _LOOK_EVERY_S
                    waited_since = (waited_since or now) if waited_for else None
            except psycopg.Error as error:
                raise _died(error) from None
            if waited_since is not None and now - waited_since >= max(0.0, yield_s - 2 * _LOOK_EVERY_S):
                raise WorkFailedForGoodError(
                    "The run ended, because a session waited for its snapshot to end.",
                    "CREATE INDEX, REINDEX and others that work CONCURRENTLY wait for older snapshots, and"
                    f" one did so for limits.yield_s ({yield_s:g} s).",
                    "Start a new run when that has ended, or raise limits.yield_s to let it wait for longer.",
                )


@contextlib.contextmanager
def _bell() -> Iterator[socket.socket | None]:
    """Something to poll that is readable once a signal has come: its handler alone ends no poll.

    None outside the main thread, which alone hears signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    rings, rung = socket.socketpair()
    with rings, rung:
        rung.setblocking(False)
        former = signal.set_wakeup_fd(rung.fileno(), warn_on_full_buffer=False)
        try:
            yield rings
        finally:
            signal.set_wakeup_fd(former)


def _died(error: psycopg.Error) -> ApplianceError:
    if error.sqlstate == "40001":
        return WorkFailedError(
            "The standby ended the session that held the run's snapshot.",
            "Its replay had to remove rows that the snapshot still sees (SQLSTATE 40001).",
            "Set hot_standby_feedback = on at the standby, or raise max_standby_streaming_delay.",
            sqlstate=error.sqlstate,
        )
    return database_failure("The session that held the run's snapshot has ended.", error)
