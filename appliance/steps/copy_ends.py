"""The two sessions of a ``copy`` step, and one piece between them, which gives way to who waits for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.postgres import ledger
from appliance.postgres.bindings import bind
from appliance.postgres.copy_sql import copy_in, copy_out
from appliance.postgres.copy_stream import Copied, HalfBrokeError, SourceBrokeError, pipe
from appliance.postgres.evidence import gather, relation_numbers, seed_binding
from appliance.postgres.lock_watch import Covered, GaveWayError, LockWatch
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, TargetFacts
from appliance.postgres.server_errors import named_failure
from appliance.postgres.snapshot import import_snapshot
from appliance.postgres.source_load import MOST_PAUSE_S, PAUSE_S, ROOM, Throttle, has_room, share
from appliance.postgres.table_identity import SAVEPOINT, check_same, identities, question, take
from appliance.steps.context import StepContext

Report = Callable[[int, int], None]


class LockedError(Exception):
    """A table was locked by somebody else for as long as was waited. Nothing was begun."""


class CopyEnds:
    """A session on the source, in the run's snapshot, and one on the target; opened anew after giving way."""

    def __init__(self, context: StepContext, plan: Plan, target: TargetFacts, watch: LockWatch) -> None:
        self._context, self._plan, self._target, self._watch = context, plan, target, watch
        self._relations = relation_numbers(plan)
        limits = context.spec.workflow.limits
        self._throttle = Throttle(share(limits.source_mb_per_s, limits.parallel, len(plan.shards)))
        self._open = contextlib.ExitStack()
        self.reopen()

    def __enter__(self) -> CopyEnds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def reopen(self) -> None:
        """Close both sessions, whatever they are in, and begin anew in the same snapshot."""
        self._open.close()
        self._open = contextlib.ExitStack()
        self._source = self._entered(self._context.connect_source())
        self._into = self._entered(
            self._context.connect_target(self._target.connection, self._target.next_database)
        )
        self._covered: Covered = self._open.enter_context(self._watch.covering(self._source.info.backend_pid))
        import_snapshot(self._source, self._context.snapshot())
        bind(self._source, self._context.key(), (*self._plan.bindings, seed_binding(self._plan)))
        try:
            self._source.execute(f"SAVEPOINT {SAVEPOINT}")
        except psycopg.Error as error:
            raise named_failure("The source could not be read.", error) from None

    def _entered(self, connection: Connection[TupleRow]) -> Connection[TupleRow]:
        self._open.callback(connection.close)
        return connection

    def copy(self, item: CopyItem, wait_s: float, report: Report) -> Copied | None:
        """Copy one piece; None where it had arrived already.

        Raises LockedError, GaveWayError where the sessions have to be opened anew, or our errors.
        """
        try:
            return self._copy(item, wait_s, report)
        except (ApplianceError, GaveWayError):
            # The watch ended the session on purpose: whatever that has led to.
            if self._covered.gave_way:
                raise GaveWayError from None
            self._watch.check(self._covered)
            raise

    def wait_for_room(self) -> None:
        """Hold nothing on the source while it is short of connections or its replicas lag; not for ever."""
        limits = self._context.spec.workflow.limits
        free, lag = limits.source_free_connections, limits.source_replica_lag_s
        if (free is None and lag is None) or self._has_room(free, lag):
            return
        self._open.close()
        self._context.notice("The source is short of connections, or its replicas lag: a copy waits.")
        until = time.monotonic() + MOST_PAUSE_S
        while time.monotonic() < until and not self._has_room(free, lag):
            time.sleep(PAUSE_S)
        self.reopen()

    def _has_room(self, free: int | None, lag: int | None) -> bool:
        return has_room(self._watch.ask(lambda session: session.execute(ROOM).fetchall())[0], free, lag)

    @property
    def in_the_way_of(self) -> set[tuple[str, str]]:
        """The tables that somebody waited for when the sessions were ended."""
        return self._covered.tables

    def arrived(self, item: CopyItem) -> Copied:
        """What the target's ledger says of a finished piece."""
        return Copied(*ledger.arrived_item(self._into, item.key))

    def _copy(self, item: CopyItem, wait_s: float, report: Report) -> Copied | None:
        table = self._plan.tables[item.table]
        source, into = self._source, self._into

        def look() -> None:
            self._watch.check(self._covered)

        before = 0

        def on_bytes(rows: int, size: int) -> None:
            nonlocal before
            report(rows, size)
            look()
            self._throttle.passed(size - before, look)
            before = size

        with _explained(source, table):
            if not ledger.begin(into, item.key, table.qualified):
                return None
            self._take(table, wait_s)
            copied = pipe(
                source.pgconn,
                into.pgconn,
                copy_out(table, item),
                copy_in(table),
                on_bytes,
                on_nap=look,
            )
            gather(source, into, self._plan, item, copied.rows, self._relations[item.table])
            ledger.commit(into, item.key, copied.rows, copied.bytes)
        return copied

    def _take(self, table: PlannedTable, wait_s: float) -> None:
        """Hold what reading the table needs, and make sure that it is what the plan was made for."""
        try:
            then = take(self._source, table, round(wait_s * 1000))
        except psycopg.errors.LockNotAvailable:
            self._into.execute("ROLLBACK")
            raise LockedError from None
        except psycopg.Error as error:
            raise SourceBrokeError(error) from None
        asked = question(table, self._source.info.backend_pid)
        now = self._watch.ask(lambda session: session.execute(asked).fetchall())
        check_same(table, then, identities(now))


@contextlib.contextmanager
def _explained(source: Connection[TupleRow], table: PlannedTable) -> Iterator[None]:
    try:
        yield
    except LockedError:
        raise
    except HalfBrokeError as error:
        _stop(source)
        reading = isinstance(error, SourceBrokeError)
        what = "A table could not be read from the source." if reading else "A table could not be written."
        raise named_failure(what, error.error, table=table.qualified) from None
    except psycopg.Error as error:
        raise named_failure("A table could not be written.", error, table=table.qualified) from None
    except BaseException:
        _stop(source)
        raise


def _stop(source: Connection[TupleRow]) -> None:
    """The source's server should not go on computing rows that nobody takes."""
    with contextlib.suppress(psycopg.Error):
        source.cancel_safe(timeout=5)
