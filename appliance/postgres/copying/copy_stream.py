"""Pass a COPY from one server to another, row message by row message, at the level of libpq.

Both sockets are used without blocking, so that a signal is heard at once however slow a server is, and what
is in flight stays bounded however large the table. Bytes are passed on as they come: nothing is parsed.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from appliance.postgres.copying.long_row import long_row

# How much may wait to be sent before the target has to take it.
_FLUSH_BYTES = 128 * 1024
# A long row goes in pieces, which need not end where rows do: libpq would keep a copy of all that waits.
_PIECE_BYTES = 1 << 20
_READINGS_OF_A_LONG_ROW = 8
# The longest nap: it ends earlier when the socket moves.
_NAP_MS = 1000


class HalfBrokeError(Exception):
    """One half of a copy failed. ``error`` is psycopg's: it may hold values, so it is never shown."""

    def __init__(self, error: psycopg.Error) -> None:
        self.error = error
        super().__init__(type(error).__name__)


class SourceBrokeError(HalfBrokeError):
    """The reading half failed."""


class TargetBrokeError(HalfBrokeError):
    """The writing half failed."""


@dataclass(frozen=True)
class Copied:
    """What one COPY moved."""

    rows: int
    bytes: int


def pipe(
    source: pq.abc.PGconn,
    target: pq.abc.PGconn,
    copy_out: str,
    copy_in: str,
    on_bytes: Callable[[int, int], None],
    *,
    on_nap: Callable[[], None] = lambda: None,
) -> Copied:
    """Run ``copy_out`` on the source and feed it to ``copy_in`` on the target, in the caller's transactions.

    ``on_bytes(rows, bytes)`` is called now and then with the totals so far, ``on_nap()`` before waiting for
    either server; what they raise ends the copying. Raises SourceBrokeError or TargetBrokeError; both
    sessions may then be inside a COPY and must be closed.
    """
    (copied,) = pipe_all(source, target, [(copy_out, copy_in)], on_bytes, on_nap=on_nap)
    return copied


def pipe_all(
    source: pq.abc.PGconn,
    target: pq.abc.PGconn,
    copies: Sequence[tuple[str, str]],
    on_bytes: Callable[[int, int], None],
    *,
    on_nap: Callable[[], None] = lambda: None,
) -> list[Copied]:
    """The same for several copies (out, in), one after the other; the servers are given all at once.

    So neither waits for the other between two tables. ``on_bytes`` has the totals of the one under way.
    """
    out, into = _End(source, SourceBrokeError, on_nap), _End(target, TargetBrokeError, on_nap)
    into.send("; ".join(copy_in for _, copy_in in copies))
    out.send("; ".join(copy_out for copy_out, _ in copies))
    done = [_one(out, into, on_bytes) for _ in copies]
    out.end()
    into.end()
    return done


def _one(out: _End, into: _End, on_bytes: Callable[[int, int], None]) -> Copied:
    source, target = out.connection, into.connection
    into.expect(pq.ExecStatus.COPY_IN)
    out.expect(pq.ExecStatus.COPY_OUT)
    rows = size = waiting = dry = 0
    # A TLS layer may hold decrypted bytes that the socket does not show, never more than one reading takes.
    readings_before_nap = 2 if source.ssl_in_use else 1
    get, put = source.get_copy_data, target.put_copy_data
    while True:
        try:
            length, data = get(1)
        except psycopg.Error as error:
            raise out.failed(error) from None
        if length > 0:
            try:
                put(data)
            except psycopg.Error as error:
                raise into.failed(error) from None
            dry = 0
            rows += 1
            waiting += length
            if waiting >= _FLUSH_BYTES:
                size += waiting
                waiting = 0
                into.push()
                on_bytes(rows, size)
        elif length == 0:
            dry += 1
            out.read(may_nap=dry > readings_before_nap)
            if dry <= _READINGS_OF_A_LONG_ROW:
                continue
            # What came so far was no whole row: one that takes so many readings is passed on in place.
            length, long = long_row(source)
            if long is not None:
                with long as row:
                    into.pass_on(row)
                dry = 0
                rows += 1
                size += length
                on_bytes(rows, size + waiting)
            elif length == -1:
                break
            elif length < 0:
                raise out.failed(psycopg.OperationalError("the copy broke off"))
        else:
            break
    sent = out.finish()
    into.end_copy()
    arrived = into.finish()
    if sent != arrived:
        raise TargetBrokeError(psycopg.DataError(f"{sent} rows were sent and {arrived} arrived"))
    return Copied(arrived, size + waiting)


class _End:
    """One connection's half of the work."""

    def __init__(
        self, connection: pq.abc.PGconn, failure: type[HalfBrokeError], on_nap: Callable[[], None]
    ) -> None:
        self.connection = connection
        self.failure = failure
        self.on_nap = on_nap
        self.poll = select.poll()
        try:
            connection.nonblocking = 1
            self.poll.register(connection.socket, select.POLLIN)
        except psycopg.Error as error:
            raise failure(error) from None

    def send(self, statements: str) -> None:
        """Send COPY statements."""
        try:
            self.connection.send_query(statements.encode())
        except psycopg.Error as error:
            raise self.failed(error) from None
        self.push()

    def expect(self, expected: pq.ExecStatus) -> None:
        """Wait until the server is ready for the data of the next statement."""
        try:
            result = self._result()
        except psycopg.Error as error:
            raise self.failed(error) from None
        if result is None or result.status != expected:
            raise self._failure_of(result)

    def pass_on(self, row: memoryview) -> None:
        """Send a long row, piece by piece, as the server takes it."""
        for start in range(0, len(row), _PIECE_BYTES):
            try:
                self.connection.put_copy_data(row[start : start + _PIECE_BYTES])
            except psycopg.Error as error:
                raise self.failed(error) from None
            self.push()

    def push(self) -> None:
        """Send what waits to be sent; take in an error that has come back meanwhile."""
        connection = self.connection
        try:
            connection.consume_input()
            while connection.flush():
                self.poll.modify(connection.socket, select.POLLIN | select.POLLOUT)
                try:
                    self._nap()
                finally:
                    self.poll.modify(connection.socket, select.POLLIN)
                connection.consume_input()
        except psycopg.Error as error:
            raise self.failed(error) from None

    def read(self, *, may_nap: bool) -> None:
        """Take in what has come, after waiting for it where that is allowed."""
        if may_nap:
            self._nap()
        try:
            self.connection.consume_input()
        except psycopg.Error as error:
            raise self.failed(error) from None

    def end_copy(self) -> None:
        """Say that all rows have been sent."""
        try:
            self.connection.put_copy_end()
        except psycopg.Error as error:
            raise self.failed(error) from None
        self.push()

    def finish(self) -> int:
        """Wait for the end of one command; returns its row count."""
        try:
            result = self._result()
            if result is None or result.status != pq.ExecStatus.COMMAND_OK:
                raise self._failure_of(result)
        except psycopg.Error as error:
            raise self.failed(error) from None
        return result.command_tuples or 0

    def end(self) -> None:
        """Take in that there is no further command."""
        try:
            while (result := self._result()) is not None:
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise self._failure_of(result)
            self.connection.nonblocking = 0
        except psycopg.Error as error:
            raise self.failed(error) from None

    def failed(self, error: psycopg.Error) -> HalfBrokeError:
        """What the server itself says went wrong, or else what libpq says."""
        try:
            result = self.connection.get_result()
        except psycopg.Error:
            return self.failure(error)
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            return self._failure_of(result)
        return self.failure(error)

    def _nap(self) -> None:
        self.on_nap()
        self.poll.poll(_NAP_MS)

    def _result(self) -> pq.abc.PGresult | None:
        while self.connection.is_busy():
            self._nap()
            self.connection.consume_input()
        return self.connection.get_result()

    def _failure_of(self, result: pq.abc.PGresult | None) -> HalfBrokeError:
        if result is None:
            return self.failure(psycopg.OperationalError("the server gave no result"))
        error = error_from_result(result)
        # A result without a state is libpq's own word for a connection that is gone.
        return self.failure(error if error.sqlstate else psycopg.OperationalError("the connection is gone"))
