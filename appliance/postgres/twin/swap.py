"""Renames the finished database into the twin's place, in one transaction, and back.

Nothing is committed on the way: a process or server that dies at any point leaves either the former twin or
the new one under the twin's name, and open to its users. From the rename until the commit the server holds a
lock on the twin which new connections wait for; so sessions are ended inside that window, not before it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedError
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.database_sessions import DatabaseSession, end_sessions, sessions_in
from appliance.postgres.twin.database import read_database, run_sql
from appliance.postgres.twin.names import TwinNames

ATTEMPTS = 3
_ENDING_EVERY_S = 0.01
_LOOK_EVERY_S = 0.2
_MOMENT_S = 2.0
_LOCK_TIMEOUT_MS = 10_000

OpenAdmin = Callable[[], Connection[TupleRow]]
"""Opens a session on the target's maintenance database."""


def wait_for_sessions(
    admin: Connection[TupleRow], databases: Sequence[str], grace_s: float, tell: Callable[[str], None]
) -> None:
    """Give who is in these databases time to leave. New ones may come in meanwhile; none is kept out."""
    until = time.monotonic() + grace_s
    announced = False
    while (sessions := sessions_in(admin, databases)) and time.monotonic() < until:
        if not announced:
            roles = ", ".join(sorted({session.role for session in sessions}))
            tell(f"{len(sessions)} session(s) of {roles} in the twin get {grace_s:.0f} s to end.")
            announced = True
        time.sleep(_LOOK_EVERY_S)


def swap_in(
    open_admin: OpenAdmin,
    names: TwinNames,
    before_visible: Callable[[Connection[TupleRow]], None],
    *,
    again: str = "appliance twin publish",
) -> None:
    """Put ``names.next`` in the twin's place.

    The former twin becomes ``names.prev``, and what was that, ``names.gone``. ``before_visible`` gets the
    transaction's session while the new database is called ``names.swap``. Raises WorkFailedError, with
    nothing changed and the message saying what to GRANT before typing ``again``, where a session cannot be
    ended.
    """

    def renames(admin: Connection[TupleRow], rename: Callable[[str, str], None]) -> None:
        if read_database(admin, names.prev) is not None:
            rename(names.prev, names.gone)
        rename(names.next, names.swap)
        before_visible(admin)
        if read_database(admin, names.twin) is not None:
            rename(names.twin, names.prev)
        rename(names.swap, names.twin)

    _swap(open_admin, names, renames, names.next, again)


def swap_back(open_admin: OpenAdmin, names: TwinNames, *, again: str = "appliance twin rollback") -> None:
    """Exchange the twin and the former one; twice is as before.

    Raises WorkFailedError, also without a former.
    """

    def renames(admin: Connection[TupleRow], rename: Callable[[str, str], None]) -> None:
        if read_database(admin, names.prev) is None:
            raise WorkFailedError(
                f"There is no former twin to go back to: '{names.prev}' does not exist.",
                "The twin was published only once, or its former one was dropped.",
            )
        rename(names.prev, names.swap)
        if read_database(admin, names.twin) is not None:
            rename(names.twin, names.prev)
        rename(names.swap, names.twin)

    _swap(open_admin, names, renames, names.prev, again)


def _swap(
    open_admin: OpenAdmin,
    names: TwinNames,
    renames: Callable[[Connection[TupleRow], Callable[[str, str], None]], None],
    waiting: str,
    again: str,
) -> None:
    databases = [names.twin, names.prev, names.next]
    with open_admin() as admin, _Ender(open_admin) as ender:
        for _ in range(ATTEMPTS):
            _refuse_if_held(admin, names, databases, waiting, again)
            try:
                with admin.transaction():
                    # What is reported as done must still be so after a crash of the server.
                    admin.execute("SET LOCAL synchronous_commit = on")
                    admin.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")

                    def rename(old: str, new: str) -> None:
                        database = read_database(admin, old)
                        assert database is not None  # noqa: S101
                        with ender.ending(database.oid):
                            run_sql(admin, "ALTER DATABASE {} RENAME TO {}", old, new)

                    renames(admin, rename)
                return
            except psycopg.errors.ObjectInUse:
                continue
            except psycopg.Error as error:
                raise database_failure(f"The twin '{names.twin}' could not be swapped.", error) from None
        _refuse_if_held(admin, names, databases, waiting, again)
        raise WorkFailedError(
            f"The twin '{names.twin}' could not be swapped: sessions kept coming back into it.",
            "Each time they were ended, others were in it before the rename.",
            f"Stop what reconnects, then run: {again}",
            sqlstate="55006",
        )


class _Ender:
    """Ends the sessions of one database, over and over, from a session of its own."""

    def __init__(self, open_admin: OpenAdmin) -> None:
        self._admin = open_admin()
        self._tick = threading.Lock()
        self._database: int | None = None
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="end-sessions", daemon=True)

    def __enter__(self) -> _Ender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._wake.set()
        self._thread.join()
        self._admin.close()

    @contextlib.contextmanager
    def ending(self, database: int) -> Iterator[None]:
        """End the sessions in the database for the length of the block, and none after it."""
        self._database = database
        self._wake.set()
        try:
            yield
        finally:
            # A session that comes into a renamed database must not be ended any more.
            with self._tick:
                self._database = None
                self._wake.clear()

    def _work(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            with self._tick:
                if self._database is not None:
                    with contextlib.suppress(psycopg.Error):
                        end_sessions(self._admin, self._database)
            self._closed.wait(_ENDING_EVERY_S)


def _staying(admin: Connection[TupleRow], databases: Sequence[str]) -> list[DatabaseSession]:
    """Sessions that the role may not end and that do not end by themselves in a moment, as a monitor's do."""
    held = [session for session in sessions_in(admin, databases) if not session.may_end]
    until = time.monotonic() + _MOMENT_S
    while held and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        there = {session.pid for session in sessions_in(admin, databases)}
        held = [session for session in held if session.pid in there]
    return held


def _refuse_if_held(
    admin: Connection[TupleRow], names: TwinNames, databases: Sequence[str], waiting: str, again: str
) -> None:
    """Say who holds the swap up and what to grant, where the role may not end them."""
    held = _staying(admin, databases)
    role = f'"{admin.info.user}"'
    if held:
        superusers = sorted({session.role for session in held if session.superuser})
        others = sorted({session.role for session in held if not session.superuser})
        fixes = []
        if others:
            fixes.append(f"GRANT pg_signal_backend TO {role};  -- to end sessions of {', '.join(others)}")
        if superusers:
            fixes.append(
                f"Let {', '.join(superusers)} disconnect: only a superuser may end a superuser's session."
            )
        raise WorkFailedError(
            f"The twin '{names.twin}' was not swapped: '{waiting}' still stands beside it, ready.",
            f"{len(held)} session(s) of {', '.join(superusers + others)} are in"
            f" {', '.join(sorted({session.database for session in held}))}, and {role} may not end them.",
            "\n      ".join([*fixes, f"Then: {again}"]),
            sqlstate="42501",
        )
    prepared = admin.execute(
        "SELECT count(*) FROM pg_prepared_xacts WHERE database = ANY (%s)", [list(databases)]
    ).fetchone()
    if prepared is not None and prepared[0]:
        raise WorkFailedError(
            f"The twin '{names.twin}' could not be swapped.",
            f"{prepared[0]} prepared transaction(s) are open in {names.twin}.",
            "Look at pg_prepared_xacts, and COMMIT PREPARED or ROLLBACK PREPARED each of them.",
            sqlstate="55006",
        )
