"""Writers that wait for one another share a commit and nothing else: no failure, and no success too early."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.dashboard.database import Database, StoreAwayError
from appliance.dashboard.group_commit import MOST_IN_GROUP
from appliance.errors import RequestWrong
from tests.engine.breakable_proxy import wait_until

Work = Callable[[], None]


class Desk:
    """A store with one table, a look at it from outside, and every COMMIT that its writer makes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.database = Database(f"sqlite:///{self.path}")
        self.statements: list[str] = []
        self.writer = self.database._writer
        opened = self.writer._open

        def traced() -> sqlite3.Connection:
            connection = opened()
            connection.set_trace_callback(self.statements.append)
            return connection

        self.writer._open = traced
        with self.database.write() as session:
            session.run("CREATE TABLE note (text TEXT PRIMARY KEY, body TEXT)")
        self.statements.clear()

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")

    @property
    def notes(self) -> set[str]:
        with self.database.read() as session:
            return {row["text"] for row in session.all("SELECT text FROM note")}

    def add(self, text: str, *, durable: bool = True, body: str = "") -> None:
        with self.database.write(durable=durable) as session:
            session.run("INSERT INTO note VALUES (?, ?)", text, body)

    @contextmanager
    def crowd(
        self, *works: Work, first: str = "first", durable: bool = True
    ) -> Iterator[dict[int, BaseException]]:
        """Lets all of them wait behind one transaction, one after the other; yields what they raise."""
        raised: dict[int, BaseException] = {}

        def do(number: int, work: Work) -> None:
            try:
                work()
            except BaseException as error:
                raised[number] = error

        def hold() -> None:
            with self.database.write(durable=durable) as session:
                session.run("INSERT INTO note VALUES (?, '')", first)
                held.set()
                assert let_go.wait(60)

        held, let_go = threading.Event(), threading.Event()
        threads = [threading.Thread(target=do, args=(-1, hold))]
        threads[0].start()
        assert held.wait(60)
        for number, work in enumerate(works):
            threads.append(threading.Thread(target=do, args=(number, work)))
            threads[-1].start()
            wait_until(lambda: self.writer._turns.waiting == len(threads) - 1)
        let_go.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        yield raised


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


def test_those_who_wait_share_one_commit(desk: Desk) -> None:
    with desk.crowd(*(lambda n=n: desk.add(f"n{n}") for n in range(20))) as raised:  # type: ignore[misc]
        assert raised == {}
        assert desk.notes == {"first", *(f"n{n}" for n in range(20))}
        assert desk.commits == 1


def test_who_waits_for_nobody_commits_at_once(desk: Desk) -> None:
    for number in range(3):
        desk.add(f"n{number}")
        assert desk.commits == number + 1


def test_one_that_fails_takes_nothing_of_the_others_along(desk: Desk) -> None:
    def divide() -> None:
        with desk.database.write() as session:
            session.run("INSERT INTO note VALUES ('half done', '')")
            raise ZeroDivisionError

    works = (
        lambda: desk.add("before"),
        divide,
        lambda: desk.add("first"),
        lambda: desk.add("half \ud800 a pair"),
        lambda: desk.add("after"),
        divide,
    )
    with desk.crowd(*works) as raised:
        assert {number: type(error) for number, error in raised.items()} == {
            1: ZeroDivisionError,
            2: sqlite3.IntegrityError,
            3: RequestWrong,
            5: ZeroDivisionError,
        }
        assert desk.notes == {"first", "before", "after"}
        assert desk.commits == 1


def test_nobody_is_told_of_success_before_the_commit(desk: Desk) -> None:
    seen: list[set[str]] = []
    told: list[str] = []

    def early() -> None:
        desk.add("early")
        told.append("early")

    def look() -> None:
        with desk.database.write() as session:
            # Inside the group, after the work of those before: from outside there is nothing yet.
            assert session.value("SELECT count(*) FROM note") == 2
            seen.append(desk.notes)
            assert told == []

    with desk.crowd(early, look) as raised:
        assert raised == {} and seen == [set()] and told == ["early"]


def test_a_disk_that_is_full_fails_the_whole_group_and_the_next_one_starts_afresh(desk: Desk) -> None:
    def fill() -> None:
        with desk.database.write() as session:
            session.run("PRAGMA max_page_count = 8")
            session.run("INSERT INTO note VALUES ('large', ?)", "x" * 200_000)

    with desk.crowd(lambda: desk.add("before"), fill, lambda: desk.add("after")) as raised:
        assert {number: type(error) for number, error in raised.items()} == dict.fromkeys(
            (-1, 0, 1), StoreAwayError
        )
        assert "SQLITE_FULL" in str(raised[0])
        assert desk.notes == {"after"}
    desk.add("later")
    assert desk.notes == {"after", "later"}


def test_a_commit_that_fails_is_told_to_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
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

    monkeypatch.setattr(desk.writer, "_connection", Broken(desk.writer._connection))  # type: ignore[arg-type]
    with desk.crowd(lambda: desk.add("one"), lambda: desk.add("other")) as raised:
        assert {type(error) for error in raised.values()} == {StoreAwayError} and len(raised) == 3
    assert desk.notes == set()
    desk.add("later")
    assert desk.notes == {"later"}


def test_a_lasting_one_does_not_rely_on_a_group_that_promised_less(desk: Desk) -> None:
    levels: list[int] = []

    def lasting() -> None:
        with desk.database.write() as session:
            levels.append(session.value("PRAGMA synchronous"))
            session.run("INSERT INTO note VALUES ('lasting', '')")

    with desk.crowd(lasting, durable=False) as raised:
        assert raised == {} and levels == [2], "FULL"
        assert desk.commits == 2
    with desk.crowd(lambda: desk.add("rides along", durable=False), first="second") as raised:
        assert raised == {} and desk.commits == 3


def test_a_group_is_bounded(desk: Desk) -> None:
    count = MOST_IN_GROUP + 10
    with desk.crowd(*(lambda n=n: desk.add(f"n{n}") for n in range(count))) as raised:  # type: ignore[misc]
        assert raised == {} and len(desk.notes) == count + 1
        assert desk.commits == 2


def test_what_was_told_is_there_after_being_killed(tmp_path: Path) -> None:
    program = (
        "import sys, threading\n"
        "from appliance.dashboard.database import Database\n"
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
        told = [process.stdout.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    told += rest.splitlines()[:-1] if not rest.endswith("\n") else rest.splitlines()
    database = Database(url)
    with database.read() as session:
        stored = {row["text"] for row in session.all("SELECT text FROM note")}
    database.close()
    assert len(told) >= 300 and set(told) <= stored
