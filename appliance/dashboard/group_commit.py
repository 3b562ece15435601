"""Small transactions of many threads on one SQLite connection, where those that wait share a commit.

SQLite takes one writer at a time, and to commit is most of what a small transaction costs: it waits for the
disk, and makes every other connection read its pages anew. So whoever comes first begins a transaction, each
member is a savepoint in it, and the one that has nobody waiting behind it commits for all (group commit;
Gray and Reuter, *Transaction Processing*, 1992). Nobody is told of success before that commit.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator

MOST_IN_GROUP = 64
"""Members of one group; the first of them must not wait for ever."""


class _Group:
    """The transactions that are committed together."""

    def __init__(self, durable: bool) -> None:
        self.durable = durable
        self.size = 0
        self.is_over = threading.Event()
        self.fault: sqlite3.OperationalError | None = None


class _Turns:
    """A lock that is given to whoever has waited longest, and knows how many wait."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._queue: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._queue.append(mine)
        try:
            mine.wait()
        except BaseException:
            with self._guard:
                if mine in self._queue:
                    self._queue.remove(mine)
                    raise
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._taken = False


class GroupCommit:
    """The one connection that writes. ``open_connection`` makes it, and again after a fault."""

    def __init__(self, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._open = open_connection
        self._connection: sqlite3.Connection | None = None
        self._group: _Group | None = None
        self._turns = _Turns()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed when the block has ended, unless the block raises.

        With ``durable`` the disk has it then. A block that raises undoes its own part and no other's. Raises
        sqlite3.OperationalError where the group could not be committed: then no part of it is in the store.
        """
        with self._turns:
            connection, group = self._join(durable)
            try:
                with self._savepoint(connection, group):
                    yield connection
            finally:
                if not self._turns.waiting or group.size >= MOST_IN_GROUP:
                    self._commit()
        group.is_over.wait()
        if group.fault is not None:
            raise group.fault

    def close(self) -> None:
        """Close the connection, once whoever is at it has ended."""
        with self._turns:
            self._commit()
            self._disconnect()

    def _join(self, durable: bool) -> tuple[sqlite3.Connection, _Group]:
        """The connection and the open group; a new one where none is open or the open one promises less."""
        if self._group is not None and durable and not self._group.durable:
            self._commit()
        if self._connection is None:
            self._connection = self._open()
        if self._group is None:
            try:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error:
                self._disconnect()
                raise
            self._group = _Group(durable)
        self._group.size += 1
        return self._connection, self._group

    @contextlib.contextmanager
    def _savepoint(self, connection: sqlite3.Connection, group: _Group) -> Iterator[None]:
        connection.execute("SAVEPOINT member")
        try:
            yield
            connection.execute("RELEASE member")
        except BaseException as error:
            try:
                connection.execute("ROLLBACK TO member")
                connection.execute("RELEASE member")
            except sqlite3.Error as fault:
                # A full or broken disk: SQLite has rolled back everything, the others' parts too.
                self._give_up(group, error if isinstance(error, sqlite3.OperationalError) else fault)
            raise

    def _commit(self) -> None:
        """Commit the open group, if there is one, and let its members go."""
        group, connection = self._group, self._connection
        if group is None or connection is None:
            return
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(group, error)
        else:
            self._group = None
            group.is_over.set()

    def _give_up(self, group: _Group, error: sqlite3.Error) -> None:
        """Nothing of the group is in the store: tell its members why, and let the next one connect afresh."""
        fault = sqlite3.OperationalError(*error.args)
        fault.sqlite_errorname = getattr(error, "sqlite_errorname", "")
        group.fault = fault
        self._group = None
        self._disconnect()
        group.is_over.set()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
