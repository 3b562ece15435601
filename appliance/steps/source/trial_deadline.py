"""The end of a session in which code of the source's owner is tried, if that does not end by itself.

A statement's timeout is an error that a function can catch, and then go on. The end of its session is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from types import TracebackType

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError

SECONDS = 60.0


class TrialDeadline:
    """Ends ``session`` after ``seconds``, from another one, unless the block is left before."""

    def __init__(
        self, session: Connection[TupleRow], another: Callable[[], Connection[TupleRow]], seconds: float
    ) -> None:
        self._pid, self._another = session.info.backend_pid, another
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self.passed = False
        """It was ended."""

    def __enter__(self) -> TrialDeadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()

    def _end(self) -> None:
        self.passed = True
        try:
            with closing(self._another()) as session:
                session.execute("SELECT pg_terminate_backend(%s)", [self._pid])
        except (psycopg.Error, ApplianceError):
            # The server is gone or full: what waits for it hears the same.
            return
