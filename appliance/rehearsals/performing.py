"""A migration's statements in a branch, one after the other, as psql would send them, and what each did.

Each that may is put into a transaction of its own, so that its locks can be looked at before they go. What
refuses that (``CREATE INDEX CONCURRENTLY``, ``VACUUM``) is sent as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from appliance.rehearsals.results.failing import failure_of
from appliance.rehearsals.results.report import Failure, LockHeld, StatementReport, TableSize
from appliance.rehearsals.statements import Statement
from appliance.rehearsals.watch.catalog import (
    CatalogState,
    Changes,
    catalog_writes,
    changes,
    read_sizes,
    read_state,
)
from appliance.rehearsals.watch.locks import strongest
from appliance.rehearsals.watch.timeline import Stretch
from appliance.rehearsals.watch.watching import Watch

_NO_TRANSACTION = {"25001", "2D000"}
"""It must not be in a transaction block; it ends transactions itself."""
_TRANSACTION_WORDS = {
    *("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"),
    # Outside of a transaction block they fail, and so they must here.
    *("lock", "declare", "fetch", "move", "close"),
}
_REWRITES = "AccessExclusiveLock"
_SAYS_EVERY_S = 1.0
_UNDO = {"rollback", "abort"}
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"}
_OWN_LOCKS = """
SELECT l.relation::bigint, l.mode FROM pg_locks AS l
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass
class _Done:
    """A statement that was performed; what its transaction holds is known when that ends."""

    statement: Statement
    began: float
    seconds: float
    wrapped: bool
    in_transaction: bool
    changes: Changes | None = None
    rows: int | None = None
    looked_before: float = 0.0
    """How long its transaction had been looked at until then."""
    since: dict[tuple[int, str], float] = field(default_factory=dict)
    """Locks that it has added to its transaction, and since when."""
    held: dict[tuple[int, str], Stretch] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    failure: Failure | None = None


class Performance:
    """One migration, performed in ``session``, which is its own."""

    def __init__(
        self,
        session: Connection[TupleRow],
        before: CatalogState,
        sizes: dict[int, int],
        say: Callable[[str], None],
    ) -> None:
        self._say = say
        self._session = session
        self._baseline = before
        self._state = before
        self._sizes = dict(sizes)
        self._done: list[_Done] = []
        self._pending: list[_Done] = []
        """Those whose transaction is open."""
        self._writes: int | None = None
        """To the catalog, in the transaction that is open; None outside of one."""
        self._looked = 0.0
        """Seconds that looks have lengthened transactions by."""
        self.left_open = False
        self.cancelled = False

    def perform(self, statements: Sequence[Statement], watch: Watch) -> bool:
        """Perform them up to the first that fails; whether all went through."""
        self._watch = watch
        said = 0.0
        for number, statement in enumerate(statements, 1):
            if watch.cancelled:
                self.cancelled = True
                self._abandon()
                return False
            if time.monotonic() - said > _SAYS_EVERY_S:
                said = time.monotonic()
                self._say(f"Statement {number} of {len(statements)}, {statement.file}:{statement.line}.")
            done = self._one(statement)
            self._done.append(done)
            if self.cancelled or watch.cancelled:
                # What the server says of it is our own doing.
                done.failure, self.cancelled = None, True
                self._abandon()
                return False
            if done.failure is not None or watch.out_of_time:
                self._abandon()
                return False
        self.left_open = self._status() != TransactionStatus.IDLE
        if self.left_open:
            self._abandon()
        return not self.left_open

    def reports(self) -> tuple[StatementReport, ...]:
        """What came of each that was begun."""
        return tuple(self._report(done) for done in self._done)

    def _one(self, statement: Statement) -> _Done:
        idle = self._status() == TransactionStatus.IDLE
        wraps = idle and statement.words[:1] and statement.words[0] not in _TRANSACTION_WORDS
        self._watch.statement_begins()
        done = _Done(
            statement, time.monotonic(), 0.0, wrapped=bool(wraps), in_transaction=bool(wraps) or not idle
        )
        try:
            if wraps:
                try:
                    self._wrapped(done)
                    return done
                except psycopg.Error as error:
                    if error.sqlstate not in _NO_TRANSACTION or self._watch.out_of_time:
                        raise
                    self._session.execute("ROLLBACK")
                    self._writes = None
                    done.wrapped = done.in_transaction = False
                    done.since.clear()
                    done.began = time.monotonic()
                    self._watch.statement_begins()
            self._bare(done)
        except KeyboardInterrupt:
            if not self._watch.is_unwanted():
                raise
            self.cancelled = True
            done.seconds = time.monotonic() - done.began
            self._seen(done)
        except psycopg.Error as error:
            done.seconds = time.monotonic() - done.began
            done.failure = failure_of(error)
            self._seen(done)
            if not self._session.closed and self._status() == TransactionStatus.IDLE:
                # CREATE INDEX CONCURRENTLY leaves an invalid index behind.
                self._compare(done)
        return done

    def _wrapped(self, done: _Done) -> None:
        self._session.execute("BEGIN")
        self._writes = catalog_writes(self._session)
        self._send(done)
        self._look(done)
        ending = time.monotonic()
        self._session.execute("COMMIT")
        ended = time.monotonic()
        done.seconds += ended - ending
        self._writes = None
        self._end_locks([done], ended)

    def _bare(self, done: _Done) -> None:
        was_open = self._status() == TransactionStatus.INTRANS
        self._send(done)
        ended = time.monotonic()
        if self._status() == TransactionStatus.INTRANS:
            self._pending.append(done)
            self._look(done)
            return
        self._writes = None
        if was_open:
            self._end_locks(self._pending, ended)
            self._pending.clear()
        else:
            self._seen(done)
        if done.statement.words[0] in _UNDO:
            self._state = (
                read_state(self._session) if self._status() == TransactionStatus.IDLE else self._state
            )
        elif self._status() == TransactionStatus.IDLE:
            self._compare(done)

    def _send(self, done: _Done) -> None:
        began = time.monotonic()
        cursor = self._session.execute(done.statement.text.encode())
        done.seconds = time.monotonic() - began
        if (cursor.statusmessage or "").split(" ")[0] in _WRITES and cursor.rowcount >= 0:
            done.rows = cursor.rowcount

    def _look(self, done: _Done) -> None:
        """While its transaction is open: what it has locked and changed."""
        now = time.monotonic()
        done.looked_before = self._looked
        known = {key for each in self._pending for key in each.since}
        for table, mode in self._session.execute(_OWN_LOCKS).fetchall():
            if (table, mode) not in known and self._is_table(table):
                done.since[table, mode] = self._watch.timeline.first_seen(table, mode, done.began, now)
        writes = catalog_writes(self._session)
        # What is undone to a savepoint was counted when it was done.
        unchanged = writes is not None and writes == self._writes and done.statement.words[0] not in _UNDO
        self._writes = writes
        self._compare(done, [table for table, _ in done.since], unchanged=unchanged)
        self._looked += time.monotonic() - now

    def _compare(self, done: _Done, tables: Sequence[int] = (), *, unchanged: bool = False) -> None:
        after = self._state if unchanged else read_state(self._session)
        emptied = done.statement.words[:1] == ("truncate",)
        done.changes = changes(self._state, after, emptied=emptied)
        self._state = after
        if not done.in_transaction:
            self._held_for_rewrites(done)
        locked = {table for table, _ in done.held} | set(tables)
        there = [table for table in locked if table in after.relations]
        for table, size in read_sizes(self._session, there).items() if there else ():
            done.sizes[table] = (self._sizes.get(table, size), size)
            self._sizes[table] = size

    def _seen(self, done: _Done) -> None:
        """Outside of a transaction block only the watch has seen its locks."""
        end = done.began + done.seconds
        for key, stretch in self._watch.timeline.seen_between(done.began, end).items():
            done.held[key] = stretch
            self._watch.timeline.hold(*key, stretch)

    def _held_for_rewrites(self, done: _Done) -> None:
        """A table is never rewritten under a weaker lock: one that was too short to be seen was there."""
        known = {table for table, mode in done.held if mode == _REWRITES}
        rewritten = done.changes.rewrites if done.changes else ()
        for oid, table in self._baseline.tables().items():
            if table.name in rewritten and oid not in known:
                done.held[oid, _REWRITES] = Stretch(done.began, done.began + done.seconds)
                self._watch.timeline.hold(oid, _REWRITES, done.held[oid, _REWRITES])

    def _end_locks(self, several: Sequence[_Done], ended: float) -> None:
        for done in several:
            for key, since in done.since.items():
                # Our own looks have kept it for longer than the migration does.
                done.held[key] = Stretch(since, max(since, ended - (self._looked - done.looked_before)))
                self._watch.timeline.hold(*key, done.held[key])

    def _abandon(self) -> None:
        self._end_locks(self._pending, time.monotonic())
        self._pending.clear()

    def _status(self) -> TransactionStatus:
        return self._session.info.transaction_status

    def _is_table(self, oid: int) -> bool:
        return oid in self._baseline.tables()

    def _report(self, done: _Done) -> StatementReport:
        tables = self._baseline.tables()
        by_table: dict[int, list[str]] = {}
        for table, mode in done.held:
            by_table.setdefault(table, []).append(mode)
        locks = []
        for table, modes in by_table.items():
            mode = strongest(modes)
            seconds = done.held[table, mode].seconds
            locks.append(LockHeld(table=tables[table].name, mode=mode, held_ms=_ms(seconds)))
        found = done.changes
        return StatementReport(
            file=done.statement.file,
            line=done.statement.line,
            statement=done.statement.shown,
            ms=_ms(done.seconds),
            in_transaction=done.in_transaction,
            rows=done.rows,
            locks=tuple(sorted(locks, key=lambda lock: lock.table)),
            sizes=tuple(
                TableSize(table=tables[table].name, bytes_before=before, bytes_after=after)
                for table, (before, after) in sorted(done.sizes.items())
            ),
            rewrites=found.rewrites if found else (),
            reindexed=found.reindexed if found else (),
            built=found.built if found else (),
            validated=found.validated if found else (),
            invalid=found.invalid if found else (),
            dropped=found.dropped if found else (),
            failure=done.failure,
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
