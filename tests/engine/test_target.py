"""A target that cannot take a twin says so at plan, all at once; what is not ours is never touched."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.postgres.twin.database import (
    ADOPT_COMMENT,
    create_next,
    drop_ours,
    drop_own,
    mark,
    read_database,
)
from appliance.postgres.twin.target.checks import target_problems
from appliance.postgres.twin.target.locale import LocaleSettings, predict_locale
from tests.engine.breakable_proxy import wait_until
from tests.engine.clusters import Cluster, new_folder
from tests.engine.engine_run import EngineRun

UTF8 = LocaleSettings(encoding="UTF8", provider="libc", collate="C.UTF-8", ctype="C.UTF-8")


@pytest.fixture
def run(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> Iterator[EngineRun]:
    source.sql("postgres", "GRANT pg_read_all_data TO reader")
    source.sql(
        source_database, "CREATE TABLE public.t (id integer PRIMARY KEY); INSERT INTO public.t VALUES (1)"
    )
    made = EngineRun(source, source_database, target, twin_database, tmp_path)
    yield made
    made.close()
    # Other tests of the same servers rely on a reader that may do less.
    source.sql("postgres", "REVOKE pg_read_all_data FROM reader")


@pytest.fixture
def open_admin(target: Cluster) -> Iterator[Callable[..., psycopg.Connection[Any]]]:
    opened = []

    def start(database: str = "postgres", application_name: str = "run-now") -> psycopg.Connection[Any]:
        opened.append(target.connect(database, "twin_owner", application_name=application_name))
        return opened[-1]

    yield start
    for connection in opened:
        connection.close()


def test_everything_that_is_wrong_with_a_target_is_said_at_once_with_what_to_type(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    target.create_database(twin_database)
    target.create_database(f"{twin_database}__prev")
    target.sql("postgres", "ALTER ROLE twin_owner NOCREATEDB")
    try:
        with pytest.raises(WrongRequestError) as caught:
            run.plan_as_is()
    finally:
        target.sql("postgres", "ALTER ROLE twin_owner CREATEDB")
    text = caught.value.text()
    assert 'ALTER ROLE "twin_owner" CREATEDB;' in text
    assert f'ALTER DATABASE "{twin_database}" OWNER TO "twin_owner";' in text
    assert f'Rename or drop the database "{twin_database}__prev"' in text
    assert target.databases() >= {twin_database, f"{twin_database}__prev"}
    assert f"{twin_database}__next" not in target.databases()


def test_a_database_that_holds_something_is_replaced_only_where_its_owner_says_so(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    target.create_database(twin_database, "OWNER twin_owner")
    target.sql(twin_database, "CREATE TABLE public.precious (id integer)")
    with pytest.raises(WrongRequestError) as caught:
        run.plan_as_is()
    comment = f"COMMENT ON DATABASE \"{twin_database}\" IS '{ADOPT_COMMENT}';"
    assert comment in caught.value.text()
    target.sql("postgres", comment, "twin_owner")
    run.keeper.execute("ROLLBACK")
    run.publish_as_is()
    assert target.value(twin_database, "SELECT id FROM public.t") == 1
    assert target.value(f"{twin_database}__prev", "SELECT to_regclass('public.precious')::text") == "precious"


def test_a_twin_under_a_name_that_another_twins_run_would_drop_is_refused(
    open_admin: Callable[..., psycopg.Connection[Any]], twin_database: str
) -> None:
    for part in ("next", "prev", "gone", "swap"):
        (problem,) = target_problems(open_admin(), open_admin, f"{twin_database}__{part}")
        assert f"'{twin_database}__{part}'" in problem.what and "does not end in __next" in problem.fix
    assert target_problems(open_admin(), open_admin, f"{twin_database}_next") == ()


def test_an_empty_database_made_by_an_administrator_is_taken(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    target.create_database(twin_database, "OWNER twin_owner")
    run.publish_as_is()
    assert target.value(twin_database, "SELECT id FROM public.t") == 1


def test_a_role_with_nothing_but_createdb_can_deliver(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    row = target.rows(
        "postgres",
        "SELECT rolsuper, rolcreaterole, rolbypassrls, rolreplication, rolcreatedb,"
        " ARRAY(SELECT roleid FROM pg_auth_members WHERE member = r.oid)::text FROM pg_roles AS r"
        " WHERE rolname = 'twin_owner'",
    )
    assert row == [(False, False, False, False, True, "{}")]
    run.publish_as_is()
    run.close()
    assert (
        target.value(
            "postgres",
            "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = %s",
            [twin_database],
        )
        == "twin_owner"
    )


def test_somebody_elses_database_under_the_next_twins_name_is_never_dropped(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    run.plan_as_is()
    following = f"{twin_database}__next"
    target.create_database(following, "OWNER twin_owner")
    target.sql(following, "CREATE TABLE public.precious (id integer)")
    with pytest.raises(WrongRequestError, match="in the way"):
        run.schema()
    assert target.value(following, "SELECT to_regclass('public.precious')::text") == "precious"


@pytest.fixture
def busy_autovacuum(target: Cluster) -> Iterator[Callable[[str], None]]:
    """Have an autovacuum worker at work in a database for long."""
    target.sql("postgres", "ALTER SYSTEM SET autovacuum_naptime = 1")
    target.sql("postgres", "SELECT pg_reload_conf()")

    def start(database: str) -> None:
        target.sql(
            database,
            "CREATE TABLE public.slow (v text) WITH (autovacuum_vacuum_cost_delay = 100,"
            " autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_insert_threshold = 0);"
            "INSERT INTO public.slow SELECT repeat('x', 500) FROM generate_series(1, 20000)",
        )
        wait_until(
            lambda: (
                target.value(
                    "postgres",
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
                    " AND datname = %s",
                    [database],
                )
                > 0
            )
        )

    yield start
    target.sql("postgres", "ALTER SYSTEM RESET autovacuum_naptime")
    target.sql("postgres", "SELECT pg_reload_conf()")


def test_an_autovacuum_worker_does_not_keep_a_database_of_ours_from_being_dropped(
    open_admin: Callable[..., psycopg.Connection[Any]],
    target: Cluster,
    twin_database: str,
    busy_autovacuum: Callable[[str], None],
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    create_next(admin, following, UTF8, workflow="w", run="run-1", open_database=open_admin)
    busy_autovacuum(following)
    with target.connect(following, "twin_owner"):
        assert drop_own(admin, following, run="run-1", open_database=open_admin)
    assert following not in target.databases()


def test_who_keeps_a_database_of_ours_from_being_dropped_is_named(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    create_next(admin, following, UTF8, workflow="w", run="run-1", open_database=open_admin)
    with target.connect(following), pytest.raises(WorkFailedError, match="Sessions of postgres are in it"):
        drop_own(admin, following, run="run-1", open_database=open_admin)
    assert following in target.databases()


def test_a_run_that_ended_before_it_could_mark_its_database_leaves_none(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    admin.execute(f'CREATE DATABASE "{following}"')
    target.sql(following, "CREATE TABLE public.precious (id integer)")
    assert not drop_own(admin, following, run="run-1", open_database=open_admin)
    target.sql(following, "DROP TABLE public.precious")
    assert drop_own(admin, following, run="run-1", open_database=open_admin)
    assert following not in target.databases()


def test_what_a_dead_run_left_is_replaced_even_if_it_died_before_it_could_mark_it(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    admin.execute(f'CREATE DATABASE "{following}"')
    first = read_database(admin, following)
    assert first is not None and first.marker is None
    for run in ("run-1", "run-2"):
        create_next(admin, following, UTF8, workflow="w", run=run, open_database=open_admin)
        database = read_database(admin, following)
        assert database is not None and database.marker is not None
        assert (database.marker.run, database.marker.state) == (run, "building")
        assert database.oid != first.oid


def test_the_database_that_is_built_lets_nobody_in_but_its_owner(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    target.role(f"curious_{twin_database}")
    create_next(open_admin(), following, UTF8, workflow="w", run="r", open_database=open_admin)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        target.connect(following, f"curious_{twin_database}")
    target.sql("postgres", f"DROP ROLE curious_{twin_database}")


def test_the_new_twin_goes_where_the_present_one_is_as_far_as_the_role_may(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following, fast = f"{twin_database}__next", f"fast {twin_database}"
    folder = new_folder("tablespace")
    target.sql("postgres", f"CREATE TABLESPACE \"{fast}\" LOCATION '{folder}'")
    target.create_database(twin_database, f'OWNER twin_owner TABLESPACE "{fast}"')
    where = (
        "SELECT spcname FROM pg_database AS d JOIN pg_tablespace AS t ON t.oid = dattablespace"
        " WHERE datname = %s"
    )
    built: dict[str, Any] = {"workflow": "w", "run": "r", "open_database": open_admin, "like": twin_database}
    try:
        (note,) = create_next(open_admin(), following, UTF8, **built)
        assert f'GRANT CREATE ON TABLESPACE "{fast}" TO "twin_owner"' in note
        assert target.value("postgres", where, [following]) == "pg_default"
        target.sql("postgres", f'GRANT CREATE ON TABLESPACE "{fast}" TO twin_owner')
        assert create_next(open_admin(), following, UTF8, **built) == []
        assert target.value("postgres", where, [following]) == fast
    finally:
        for database in (following, twin_database):
            target.drop_database(database)
        target.sql("postgres", f'DROP TABLESPACE "{fast}"')
        shutil.rmtree(folder)


def _come_and_go(open_admin: Callable[..., psycopg.Connection[Any]], database: str) -> None:
    for _ in range(4):
        time.sleep(0.5)
        with closing(open_admin(database, "run-before")):
            time.sleep(0.5)


def test_a_run_that_is_at_work_keeps_its_database(
    open_admin: Callable[..., psycopg.Connection[Any]],
    target: Cluster,
    twin_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.postgres.twin.database._DEAD_RUN_WAIT_S", 3.0)
    following = f"{twin_database}__next"
    admin = open_admin()
    create_next(admin, following, UTF8, workflow="w", run="run-before", open_database=open_admin)
    with closing(open_admin(following, "run-before")), pytest.raises(WorkFailedError) as caught:
        drop_ours(admin, following, run="run-now", open_database=open_admin)
    assert "run-before" in caught.value.text()
    assert following in target.databases()
    # It is between two steps: a moment without a session is not its end.
    sessions = threading.Thread(target=_come_and_go, args=(open_admin, following))
    sessions.start()
    with pytest.raises(WorkFailedError, match="run-before"):
        drop_ours(admin, following, run="run-now", open_database=open_admin)
    sessions.join()
    assert drop_ours(admin, following, run="run-now", open_database=open_admin)
    assert following not in target.databases()


def test_a_locale_that_the_target_lacks_falls_back_to_the_nearest_and_is_reported(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    for wanted, found in (
        (LocaleSettings("UTF8", "libc", "xx_YY.UTF-8", "xx_YY.UTF-8"), ("i", "xx-YY", "C")),
        (LocaleSettings("UTF8", "libc", "C.utf8", "C.utf8"), ("c", None, "C.utf8")),
        (LocaleSettings("LATIN1", "libc", "de_DE.ISO-8859-1", "de_DE.ISO-8859-1"), ("c", None, "C")),
        (LocaleSettings("UTF8", "builtin", "C", "C", "C.UTF-8"), ("c", None, "C.UTF-8")),
    ):
        predicted, fallback = predict_locale(admin, wanted)
        notes = create_next(admin, following, wanted, workflow="w", run="r", open_database=open_admin)
        assert target.rows(
            "postgres",
            "SELECT datlocprovider::text, daticulocale, datcollate, pg_encoding_to_char(encoding)"
            " FROM pg_database WHERE datname = %s",
            [following],
        ) == [(*found, wanted.encoding)]
        assert bool(notes) == bool(fallback) == (wanted.collate != "C.utf8"), notes
        assert predicted.collate == found[2]


def test_a_schema_step_that_was_killed_leaves_the_twin_and_is_repeated(
    run: EngineRun, target: Cluster, twin_database: str
) -> None:
    run.plan_as_is()
    child = multiprocessing.get_context("fork").Process(target=_die_while_loading, args=(run,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    run.schema()
    run.copy()
    run.finish()
    run.publish()
    assert target.value(twin_database, "SELECT id FROM public.t") == 1
    assert target.databases() & {f"{twin_database}__next", f"{twin_database}__gone"} == set()


def _die_while_loading(run: EngineRun) -> None:
    execute = psycopg.Cursor.execute

    def dying(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(query, bytes) and b"CREATE TABLE public.t" in query:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, query, *arguments, **options)

    psycopg.Cursor.execute = dying  # type: ignore[method-assign]
    run.schema()


def test_a_mark_is_read_back_and_a_comment_of_somebody_is_none(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    target.create_database(twin_database, "OWNER twin_owner")
    admin = open_admin()
    for comment in ("hello", "{}", '{"appliance": "something else"}', "[1]"):
        target.sql("postgres", f"COMMENT ON DATABASE \"{twin_database}\" IS '{comment}'")
        database = read_database(admin, twin_database)
        assert database is not None and database.marker is None and not database.adopted
    mark(admin, twin_database, workflow="w'", run='r"', state="finished")
    database = read_database(admin, twin_database)
    assert database is not None and database.marker is not None
    assert (database.marker.workflow, database.marker.run) == ("w'", 'r"')


def test_a_failed_run_drops_its_own_unfinished_database_and_no_other(
    open_admin: Callable[..., psycopg.Connection[Any]], target: Cluster, twin_database: str
) -> None:
    following = f"{twin_database}__next"
    admin = open_admin()
    assert not drop_own(admin, following, run="r", open_database=open_admin)
    create_next(admin, following, UTF8, workflow="w", run="r", open_database=open_admin)
    assert not drop_own(admin, following, run="another", open_database=open_admin)
    mark(admin, following, workflow="w", run="r", state="verified")
    assert not drop_own(admin, following, run="r", open_database=open_admin)
    mark(admin, following, workflow="w", run="r", state="finished")
    assert drop_own(admin, following, run="r", open_database=open_admin)
    assert following not in target.databases()
