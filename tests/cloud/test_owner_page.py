"""What the owner finds out on the appliance's own page: connections tried, twins, logs of what runs."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from appliance.errors import WorkFailedError
from appliance.orchestration import looks
from appliance.scrubbing import known
from appliance.status.facts import diagnostics_file, diagnostics_making
from appliance.status.facts.diagnostics_making import DiagnosticsRequests
from appliance.status.facts.log_ends import LINES, NOTE
from appliance.status.keeping import LogEnds, RunCommands
from appliance.status.report import Report
from appliance.status.service import create_app
from appliance.status.state import State
from tests.cloud.appliance_rig import ApplianceRig
from tests.cloud.test_looks import perform
from tests.engine.clusters import Cluster

SECRET = "correct horse: battery"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Airflow would have been asked to do: the ids of commands."""
    started: list[str] = []
    monkeypatch.setattr(looks, "create_dag_run", lambda _settings, _dag, run_id: not started.append(run_id))
    return started


def owners_page(rig: ApplianceRig) -> TestClient:
    page = TestClient(create_app(rig.settings, State(rig.settings)), base_url="http://127.0.0.1:8642")
    token = next(rig.folder.rglob("status-token")).read_text().strip()
    page.headers["authorization"] = f"Bearer {token}"
    return page


def connections(rig: ApplianceRig, cluster: Cluster) -> None:
    works = cluster.connection("postgres", "postgres")
    file = rig.settings.connections_file
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({"production": works, "wrong": {**works, "password": "not it"}}))


def report(rig: ApplianceRig) -> Report:
    return State(rig.settings).report()


@pytest.mark.parametrize("is_split", [False, True], ids=["one process", "two users"])
def test_the_owner_has_a_connection_tried_and_reads_how_it_went(
    rig: ApplianceRig, state_cluster: Cluster, asked: list[str], is_split: bool
) -> None:
    if is_split:
        (rig.folder / "status").mkdir(mode=0o700)
        rig.environment["APPLIANCE_STATUS_FOLDER"] = str(rig.folder / "status")
    connections(rig, state_cluster)
    # Neither names a connection: the owner needs no rule to open what is theirs.
    rig.write_policy({"powerful_roles": ["production", "wrong"]})
    if is_split:
        from appliance.status.facts.connection_notes import write_note

        write_note(rig.settings)
    page = owners_page(rig)
    for name in ("production", "wrong"):
        assert page.post("/connections/test", json={"connection": name}).status_code == 202
    if is_split:
        assert not asked, "the process with the keys has not looked yet"
        RunCommands(rig.settings).turn()
    for command in asked:
        perform(rig, command)
    tests = {each.name: each.test for each in report(rig).connections or ()}
    good, bad = tests["production"], tests["wrong"]
    assert good is not None and good.state == "done" and good.worked_at is not None
    assert bad is not None and bad.state == "failed" and bad.worked_at is None
    assert bad.failure == "28P01" and "wrong" in (bad.problem or "") and "not it" not in (bad.problem or "")
    sent = rig.db.execute("SELECT count(*) AS found FROM appliance.event").fetchone()
    assert sent == {"found": 0}, "the dashboard hears nothing of what the owner tries"


def test_a_test_that_could_not_be_begun_is_not_under_way(
    rig: ApplianceRig, state_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise WorkFailedError("Airflow does not answer.")

    monkeypatch.setattr(looks, "create_dag_run", away)
    connections(rig, state_cluster)
    answer = owners_page(rig).post("/connections/test", json={"connection": "production"})
    assert answer.status_code == 503 and "Airflow does not answer" in answer.json()["detail"]
    assert all(each.test is None for each in report(rig).connections or ())


def test_twins_that_stand_are_named_and_those_that_were_replaced_are_not(rig: ApplianceRig) -> None:
    for number in (1, 2):
        run = f"shop-{number}"
        rig.store.run_queued(run, "shop", airflow_run_id=None, origin="local", trigger="operator")
        rig.store.run_started(run)
        rig.store.step_started(run, "publish", 0, 1)
        rig.store.step_ended(run, "publish", 0, "succeeded", result={"connection": "staging"})
        rig.store.run_ended(run, "succeeded")
    (twin,) = report(rig).twins or ()
    assert (twin.connection, twin.workflow, twin.run_id) == ("staging", "shop", "shop-2")


def write_log(rig: ApplianceRig, lines: list[str]) -> None:
    folder = (
        rig.settings.log_dir / "tasks" / "dag_id=shop" / "run_id=manual-1" / "task_id=copy" / "map_index=0"
    )
    folder.mkdir(parents=True, exist_ok=True)
    entries = [json.dumps({"event": line, "logger": "task.stdout"}) for line in lines]
    (folder / "attempt=1.log").write_text("\n".join(entries) + "\n" + '{"event": "half a li')


@pytest.mark.parametrize("is_split", [False, True], ids=["one process", "two users"])
def test_the_end_of_a_log_is_shown_while_the_step_runs_without_secrets(
    rig: ApplianceRig, state_cluster: Cluster, monkeypatch: pytest.MonkeyPatch, is_split: bool
) -> None:
    if is_split:
        (rig.folder / "status").mkdir(mode=0o700)
        rig.environment["APPLIANCE_STATUS_FOLDER"] = str(rig.folder / "status")
    rig.environment["APPLIANCE_LOG_DIR"] = str(rig.folder / "log")
    works = state_cluster.connection("postgres", "postgres")
    file = rig.settings.connections_file
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({"production": {**works, "password": SECRET}}))
    for name, value in rig.process_environment.items():
        monkeypatch.setenv(name, value)
    known._own_places.cache_clear()
    rig.store.run_queued("shop-1", "shop", airflow_run_id="manual-1", origin="local", trigger="operator")
    rig.store.run_started("shop-1")
    rig.store.step_started("shop-1", "copy", 0, 1)
    write_log(rig, [f"line {number}" for number in range(5000)] + [f"opened with {SECRET}"])
    page = owners_page(rig)
    if is_split:
        assert page.get("/runs/shop-1/logs").json() == []
        LogEnds(rig.settings).turn()
        assert (rig.settings.runtime_dir / NOTE).stat().st_mode & 0o777 == 0o640
    (end,) = page.get("/runs/shop-1/logs").json()
    assert (end["step"], end["shard"], len(end["lines"])) == ("copy", 0, LINES)
    assert "line 4999" in end["lines"] and SECRET not in str(end) and "half" not in str(end)
    assert page.get("/runs/shop-2/logs").json() == []
    rig.store.step_ended("shop-1", "copy", 0, "succeeded")
    rig.store.run_ended("shop-1", "succeeded")
    if is_split:
        LogEnds(rig.settings).turn()
    assert page.get("/runs/shop-1/logs").json() == []
    known._own_places.cache_clear()


@pytest.mark.parametrize("is_split", [False, True], ids=["one process", "two users"])
def test_the_owner_has_diagnostics_made_and_takes_them_home(
    rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch, is_split: bool
) -> None:
    if is_split:
        (rig.folder / "status").mkdir(mode=0o700)
        rig.environment["APPLIANCE_STATUS_FOLDER"] = str(rig.folder / "status")
    for name, value in rig.process_environment.items():
        monkeypatch.setenv(name, value)
    page = owners_page(rig)
    upkeep = DiagnosticsRequests(rig.settings)
    assert page.get("/diagnostics").json()["state"] == "none"
    assert page.get("/diagnostics.tar.gz").status_code == 404
    assert page.post("/diagnostics", json={}).status_code == 202
    assert page.post("/diagnostics", json={}).status_code == 409, "they are being made"
    until(lambda: (is_split and upkeep.turn()) or page.get("/diagnostics").json()["state"] != "under way")
    assert page.get("/diagnostics").json()["state"] == "ready"
    assert diagnostics_file.path_of(rig.settings).stat().st_mode & 0o777 == 0o640
    taken = page.get("/diagnostics.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(taken.content)) as archive:
        assert "appliance-diagnostics/contents.txt" in archive.getnames()
    sent = rig.db.execute("SELECT count(*) AS found FROM appliance.event").fetchone()
    assert sent == {"found": 0}, "nothing of it is sent"


def test_diagnostics_whose_process_was_killed_are_not_under_way_for_ever(
    rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics_making, "make_here", lambda *_: None)
    page = owners_page(rig)
    page.post("/diagnostics", json={}).raise_for_status()
    assert page.get("/diagnostics").json()["state"] == "under way"
    rig.db.execute("UPDATE appliance.command SET received_at = now() - interval '1 hour'")
    assert page.get("/diagnostics").json()["state"] == "failed"
    assert page.post("/diagnostics", json={}).status_code == 202


def until(happened: Callable[[], object], *, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_a_run_of_any_name_leads_to_no_other_folder(rig: ApplianceRig) -> None:
    secret = Path(rig.folder / "attempt=1.log")
    secret.write_text('{"event": "elsewhere"}\n')
    airflows = "../../.."
    rig.store.run_queued("shop-1", "shop", airflow_run_id=airflows, origin="local", trigger="operator")
    rig.store.run_started("shop-1")
    rig.store.step_started("shop-1", "copy", 0, 1)
    assert "elsewhere" not in owners_page(rig).get("/runs/shop-1/logs").text
