"""A connection that is read through: made when it is needed, and again after a loss."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg

from appliance.store.database import Connection, connect

Value = TypeVar("Value")


class Database:
    """One connection, made when it is needed and again after a loss; one thread at a time uses it."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Connection], Value]) -> Value:
        """The answer. Raises psycopg.Error when the database is away; reconnects once."""
        with self._lock:
            for last_try in (False, True):
                if self._connection is None or self._connection.closed:
                    self._connection = connect(self._conninfo, read_only=True)
                try:
                    return question(self._connection)
                except psycopg.OperationalError:
                    self._connection.close()
                    if last_try:
                        raise
            raise AssertionError("unreachable")
