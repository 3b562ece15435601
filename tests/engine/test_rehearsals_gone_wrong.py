"""Migrations that would do harm, or never end: a clear outcome, and neither branch nor trace is left."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, RefusedError, WorkFailedError, WrongRequestError
from appliance.policy.branches import BranchPolicy
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import read_script
from appliance.rehearsals.watch import watching
from tests.engine.clusters import Cluster
from tests.engine.rehearsal_rig import Rig, rehearsal_rig
from tests.engine.test_disk import NewDisk, new_disk

__all__ = ["new_disk"]


@pytest.fixture(scope="module")
def rig(target: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rehearsal_rig(target, "mistreated", tmp_path_factory.mktemp("rehearsals")) as rig:
        yield rig


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DROP DATABASE mistreated", "Databases, roles"),
        ("drop /* really */ database mistreated", "Databases, roles"),
        ("ALTER DATABASE mistreated RENAME TO gone", "Databases, roles"),
        ("CREATE ROLE more LOGIN", "Databases, roles"),
        ("GRANT pg_read_all_data TO twin_owner", "Databases, roles"),
        ("REVOKE CONNECT ON DATABASE mistreated FROM PUBLIC", "Databases, roles"),
        ("ALTER SYSTEM SET work_mem = '1GB'", "Databases, roles"),
        ("DROP OWNED BY twin_owner", "Databases, roles"),
        ("DO $$ BEGIN EXECUTE 'DROP ROLE someone'; END $$", "What it executes"),
        ("CREATE EXTENSION dblink", "open a connection"),
        ("SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(n int)", "open a connection"),
        ("COPY item TO PROGRAM 'cat > /tmp/items'", "start a program"),
        ("COPY item FROM STDIN", "psql's to feed"),
        ("COPY item TO '/tmp/items'", "a file on the database's server"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "other sessions"),
        ("PREPARE TRANSACTION 'x'", "stays when"),
        ("SELECT 1;\n\\dt", "a command of psql|is for psql"),
    ],
)
def test_what_reaches_beyond_the_branch_is_refused_before_there_is_one(rig: Rig, sql: str, why: str) -> None:
    with pytest.raises(WrongRequestError, match=why):
        rig.rehearse(sql)


def test_what_needs_a_superuser_fails_by_the_servers_own_word(rig: Rig) -> None:
    rehearsal = rig.rehearse("SET session_replication_role = replica")
    assert rehearsal.verdict == "failed" and "SQLSTATE 42501" in rehearsal.reasons[0]


def test_a_loop_for_ever_is_ended_when_its_time_is_over(rig: Rig) -> None:
    rehearsal = _in_a_second(rig, "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$; SELECT 1")
    assert (rehearsal.verdict, rehearsal.up.stopped, len(rehearsal.up.statements)) == ("above", True, 1)


def test_a_loop_that_catches_being_cancelled_is_ended_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GRACE_S", 0.2)
    stubborn = (
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;"
        " END $$"
    )
    assert _in_a_second(rig, stubborn).verdict == "above"


def test_a_lock_held_for_ever_is_let_go_of_when_its_time_is_over(rig: Rig) -> None:
    rehearsal = _in_a_second(rig, "BEGIN; LOCK TABLE item; SELECT pg_sleep(1000)")
    (item,) = rehearsal.up.tables
    assert rehearsal.verdict == "above" and item.reader_blocked_ms >= 800


def test_one_that_is_unwanted_ends_even_where_it_catches_being_cancelled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GRACE_S", 0.2)
    stubborn = (
        "SELECT 1; DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL;"
        " END; END LOOP; END $$; SELECT 2"
    )
    target = rig.stage.target

    def is_at_it() -> bool:
        return any("pg_sleep(60)" in query for _, _, query in target.sessions("appliance rehearsal"))

    script = read_script([rig.file(stubborn)])
    down = read_script([rig.file("SELECT 3", "down.sql")])
    rehearsal = replace(rig.rehearser(), unwanted=is_at_it).rehearse(script, down)
    assert (rehearsal.verdict, rehearsal.up.cancelled, rehearsal.down) == ("cancelled", True, None)
    assert [each.failure for each in rehearsal.up.statements] == [None, None]
    assert rig.server().branches() == []


def _in_a_second(rig: Rig, sql: str):  # type: ignore[no-untyped-def]
    rehearser = rig.rehearser()
    hurried = rehearser.limits.model_copy(update={"max_minutes": 1 / 60})
    rehearsal = replace(rehearser, limits=hurried).rehearse(read_script([rig.file(sql)]))
    assert rig.server().branches() == []
    return rehearsal


def test_a_transaction_that_is_never_committed_is_a_failure(rig: Rig) -> None:
    rehearsal = rig.rehearse("BEGIN; UPDATE item SET price = 1")
    assert rehearsal.verdict == "failed" and "there is no COMMIT" in rehearsal.reasons[0]


def test_a_session_that_ends_itself_is_a_failure(rig: Rig) -> None:
    rehearsal = rig.rehearse("SELECT pg_terminate_backend(pg_backend_pid()); SELECT 1")
    assert rehearsal.verdict == "failed" and "Its session was ended" in rehearsal.reasons[0]


def test_the_watch_goes_on_when_its_own_session_was_ended(rig: Rig) -> None:
    hidden = (
        "DO $$ BEGIN EXECUTE 'SELECT pg_term' || 'inate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE ''%watch'''; END $$;"
        "BEGIN; LOCK TABLE item; SELECT pg_sleep(1.8); COMMIT"
    )
    rehearsal = rig.rehearse(hidden)
    assert rehearsal.verdict == "passed", rehearsal.reasons
    assert "The watch was interrupted" in rehearsal.up.notes[0]
    assert rehearsal.up.tables[0].reader_blocked_ms >= 1500


def test_an_error_says_what_the_statement_is_and_no_value(rig: Rig) -> None:
    rehearsal = rig.rehearse("SELECT 1;\nUPDATE item SET price = name::int WHERE 'secret' <> ''")
    (reason,) = rehearsal.reasons
    assert "up.sql:2" in reason and "22P02" in reason
    assert "item 1" not in rehearsal.model_dump_json() and "secret" not in rehearsal.model_dump_json()
    raised = rig.rehearse(
        "DO $$ BEGIN RAISE 'row %', (SELECT name FROM item LIMIT 1) USING ERRCODE = '42000'; END $$"
    )
    assert "item 1" not in raised.model_dump_json()


def test_a_message_about_the_statement_itself_is_shown(rig: Rig) -> None:
    (reason,) = rig.rehearse("ALTER TABLE item DROP COLUMN nothing").reasons
    assert 'column "nothing" of relation "item" does not exist' in reason


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.sql"
    file.write_bytes("SELECT 1;\n-- für\n".encode("latin-1"))
    with pytest.raises(WrongRequestError, match=r"latin\.sql:2 is not UTF-8"):
        read_script([file])


def test_files_without_a_statement_or_that_are_not_there_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.sql"
    file.write_text("-- nothing\n;\n")
    for wrong in (file, tmp_path / "none.sql"):
        with pytest.raises(WrongRequestError):
            read_script([wrong])


def test_a_superuser_rehearses_nothing(rig: Rig) -> None:
    rehearser = replace(rig.rehearser(), migrator=Login.of(rig.connection("postgres")))
    with pytest.raises(WrongRequestError, match="a superuser"):
        rehearser.rehearse(read_script([rig.file("SELECT 1")]))


def test_policy_that_allows_no_branch_allows_no_rehearsal(rig: Rig) -> None:
    rehearser = rig.rehearser()
    none = replace(rehearser, server=replace(rehearser.server, policy=BranchPolicy(max=0)))
    with pytest.raises(RefusedError):
        none.rehearse(read_script([rig.file("SELECT 1")]))


def test_a_server_that_goes_away_leaves_a_branch_that_ends_by_itself(rig: Rig) -> None:
    target = rig.stage.target

    def stop_it() -> None:
        while not any("pg_sleep(60)" in query for _, _, query in target.sessions("appliance rehearsal")):
            time.sleep(0.05)
        target.stop("immediate")

    stopping = threading.Thread(target=stop_it)
    stopping.start()
    script = read_script([rig.file("SELECT pg_sleep(60)")])
    said: list[str] = []
    try:
        with pytest.raises(ApplianceError) as failure:
            replace(rig.rehearser(), say=said.append).rehearse(script)
    finally:
        stopping.join()
        target.start()
    assert isinstance(failure.value, WorkFailedError)
    assert "it ends by itself" in said[-1]
    (branch,) = rig.server().branches()
    rig.server().end_due(branch.marker.ends_at)
    assert rig.server().branches() == []


def test_a_migration_that_fills_the_disk_fails_and_its_branch_goes(rig: Rig, new_disk: NewDisk) -> None:
    folder = new_disk(16) / "space"
    folder.mkdir()
    if os.geteuid() == 0:
        folder.parent.chmod(0o755)
        shutil.chown(folder, "postgres")
    target = rig.stage.target
    target.sql("postgres", f"CREATE TABLESPACE tiny LOCATION '{folder}'")
    target.sql("postgres", "GRANT CREATE ON TABLESPACE tiny TO twin_owner")
    try:
        rehearsal = rig.rehearse(
            "CREATE TABLE much TABLESPACE tiny AS SELECT repeat('x', 1000) FROM generate_series(1, 50000)"
        )
        assert rehearsal.verdict == "failed" and "SQLSTATE 53100" in rehearsal.reasons[0]
    finally:
        target.sql("postgres", "DROP TABLESPACE tiny")
