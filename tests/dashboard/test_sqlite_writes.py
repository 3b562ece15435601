"""Threads that write to one SQLite store: no failure reaches another, and no success comes too early."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.dashboard.store.database import Database, StoreAwayError
from appliance.errors import WrongRequestError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/store.db")
    with database.write() as session:
        session.run("CREATE TABLE note (text TEXT PRIMARY KEY, body TEXT)")
    yield database
    database.close()


def add(store: Database, text: str, *, durable: bool = True, body: str = "") -> None:
    with store.write(durable=durable) as session:
        session.run("INSERT INTO note VALUES (?, ?)", text, body)


def notes(store: Database) -> set[str]:
    with store.read() as session:
        return set(session.column(str, "SELECT text FROM note"))


def test_many_threads_write_and_every_one_is_there(store: Database) -> None:
    threads = [threading.Thread(target=add, args=(store, f"n{number}")) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert notes(store) == {f"n{number}" for number in range(40)}


def test_one_that_fails_takes_nothing_of_the_others_along(store: Database) -> None:
    add(store, "before")
    with pytest.raises(ZeroDivisionError), store.write() as session:
        session.run("INSERT INTO note VALUES ('half done', '')")
        raise ZeroDivisionError
    with pytest.raises(sqlite3.IntegrityError):
        add(store, "before")
    with pytest.raises(WrongRequestError):
        add(store, "half \ud800 a pair")
    add(store, "after")
    assert notes(store) == {"before", "after"}


def test_a_disk_that_is_full_fails_that_write_alone(store: Database) -> None:
    add(store, "before")
    with pytest.raises(StoreAwayError, match="SQLITE_FULL"), store.write() as session:
        session.run("PRAGMA max_page_count = 8")
        session.run("INSERT INTO note VALUES ('large', ?)", "x" * 200_000)
    with store.write() as session:
        session.run("PRAGMA max_page_count = 1000000")
    add(store, "after")
    assert notes(store) == {"before", "after"}


def test_a_commit_that_fails_is_no_success(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """The writer's connection, on a disk that breaks at the COMMIT."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self.real = real

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self.real.execute(sql, *values)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(store, "_writer", Broken(store._writer))
        with pytest.raises(StoreAwayError):
            add(store, "lost")
    assert notes(store) == set()
    add(store, "later")
    assert notes(store) == {"later"}


def test_a_lasting_write_is_on_the_disk_and_a_passing_one_need_not_be(store: Database) -> None:
    levels = []
    for durable in (True, False, True):
        with store.write(durable=durable) as session:
            levels.append(session.value(int, "PRAGMA synchronous"))
    assert levels == [2, 1, 2], "FULL, NORMAL, FULL"


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys, threading\n"
        "from appliance.dashboard.store.database import Database\n"
        "database = Database(sys.argv[1])\n"
        "with database.write() as session: session.run('CREATE TABLE note (text TEXT PRIMARY KEY)')\n"
        "def work(name):\n"
        "    for number in range(10**6):\n"
        "        with database.write() as session:\n"
        "            session.run('INSERT INTO note VALUES (?)', f'{name}-{number}')\n"
        "        sys.stdout.write(f'{name}-{number}\\n'); sys.stdout.flush()\n"
        "for name in 'abcdefgh': threading.Thread(target=work, args=(name,)).start()\n"
    )
    url = f"sqlite:///{tmp_path}/store.db"
    with subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = [process.stdout.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    written += rest.splitlines()[:-1] if not rest.endswith("\n") else rest.splitlines()
    database = Database(url)
    stored = notes(database)
    database.close()
    assert len(written) >= 300 and set(written) <= stored
