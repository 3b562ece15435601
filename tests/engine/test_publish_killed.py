"""Publishing is killed at every statement that changes something: the next attempt completes it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from appliance.postgres.twin.database import mark
from appliance.postgres.twin.names import twin_names
from tests.engine.clusters import Cluster
from tests.engine.test_publish import RUN, Stage

_fork = multiprocessing.get_context("fork")
_READS = (b"SELECT", b"WITH", b"SHOW", b"SET", b"DEALLOCATE")
# What the server may complete after its client has died.
_COMPLETED = ("ALTER", "DROP", "COMMIT")


@pytest.fixture
def stage(target: Cluster, twin_database: str) -> Iterator[Stage]:
    names = twin_names(twin_database)
    stage = Stage(target, names)
    stage.database(names.prev, "older", run="run-1")
    stage.database(names.twin, "old", run="run-2")
    target.sql(
        names.twin, f'CREATE SCHEMA crm; ALTER DATABASE "{names.twin}" SET work_mem = 9999', "twin_owner"
    )
    target.sql(names.twin, "GRANT SELECT ON public.which TO pg_monitor", "twin_owner")
    yield stage
    for name in vars(names).values():
        target.drop_database(name)


@pytest.mark.timeout(300)
def test_a_publish_that_is_killed_leaves_a_twin_and_is_completed_by_the_next(stage: Stage) -> None:
    stage.finished_next()
    statements = _statements_of(stage)
    assert len(statements) > 12 and any("RENAME" in text for text in statements), statements
    for number, statement in enumerate(statements):
        for moment in ("before", "during") if statement.startswith(_COMPLETED) else ("before",):
            point = f"killed {moment} {statement!r} ({number})"
            _set_the_stage(stage)
            _publish_and_die(stage, number, moment)
            _check_nothing_is_lost(stage, point)
            stage.publish()
            assert stage.found() == {
                "twin": "new",
                "prev": "old",
                "next": None,
                "gone": None,
                "swap": None,
            }, point
            assert stage.target.value(stage.names.twin, "SHOW work_mem") == "9999kB", point


def _set_the_stage(stage: Stage) -> None:
    """The twin is the old one again, its former one the older, and a new one is finished."""
    names, target = stage.names, stage.target
    for name, which, run in ((names.twin, "old", "run-2"), (names.prev, "older", "run-1")):
        target.sql(name, f"UPDATE public.which SET name = '{which}'", "twin_owner")
        with stage.admin() as admin:
            mark(admin, name, workflow="w", run=run, state="published")
    if names.next not in target.databases():
        stage.finished_next()


def _check_nothing_is_lost(stage: Stage, point: str) -> None:
    names = stage.names
    deadline = time.monotonic() + 300
    # The server may still be at the dead process's last statement.
    while stage.target.sessions(RUN):
        assert time.monotonic() < deadline, point
        time.sleep(0.02)
    assert stage.target.rows("postgres", "SELECT datname FROM pg_database WHERE NOT datallowconn") == [
        ("template0",)
    ]
    found = stage.found()
    assert found["swap"] is None, point
    before = {"twin": "old", "prev": "older", "next": "new", "gone": None, "swap": None}
    after = {"twin": "new", "prev": "old", "next": None, "swap": None}
    assert found == before or {**found, "gone": None} == {**after, "gone": None}, (point, found)
    if found == before:
        # Only its owner is let into what is not published.
        acl = stage.target.value(
            "postgres",
            "SELECT coalesce(datacl::text, 'all') FROM pg_database WHERE datname = %s",
            [names.next],
        )
        assert acl != "all" and not any(part.startswith("=") for part in acl.strip("{}").split(",")), point


def _statements_of(stage: Stage) -> list[str]:
    """What publishing executes, without what only reads."""
    receiver, sender = _fork.Pipe(duplex=False)

    def count() -> None:
        seen: list[str] = []
        _before_each_change(lambda _, statement: seen.append(statement.decode()[:80]))
        stage.publish()
        sender.send(seen)

    child = _fork.Process(target=count)
    child.start()
    seen: list[str] = receiver.recv()
    child.join()
    return seen


def _publish_and_die(stage: Stage, number: int, moment: str) -> None:
    def work() -> None:
        left = [number]

        def die(connection: psycopg.Connection[Any], statement: bytes) -> None:
            left[0] -= 1
            if left[0] < 0:
                if moment == "during":
                    connection.pgconn.send_query(statement)
                    while connection.pgconn.flush():
                        pass
                os.kill(os.getpid(), signal.SIGKILL)

        _before_each_change(die)
        stage.publish()

    child = _fork.Process(target=work)
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL


def _before_each_change(call: Callable[[psycopg.Connection[Any], bytes], None]) -> None:
    """In this process, ``call`` gets each statement that changes something before the server does."""
    execute, command = psycopg.Cursor.execute, psycopg.Connection._exec_command

    def watched_execute(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        text = query.as_string(self) if isinstance(query, psycopg.sql.Composable) else query
        statement = text if isinstance(text, bytes) else text.encode()
        if params is None and not statement.lstrip().upper().startswith(_READS):
            call(self.connection, statement)
        return execute(self, query, params, **options)

    def watched_command(self: Any, statement: Any, **options: Any) -> Any:
        if not statement.upper().startswith((b"BEGIN", b"SAVEPOINT", b"RELEASE", b"DEALLOCATE")):
            call(self, statement)
        return (yield from command(self, statement, **options))

    psycopg.Cursor.execute = watched_execute  # type: ignore[method-assign]
    psycopg.Connection._exec_command = watched_command  # type: ignore[method-assign]
