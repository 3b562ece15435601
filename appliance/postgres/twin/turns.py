"""Who may replace, and who may copy, the databases of one twin: never both at a time.

A database that is being copied can be neither renamed nor dropped until the copy is whole, which takes
minutes where it is large. A swap that ran into that would fail, so it waits its turn; and who wants to copy
waits while a twin is replaced. The turn ends with the session that holds it, whatever became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from psycopg import Connection
from psycopg.rows import TupleRow

OpenAdmin = Callable[[], Connection[TupleRow]]
"""Opens a session on the server's maintenance database."""

_BRANCHES = "appliance: branches of this server"


@contextmanager
def replacing(open_admin: OpenAdmin, twin: str, tell: Callable[[str], None]) -> Iterator[None]:
    """While the twin's databases are renamed or dropped. Raises psycopg errors."""
    with closing(open_admin()) as session:
        if not _take(session, "pg_try_advisory_lock", twin):
            tell(f"A branch of '{twin}' is being copied: waiting until it is made.")
            _take(session, "pg_advisory_lock", twin)
        yield


@contextmanager
def copying(session: Connection[TupleRow], twin: str) -> Iterator[None]:
    """While one of the twin's databases is copied, by ``session`` itself. Raises psycopg errors."""
    _take(session, "pg_advisory_lock_shared", twin)
    try:
        yield
    finally:
        if not session.broken:
            _take(session, "pg_advisory_unlock_shared", twin)


@contextmanager
def changing_branches(session: Connection[TupleRow]) -> Iterator[None]:
    """One at a time on a server: what counts and measures them must not be overtaken by another."""
    _take(session, "pg_advisory_lock", _BRANCHES)
    try:
        yield
    finally:
        if not session.broken:
            _take(session, "pg_advisory_unlock", _BRANCHES)


def _take(session: Connection[TupleRow], function: str, what: str) -> bool:
    row = session.execute(
        f"SELECT {function}(hashtextextended(%s, 0))::text".encode(), [f"appliance twin {what}"]
    ).fetchone()
    return row is not None and row[0] != "false"
