"""A thin layer over SQLite and PostgreSQL: the same SQL, rows as the types that are asked for.

``?`` stands for a parameter and for nothing else: no SQL text may hold one in a literal.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import psycopg

from appliance.dashboard.store.migrations import split_migrations, statements
from appliance.dashboard.store.rows import RowT, Value, rows_of
from appliance.errors import WrongRequestError

ScalarT = TypeVar("ScalarT", str, int, float)
IDLE_CONNECTIONS = 8
BUSY_MS = 15_000
_MIGRATION_LOCK = 0x64617368  # "dash": any number that only this code uses


class StoreAwayError(Exception):
    """The store does not answer, is full, or stayed locked. Nothing of what was asked for has been done."""


class _Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    @property
    def description(self) -> Sequence[Sequence[Any]] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class _Connection(Protocol):
    def execute(self, sql: str, parameters: Sequence[Value] = (), /) -> _Cursor: ...

    def close(self) -> None: ...


class Session:
    """One transaction, whose SQL has ``?`` for each value on SQLite and PostgreSQL alike."""

    def __init__(self, connection: _Connection, is_postgres: bool) -> None:
        self._connection = connection
        self._is_postgres = is_postgres

    def _execute(self, sql: str, values: Sequence[Value]) -> _Cursor:
        return self._connection.execute(_for_psycopg(sql) if self._is_postgres else sql, values)

    def all(self, shape: type[RowT], sql: str, *values: Value) -> list[RowT]:
        """Every row, as a dataclass whose fields are the columns."""
        cursor = self._execute(sql, values)
        columns = [column[0] for column in cursor.description or ()]
        return rows_of(shape, columns, cursor.fetchall())

    def one(self, shape: type[RowT], sql: str, *values: Value) -> RowT | None:
        """The first row, or None."""
        rows = self.all(shape, sql, *values)
        return rows[0] if rows else None

    def column(self, kind: type[ScalarT], sql: str, *values: Value) -> list[ScalarT]:
        """The first column of every row."""
        return [kind(row[0]) for row in self._execute(sql, values).fetchall()]

    def value(self, kind: type[ScalarT], sql: str, *values: Value) -> ScalarT | None:
        """The first column of the first row; None without a row, and for NULL."""
        rows = self._execute(sql, values).fetchall()
        return None if not rows or rows[0][0] is None else kind(rows[0][0])

    def count(self, sql: str, *values: Value) -> int:
        """The first column of the first row, a count or a sum; 0 for none."""
        return self.value(int, sql, *values) or 0

    def run(self, sql: str, *values: Value) -> int:
        """Execute; returns how many rows it touched."""
        return int(self._execute(sql, values).rowcount)

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Execute once for each row of values."""
        for values in rows:
            self._execute(sql, values)


@lru_cache(maxsize=512)
def _for_psycopg(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


class Database:
    """A few pooled connections to one store. Threads share it; every use is one transaction."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_postgres = not url.startswith("sqlite:///")
        self._idle: list[_Connection] = []
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        if not self.is_postgres:
            self._path = Path(url.removeprefix("sqlite:///"))
            self._path.parent.mkdir(parents=True, exist_ok=True)

    def _open_postgres(self) -> _Connection:
        opened = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            options="-c statement_timeout=30s -c lock_timeout=10s -c timezone=UTC",
            application_name="appliance-dashboard",
        )
        # psycopg asks for SQL that is written out in the code; Session takes what its callers wrote.
        return cast("_Connection", opened)

    def _open_sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "journal_size_limit=67108864",
            "cache_size=-8000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _take(self) -> _Connection:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        return self._open_postgres() if self.is_postgres else self._open_sqlite()

    def _give_back(self, connection: _Connection) -> None:
        with self._guard:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close every connection that no one uses."""
        self._close_idle()
        with self._writing:
            self._drop_writer()

    def _close_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view; writes nothing. Raises StoreAwayError."""
        with self._transaction("BEGIN READ ONLY" if self.is_postgres else "BEGIN") as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """A transaction that commits unless the block raises.

        ``durable=False`` leaves it to the store when to flush to disk: a power cut may lose the last of them.
        It is for what the next heartbeat says again. Raises StoreAwayError.
        """
        if self.is_postgres:
            with self._transaction("BEGIN") as session:
                if not durable:
                    session.run("SET LOCAL synchronous_commit = off")
                yield session
            return
        with _in_our_words(), self._sqlite_writer(durable) as connection:
            yield Session(connection, is_postgres=False)

    @contextmanager
    def _sqlite_writer(self, durable: bool) -> Iterator[sqlite3.Connection]:
        """SQLite takes one writer at a time: threads wait here instead of in SQLite, which polls."""
        with self._writing:
            if self._writer is None:
                self._writer = self._open_sqlite()
            try:
                self._writer.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        """Roll back; a connection that cannot is replaced by the next one to write."""
        try:
            if self._writer is not None and self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_writer()

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(sqlite3.Error):
                writer.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Session]:
        connection = None
        try:
            with _in_our_words():
                connection = self._take()
                connection.execute(begin)
                yield Session(connection, self.is_postgres)
                connection.execute("COMMIT")
        except StoreAwayError:
            self._discard(connection)
            # The others to a server that went away are no better.
            self._close_idle()
            raise
        except BaseException:
            self._roll_back(connection)
            raise
        self._give_back(connection)

    def _roll_back(self, connection: _Connection | None) -> None:
        if connection is None:
            return
        try:
            connection.execute("ROLLBACK")
        except (sqlite3.Error, psycopg.Error):
            self._discard(connection)
        else:
            self._give_back(connection)

    @staticmethod
    def _discard(connection: _Connection | None) -> None:
        if connection is not None:
            connection.close()

    def migrate(self) -> int:
        """Bring the schema up to date; returns its version. Safe when several processes start at once."""
        schema = files("appliance.dashboard.store").joinpath("schema.sql").read_text(encoding="utf-8")
        with self.write() as session:
            if self.is_postgres:
                session.run("SELECT pg_advisory_xact_lock(?)", _MIGRATION_LOCK)
            session.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
            version = session.count("SELECT max(version) FROM schema_version")
            for number, block in split_migrations(schema):
                if number <= version:
                    continue
                for statement in statements(block, self.is_postgres):
                    session.run(statement)
                session.run("INSERT INTO schema_version (version) VALUES (?)", number)
                version = number
            return version


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Turns what a driver raises into StoreAwayError, or WrongRequestError where the value is at fault."""
    try:
        yield
    except (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreAwayError(_reason(error)) from error
    except (psycopg.DataError, OverflowError, UnicodeEncodeError) as error:
        # A NUL, half a surrogate pair, a number beyond 64 bits: nothing that a store could hold.
        raise WrongRequestError("A value cannot be stored.", "", "Correct it and try again.") from error


def _reason(error: Exception) -> str:
    state = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__
