"""Sessions of one kind, kept open between pieces of work: opening one takes longer than most pieces do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from psycopg.pq import TransactionStatus

from appliance.postgres.sessions.parallel_jobs import Session


class KeptSessions:
    """Opens a session where none is idle. What is set in one with SET stays: use it for one kind of work."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session
        self._idle: list[Session] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    def open(self) -> Session:
        """One that is idle, or a new one. Raises what opening raises."""
        return self._idle.pop() if self._idle else self._open()

    def close(self, session: Session) -> None:
        """Take it back. One that is in a transaction, or broken, is of no use to others."""
        if session.closed or session.info.transaction_status is not TransactionStatus.IDLE:
            session.close()
        else:
            self._idle.append(session)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """One for a block; after a failure it is not used again."""
        session = self.open()
        try:
            yield session
        except BaseException:
            session.close()
            raise
        self.close(session)
