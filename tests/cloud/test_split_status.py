"""The status service with a user of its own: it sends what it may, and knows neither keys nor connections."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
import yaml
from starlette.testclient import TestClient

from appliance.cloud.commands import CloudCommands
from appliance.cloud.enrolment import Identity, save_identity
from appliance.cloud.outbox_sender import event_of
from appliance.cloud.reporter import Reporter
from appliance.cloud.wanted_release import WantedRelease
from appliance.contract.events import Noticed, WorkflowChanged
from appliance.keys.keys import load_or_create_key
from appliance.scrubbing import known
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings
from appliance.status.facts.connection_notes import NOTE, certificates_of, states_of, write_note
from appliance.status.keeping import RUNS, RunCommands
from appliance.status.service import create_app
from appliance.status.state import State
from appliance.store import status_role
from appliance.store.database import connect
from appliance.store.events import append_event, scrubbed
from appliance.store.outbox import read_waiting
from tests.cloud.appliance_rig import ApplianceRig

PASSWORD = "correct horse: battery"
CONNECTIONS = {
    "production": {"host": "db.hospital.internal", "dbname": "shop", "user": "reader", "password": PASSWORD},
    "staging": {"host": "stage.internal", "dbname": "twin", "user": "owner", "password": "changeme"},
}


@pytest.fixture
def split(rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The rig's settings, with a folder for the status service; and connections."""
    connections = rig.folder / "etc" / "connections.yaml"
    connections.touch(mode=0o600)
    connections.write_text(yaml.safe_dump(CONNECTIONS))
    folder = rig.folder / "status"
    folder.mkdir(mode=0o700)
    rig.environment["APPLIANCE_STATUS_FOLDER"] = str(folder)
    for name, value in rig.process_environment.items():
        monkeypatch.setenv(name, value)
    known._own_places.cache_clear()
    yield rig.settings
    known._own_places.cache_clear()


def test_the_note_names_connections_and_neither_hosts_nor_secrets(split: Settings) -> None:
    write_note(split)
    text = (split.runtime_dir / NOTE).read_text()
    assert (split.runtime_dir / NOTE).stat().st_mode & 0o777 == 0o640
    assert not [word for word in (PASSWORD, "internal", "reader", "owner", "shop") if word in text]
    split.connections_file.unlink()
    states = states_of(split, {"production", "lake"})
    assert states == {"production": "ready", "staging": "placeholder", "lake": "missing"}
    assert certificates_of(split) == ()


def test_a_secret_of_a_connection_is_gone_before_the_sender_sees_the_event(
    split: Settings, rig: ApplianceRig
) -> None:
    """The sender here knows no secret at all."""
    problem = f"could not log in to db.hospital.internal as reader with {PASSWORD}"
    with rig.db.transaction():
        append_event(rig.db, WorkflowChanged(workflow="w", state="invalid", problem=scrubbed(problem)))
    (*_, waiting) = read_waiting(rig.db, 10, 10_000).rows
    sent = event_of(waiting, Scrubber())
    assert sent is not None
    for text in (str(waiting.payload), sent.model_dump_json()):
        assert PASSWORD not in text
        assert "hospital" not in text


def test_the_service_leaves_runs_to_the_process_that_may_start_them(
    split: Settings, rig: ApplianceRig
) -> None:
    for number, kind in enumerate((*RUNS, "sync")):
        rig.db.execute(
            "INSERT INTO appliance.command (command_id, kind, payload, state, expires_at)"
            " VALUES (%s, %s, %s::jsonb, 'received', now() - interval '1 second')",
            [f"00000000-0000-4000-8000-00000000000{number}", kind, "{}"],
        )
    service = CloudCommands(split, WantedRelease(split), kinds=("sync", "update"))
    assert service.work(rig.db, lambda: None) == 1
    RunCommands(split).turn()
    rows = rig.db.execute("SELECT kind, state FROM appliance.command ORDER BY command_id").fetchall()
    assert {row["kind"]: row["state"] for row in rows} == dict.fromkeys((*RUNS, "sync"), "failed")


def test_the_identity_lies_with_the_service_and_no_key_does(split: Settings) -> None:
    save_identity(split.identity_file, Identity("https://d.example.com", "1", "Hospital", "apl_x"))
    load_or_create_key(split.mask_key_file)
    assert os.listdir(split.status_dir) == ["dashboard.json"]  # noqa: PTH208 - names only
    assert not (split.state_dir / "keys" / "dashboard.json").exists()


def test_it_says_when_what_works_behind_it_does_not(split: Settings) -> None:
    def status_of() -> str | None:
        parts = State(split).report().components
        return next(part.problem for part in parts if part.name == "status")

    assert "appliance-upkeep" in (status_of() or "")
    (split.runtime_dir / "upkeep-works").touch()
    assert status_of() is None


def test_its_role_sends_events_and_takes_commands_and_changes_no_run(
    split: Settings, rig: ApplianceRig
) -> None:
    rig.store.run_queued("w-1", "w", airflow_run_id="1", origin="local", trigger="operator")
    with rig.db.transaction():
        rig.db.execute("CREATE TABLE IF NOT EXISTS job ()")
        rig.db.execute("CREATE TABLE IF NOT EXISTS dag (is_stale boolean)")
        rig.db.execute("CREATE TABLE IF NOT EXISTS dag_run ()")
    if rig.db.execute("SELECT FROM pg_roles WHERE rolname = %s", [status_role.ROLE]).fetchone() is None:
        rig.db.execute(f"CREATE ROLE {status_role.ROLE} LOGIN".encode())
    for _ in range(2):
        status_role.grant(split.database_url, split.database_url)
    with connect(split.database_url) as db:
        db.execute(f"SET ROLE {status_role.ROLE}".encode())
        append_event(db, Noticed(kind="clock_skew", amount=1))
        db.execute("DELETE FROM appliance.event")
        db.execute("UPDATE appliance.reporting SET problem = NULL")
        assert db.execute("SELECT state FROM appliance.run").fetchone() == {"state": "queued"}
        for forbidden in (
            "UPDATE appliance.run SET state = 'succeeded'",
            "DELETE FROM appliance.step",
            "INSERT INTO appliance.notice VALUES ('w-1', 'plan', 'all is well')",
            "DROP TABLE appliance.event",
            "UPDATE dag SET is_stale = false",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(forbidden.encode())
    rig.db.execute(f"DROP OWNED BY {status_role.ROLE}".encode())


def test_the_service_does_not_even_try_to_read_connections(
    split: Settings, rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_note(split)

    def refuse(path: Path) -> None:
        raise AssertionError(path)

    for module in ("certificates", "connection_notes"):
        monkeypatch.setattr(f"appliance.status.facts.{module}.load_connections", refuse)
    state = State(split)
    assert state.report().certificates == ()
    assert states_of(split, set()) == {"production": "ready", "staging": "placeholder"}
    assert Reporter(split, state).turn() > 0


def test_what_the_owner_asks_for_on_the_page_is_done_by_the_process_that_may(
    rig: ApplianceRig, split: Settings
) -> None:
    rig.store.run_queued("run-1", "w", airflow_run_id=None, origin="local", trigger="operator")
    rig.store.run_started("run-1")
    page = TestClient(
        create_app(split, State(split)), base_url="http://127.0.0.1:8642", follow_redirects=False
    )
    token = (split.status_dir / "status-token").read_text().strip()
    page.post("/sign-in", data={"token": token})
    before = answers(split)
    assert page.post("/runs/run-1/cancel", json={}).status_code == 202
    assert page.post("/runs/run-2/cancel", json={}).status_code == 409
    RunCommands(split).turn()
    with connect(split.database_url) as db:
        asked = db.execute("SELECT stop_requested FROM appliance.run WHERE run_id = 'run-1'").fetchone()
    assert asked and asked["stop_requested"]["why"] == "It was asked for on the status page."
    assert answers(split) == before, "the dashboard is not answered what it did not ask"


def answers(settings: Settings) -> int:
    with connect(settings.database_url) as db:
        row = db.execute("SELECT count(*) AS found FROM appliance.event WHERE kind = 'command_changed'")
        return int((row.fetchone() or {"found": -1})["found"])
