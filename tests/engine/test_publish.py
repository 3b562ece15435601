"""Publishing: the finished database takes the twin's place, and no reader ever finds less than there was."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.postgres.twin.database import mark
from appliance.postgres.twin.names import TwinNames, twin_names
from appliance.postgres.twin.publishing import Published, Publisher, roll_back
from appliance.postgres.twin.swap import swap_in
from tests.engine.clusters import Cluster

RUN = "run-now"
_SETTINGS = (
    "SELECT setconfig FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase"
    " WHERE datname = current_database()"
)


@dataclass
class Stage:
    """The databases of one twin on a target, each holding its name in the table ``which``."""

    target: Cluster
    names: TwinNames
    sentences: list[str] = field(default_factory=list)

    def database(self, name: str, which: str, *, run: str | None, state: Any = "published") -> None:
        with self.admin() as admin:
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            if run is not None:
                mark(admin, name, workflow="w", run=run, state=state)
        self.target.sql(
            name,
            f"CREATE TABLE public.which AS SELECT '{which}'::text AS name",
            "twin_owner",
        )

    def finished_next(self) -> None:
        self.database(self.names.next, "new", run=RUN, state="finished")
        self.target.sql("postgres", f'REVOKE ALL ON DATABASE "{self.names.next}" FROM PUBLIC', "twin_owner")

    def admin(self) -> psycopg.Connection[Any]:
        return self.open("postgres")

    def open(self, database: str) -> psycopg.Connection[Any]:
        connection = self.target.connect(database, "twin_owner", application_name=RUN)
        connection.execute("SET search_path = ''")
        return connection

    def publisher(self, grace_s: float = 0) -> Publisher:
        return Publisher(
            names=self.names,
            connection="staging",
            open_admin=self.admin,
            open_database=self.open,
            workflow="w",
            run=RUN,
            grace_s=grace_s,
            tell=self.sentences.append,
        )

    def publish(self, grace_s: float = 0) -> Published:
        return self.publisher(grace_s).publish()

    def which(self, name: str) -> str | None:
        """What a data user finds under this name; None where there is no such database."""
        if name not in self.target.databases():
            return None
        return str(self.target.value(name, "SELECT name FROM public.which"))

    def found(self) -> dict[str, str | None]:
        names = self.names
        return {part: self.which(getattr(names, part)) for part in ("twin", "prev", "next", "gone", "swap")}


@pytest.fixture
def stage(target: Cluster, twin_database: str) -> Iterator[Stage]:
    names = twin_names(twin_database)
    yield Stage(target, names)
    for name in (names.twin, names.prev, names.next, names.gone, names.swap):
        target.drop_database(name)


@pytest.fixture
def third_twin(stage: Stage) -> Stage:
    """A twin that has a former one, and the next one beside it."""
    stage.database(stage.names.prev, "older", run="run-1")
    stage.database(stage.names.twin, "old", run="run-2")
    stage.finished_next()
    return stage


@pytest.fixture
def someone(target: Cluster) -> Iterator[str]:
    """A data user whom the twin's owner has nothing to say to."""
    name = f"someone_{time.monotonic_ns()}"
    target.role(name)
    yield name
    for database in target.databases():
        target.sql(database, f"DROP OWNED BY {name}")
    target.sql("postgres", f"DROP ROLE {name}")


def test_the_first_twin_takes_a_name_that_nothing_had(stage: Stage, someone: str) -> None:
    stage.finished_next()
    published = stage.publish()
    assert stage.found() == {"twin": "new", "prev": None, "next": None, "gone": None, "swap": None}
    assert not published.replaced
    assert stage.target.value(stage.names.twin, "SELECT current_user::text", user=someone) == someone


def test_the_former_twin_is_kept_and_the_one_before_it_dropped(third_twin: Stage) -> None:
    assert third_twin.publish().replaced
    assert third_twin.found() == {"twin": "new", "prev": "old", "next": None, "gone": None, "swap": None}


def test_a_swap_is_on_disk_before_it_is_told(third_twin: Stage) -> None:
    asked: list[Any] = []

    def ask(session: psycopg.Connection[Any]) -> None:
        asked.append(session.execute("SHOW synchronous_commit").fetchone())

    def in_a_hurry() -> psycopg.Connection[Any]:
        session = third_twin.admin()
        session.execute("SET synchronous_commit = off")
        return session

    swap_in(in_a_hurry, third_twin.names, ask)
    assert asked == [("on",)]


def test_publishing_again_finds_it_done(third_twin: Stage) -> None:
    third_twin.publish()
    assert third_twin.publish().already
    assert third_twin.found() == {"twin": "new", "prev": "old", "next": None, "gone": None, "swap": None}


def test_a_name_that_is_as_long_as_names_can_be_has_room_for_its_parts(target: Cluster) -> None:
    names = twin_names("ü" * 31 + "x")
    stage = Stage(target, names)
    try:
        stage.database(names.twin, "old", run="run-1")
        stage.finished_next()
        stage.publish()
        assert (stage.which(names.twin), stage.which(names.prev)) == ("new", "old")
        beside = {*vars(names).values()}
        assert len(beside) == len(vars(names)) and all(len(name.encode()) <= 63 for name in beside)
    finally:
        for name in vars(names).values():
            target.drop_database(name)


@pytest.mark.parametrize("user", ["someone", "twin_owner", "postgres"])
def test_readers_who_connect_without_pause_find_the_old_twin_or_the_new_and_nothing_else(
    third_twin: Stage, someone: str, user: str
) -> None:
    """Also a monitor's superuser, whose sessions no role may end, as long as they end by themselves."""
    for name in (third_twin.names.twin, third_twin.names.next):
        third_twin.target.sql(name, "GRANT SELECT ON public.which TO PUBLIC", "twin_owner")
    third_twin.target.sql("postgres", "GRANT pg_signal_backend TO twin_owner")
    user = someone if user == "someone" else user
    readers = [_Reader(third_twin.target, third_twin.names.twin, user) for _ in range(3)]
    for reader in readers:
        reader.start()
    _until(lambda: all(len(reader.outcomes) > 20 for reader in readers))
    third_twin.publish()
    third_twin.target.sql("postgres", "REVOKE pg_signal_backend FROM twin_owner")
    counts = [len(reader.outcomes) for reader in readers]
    _until(
        lambda: all(len(reader.outcomes) > count + 20 for reader, count in zip(readers, counts, strict=True))
    )
    for reader in readers:
        reader.stop()
        found = [outcome for outcome in reader.outcomes if outcome in {"old", "new"}]
        assert found == sorted(found, reverse=True), "back and forth"
        assert {"old", "new"} == set(found)
        assert set(reader.outcomes) <= {"old", "new", "ended", "refused"}, reader.outcomes
        assert reader.longest_failure() <= 3, reader.outcomes


def test_sessions_that_end_in_their_grace_are_not_ended_by_force(third_twin: Stage) -> None:
    inside = third_twin.target.connect(third_twin.names.twin)

    def leave_when_asked() -> None:
        _until(lambda: bool(third_twin.sentences))
        inside.close()

    leaving = threading.Thread(target=leave_when_asked)
    leaving.start()
    third_twin.publish(grace_s=600)
    leaving.join()
    assert third_twin.which(third_twin.names.twin) == "new"
    # A session that has just been closed may still be listed for a moment.
    assert re.search(r"postgres\b.* in the twin get 600 s to end", third_twin.sentences[0])


def test_sessions_that_may_be_ended_are_ended_when_their_grace_is_over(third_twin: Stage) -> None:
    with third_twin.open(third_twin.names.twin) as inside:
        third_twin.publish(grace_s=0.5)
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")
    assert third_twin.which(third_twin.names.twin) == "new"


def test_sessions_that_may_not_be_ended_keep_the_twin_and_the_message_says_what_to_grant(
    third_twin: Stage, someone: str
) -> None:
    target = third_twin.target
    target.sql(third_twin.names.twin, "GRANT SELECT ON public.which TO PUBLIC", "twin_owner")
    with target.connect(third_twin.names.twin, someone) as inside:
        with pytest.raises(WorkFailedError) as caught:
            third_twin.publish()
        text = caught.value.text()
        assert 'GRANT pg_signal_backend TO "twin_owner"' in text and someone in text
        assert third_twin.names.next in text and "appliance twin publish staging" in text
        assert inside.execute("SELECT name FROM public.which").fetchone() == ("old",)
        assert third_twin.found() == {
            "twin": "old",
            "prev": "older",
            "next": "new",
            "gone": None,
            "swap": None,
        }
        target.sql("postgres", "GRANT pg_signal_backend TO twin_owner")
        try:
            third_twin.publish()
        finally:
            target.sql("postgres", "REVOKE pg_signal_backend FROM twin_owner")
    assert third_twin.found() == {"twin": "new", "prev": "old", "next": None, "gone": None, "swap": None}


def test_a_superusers_session_is_asked_for_not_ended(third_twin: Stage) -> None:
    with third_twin.target.connect(third_twin.names.prev) as inside:
        with pytest.raises(WorkFailedError) as caught:
            third_twin.publish()
        assert "Let postgres disconnect" in caught.value.text()
        assert inside.execute("SELECT name FROM public.which").fetchone() == ("older",)
    third_twin.publish()
    assert third_twin.which(third_twin.names.twin) == "new"


def test_a_roll_back_exchanges_the_twin_and_the_former_one_and_twice_is_as_before(third_twin: Stage) -> None:
    third_twin.publish()
    for expected in ({"twin": "old", "prev": "new"}, {"twin": "new", "prev": "old"}):
        roll_back(third_twin.names, "staging", third_twin.admin, 0, third_twin.sentences.append)
        assert third_twin.found() == {"next": None, "gone": None, "swap": None, **expected}


def test_there_is_no_roll_back_without_a_former_twin(stage: Stage) -> None:
    stage.finished_next()
    stage.publish()
    with pytest.raises(WrongRequestError, match="no former twin"):
        roll_back(stage.names, "staging", stage.admin, 0, stage.sentences.append)


def test_what_is_not_finished_or_of_another_run_is_not_published(stage: Stage) -> None:
    stage.database(stage.names.next, "half", run=RUN, state="building")
    with pytest.raises(WorkFailedError, match="not finished"):
        stage.publish()
    stage.target.drop_database(stage.names.next)
    stage.database(stage.names.next, "theirs", run="another-run", state="finished")
    with pytest.raises(WorkFailedError, match="nothing to publish"):
        stage.publish()
    assert stage.which(stage.names.twin) is None


def test_data_users_keep_their_grants_and_administrators_their_settings(
    third_twin: Stage, someone: str
) -> None:
    target, twin = third_twin.target, third_twin.names.twin
    stay = f"stay_{someone}"
    target.role(stay)
    third_twin.target.sql(third_twin.names.next, 'CREATE TABLE public."later, 2" (n integer)', "twin_owner")
    objects = (
        'CREATE SCHEMA crm; CREATE TABLE crm.t (a integer, "b c" integer); CREATE SEQUENCE crm.s;'
        "CREATE FUNCTION crm.f(integer, text) RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "CREATE TYPE crm.e AS ENUM ('x')"
    )
    for name in (twin, third_twin.names.next):
        target.sql(name, objects, "twin_owner")
    target.sql(
        twin,
        f"CREATE TABLE public.only_old (n integer); GRANT SELECT ON public.only_old TO {someone};"
        f"GRANT USAGE ON SCHEMA crm TO {someone};"
        f"GRANT SELECT ON public.which TO {someone} WITH GRANT OPTION;"
        f'GRANT SELECT ("b c"), UPDATE (a) ON crm.t TO {someone}; GRANT USAGE ON SEQUENCE crm.s TO PUBLIC;'
        f"REVOKE ALL ON FUNCTION crm.f FROM PUBLIC; GRANT EXECUTE ON FUNCTION crm.f TO {someone};"
        f"REVOKE ALL ON TYPE crm.e FROM PUBLIC;"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {someone};"
        f'REVOKE ALL ON DATABASE "{twin}" FROM PUBLIC; GRANT CONNECT ON DATABASE "{twin}" TO {someone};'
        f'ALTER DATABASE "{twin}" SET search_path = crm, "$user", \'Odd "one"\';'
        f"ALTER DATABASE \"{twin}\" SET work_mem = '7MB';"
        f'ALTER DATABASE "{twin}" CONNECTION LIMIT 77',
        "twin_owner",
    )
    before = _privileges(target, twin)
    settings = target.rows(
        twin,
        _SETTINGS,
    )
    published = third_twin.publish()
    after = _privileges(target, twin)
    assert published.grants_gone == 1
    assert {key: value for key, value in before.items() if "only_old" not in key} == {
        key: value for key, value in after.items() if "later" not in key
    }
    assert target.rows(twin, 'SELECT n FROM public."later, 2"', user=someone) == []
    assert (
        target.rows(
            twin,
            _SETTINGS,
        )
        == settings
    )
    assert target.value(twin, "SHOW work_mem", user=someone) == "7MB"
    assert target.value("postgres", "SELECT datconnlimit FROM pg_database WHERE datname = %s", [twin]) == 77
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        target.connect(twin, stay)
    # Tables that the owner makes in the new twin are still given to the user.
    target.sql(twin, "CREATE TABLE public.made_later (n integer)", "twin_owner")
    assert target.rows(twin, "SELECT n FROM public.made_later", user=someone) == []
    target.sql("postgres", f"DROP ROLE {stay}")


def _privileges(target: Cluster, database: str) -> dict[str, str]:
    rows = target.rows(
        database,
        "SELECT 'relation ' || oid::regclass, relacl::text FROM pg_class"
        "  WHERE relacl IS NOT NULL AND oid >= 16384"
        " UNION ALL SELECT 'column ' || attrelid::regclass || attname, attacl::text FROM pg_attribute"
        "  WHERE attacl IS NOT NULL AND attrelid >= 16384"
        " UNION ALL SELECT 'function ' || oid::regprocedure, proacl::text FROM pg_proc"
        "  WHERE oid >= 16384 AND proacl IS NOT NULL"
        " UNION ALL SELECT 'type ' || oid::regtype, typacl::text FROM pg_type"
        "  WHERE oid >= 16384 AND typacl IS NOT NULL"
        " UNION ALL SELECT 'schema ' || nspname, nspacl::text FROM pg_namespace"
        "  WHERE nspname IN ('public', 'crm')"
        " UNION ALL SELECT 'default ' || defaclobjtype::text, defaclacl::text FROM pg_default_acl"
        " UNION ALL SELECT 'database', datacl::text FROM pg_database WHERE datname = current_database()",
    )
    return {name: "".join(sorted(acl)) for name, acl in rows}


class _Reader(threading.Thread):
    """Connects, reads and leaves, over and over."""

    def __init__(self, target: Cluster, database: str, user: str) -> None:
        super().__init__(daemon=True)
        self.target, self.database, self.user = target, database, user
        self.outcomes: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.outcomes.append(self._look())

    def stop(self) -> None:
        self.stopped.set()
        self.join()

    def longest_failure(self) -> int:
        longest = current = 0
        for outcome in self.outcomes:
            current = 0 if outcome in {"old", "new"} else current + 1
            longest = max(longest, current)
        return longest

    def _look(self) -> str:
        try:
            connection = self.target.connect(self.database, self.user)
        except psycopg.OperationalError as error:
            if "just been dropped or renamed" in str(error):
                return "refused"
            ended = "terminating connection" in str(error) or "server closed" in str(error)
            return "ended" if ended else str(error)
        try:
            with connection:
                row = connection.execute("SELECT name FROM public.which").fetchone()
                return row[0] if row else "no row"
        except psycopg.OperationalError as error:
            # Its last word may be lost on the way.
            ended = isinstance(error, psycopg.errors.AdminShutdown) or "server closed" in str(error)
            return "ended" if ended else str(error)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
