"""Rehearsals that are ended from elsewhere: the branch is gone, and the report says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from appliance.cli.main import app
from appliance.cloud.commands import CloudCommands
from appliance.cloud.wanted_release import WantedRelease
from appliance.settings.settings import Settings
from appliance.store.asked_work import find_work, is_open
from tests.cloud.appliance_rig import WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_looks import asked, perform
from tests.cloud.test_rehearsals_asked import TWIN, Pipeline, allow, branches_of, pipeline, twin
from tests.engine.clusters import Cluster

__all__ = ["asked", "pipeline", "twin"]
LONG = "ALTER TABLE customer ALTER COLUMN id TYPE bigint;\nSELECT pg_sleep(100);"


@pytest.fixture
def service(pipeline: Pipeline) -> Iterator[httpx.Client]:
    """The status service, for its owner."""
    headers = {"Authorization": f"Bearer {pipeline.variables['APPLIANCE_REMOTE_TOKEN']}"}
    with httpx.Client(base_url=pipeline.variables["APPLIANCE_REMOTE_URL"], headers=headers) as client:
        yield client


def rehearsal(service: httpx.Client, sql: str = LONG) -> str:
    """One that was asked for; its id."""
    body = {"workflow": "staging-twin", "sql": [{"name": "up.sql", "text": sql}]}
    return str(service.post("/rehearsals", json=body).raise_for_status().json()["id"])


@contextmanager
def under_way(rig: ApplianceRig, cluster: Cluster, work_id: str) -> Iterator[None]:
    """Its step is performed beside the block, and is at its second statement."""
    step = threading.Thread(target=perform, args=(rig, work_id))
    step.start()
    until(lambda: any("pg_sleep(100)" in each[2] for each in cluster.sessions("appliance rehearsal")))
    rig.db.execute("UPDATE appliance.asked_work SET started_at = now() WHERE command_id = %s", [work_id])
    try:
        yield
    finally:
        step.join()


def until(happened: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + 120
    while not (found := happened()):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return found


def is_cancelled(service: httpx.Client, work_id: str) -> dict[str, Any]:
    """The work, with its report of what was seen until then."""
    work: dict[str, Any] = service.get(f"/work/{work_id}").json()
    assert (work["state"], work["exit_code"]) == ("cancelled", 1)
    rewritten, slept = work["answer"]["up"]["statements"]
    assert work["answer"]["verdict"] == "cancelled" and rewritten["rewrites"] == ["public.customer"]
    assert slept["failure"] is None
    return work


def test_a_rehearsal_under_way_is_cancelled_over_the_status_service(
    pipeline: Pipeline, service: httpx.Client, twin: Cluster
) -> None:
    work_id = rehearsal(service)
    pipeline.asked.clear()
    with under_way(pipeline.rig, twin, work_id):
        assert pipeline.remote("cancel", work_id) == 0
    assert "was cancelled" in pipeline.printed, pipeline.said
    assert "over the appliance's API" in is_cancelled(service, work_id)["problem"]
    assert branches_of(twin) == [] and twin.value(TWIN, "SELECT count(*) FROM customer") == 1
    # It is over: neither again nor another.
    assert service.post(f"/work/{work_id}/cancel", json={}).status_code == 409
    assert service.post(f"/work/{uuid4()}/cancel", json={}).status_code == 409
    without = httpx.post(f"{service.base_url}/work/{work_id}/cancel", json={})
    assert without.status_code == 401


def test_a_signal_that_comes_while_it_ends_interrupts_neither_report_nor_drop(
    pipeline: Pipeline, service: httpx.Client, twin: Cluster
) -> None:
    work_id = rehearsal(service)

    def cancel_and_signal() -> None:
        until(lambda: any("pg_sleep(100)" in each[2] for each in twin.sessions("appliance rehearsal")))
        pipeline.rig.db.execute(
            "UPDATE appliance.asked_work SET started_at = now() WHERE command_id = %s", [work_id]
        )
        service.post(f"/work/{work_id}/cancel", json={}).raise_for_status()
        # What stops containers sees the request at about the same time as the step does.
        until(lambda: not any("pg_sleep(100)" in each[2] for each in twin.sessions("appliance rehearsal")))
        os.kill(os.getpid(), signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    beside = threading.Thread(target=cancel_and_signal)
    beside.start()
    try:
        perform(pipeline.rig, work_id)
    finally:
        beside.join()
        signal.signal(signal.SIGTERM, former)
    is_cancelled(service, work_id)
    assert branches_of(twin) == []


@pytest.mark.usefixtures("twin")
def test_one_that_has_not_begun_is_cancelled_at_once_and_never_begins(
    pipeline: Pipeline, service: httpx.Client
) -> None:
    work_id = rehearsal(service)
    service.post(f"/work/{work_id}/cancel", json={}).raise_for_status()
    work = service.get(f"/work/{work_id}").json()
    assert (work["state"], work["exit_code"], work["answer"]) == ("cancelled", 1, None)
    # What its task looks at first, when its turn comes.
    assert not is_open(pipeline.rig.db, work_id)
    kept = pipeline.rig.db.execute("SELECT payload::text AS payload FROM appliance.command").fetchall()
    assert not any("ALTER" in row["payload"] for row in kept)


@pytest.mark.usefixtures("twin")
def test_where_the_status_service_may_start_nothing_another_process_ends_it(
    pipeline: Pipeline, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_id = rehearsal(service)
    monkeypatch.setattr(Settings, "is_split", property(lambda _: True))
    service.post(f"/work/{work_id}/cancel", json={}).raise_for_status()
    assert service.get(f"/work/{work_id}").json()["state"] == "queued"
    settings, db = pipeline.rig.settings, pipeline.rig.db
    assert CloudCommands(settings, WantedRelease(settings)).work(db, lambda: None) == 1
    assert service.get(f"/work/{work_id}").json()["state"] == "cancelled"
    assert service.post(f"/work/{work_id}/cancel", json={}).status_code == 409


def test_a_pipeline_that_is_ended_ends_its_rehearsal(
    pipeline: Pipeline, service: httpx.Client, twin: Cluster
) -> None:
    command = [sys.executable, "-m", "appliance", "remote", "rehearse", "staging-twin", "--sql"]
    waiting = subprocess.Popen(
        [*command, pipeline.file(LONG)],
        cwd=pipeline.folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())} | pipeline.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (work_id,) = until(lambda: list(pipeline.asked))
    pipeline.asked.clear()
    with under_way(pipeline.rig, twin, work_id):
        assert waiting.stderr is not None
        line = waiting.stderr.readline()
        assert work_id in line
        waiting.send_signal(signal.SIGTERM)
        _, said = waiting.communicate()
    assert waiting.returncode == 130 and "asked to end" in said
    is_cancelled(service, work_id)
    assert branches_of(twin) == []


@pytest.mark.usefixtures("twin")
def test_the_command_line_lists_shows_and_cancels_them(
    pipeline: Pipeline, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def appliance(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["rehearsal", *words])
        return (done.exit_code, done.output) if done.exception is None else (2, str(done.exception))

    for name, value in pipeline.rig.environment.items():
        monkeypatch.setenv(name, value)
    assert "No rehearsal" in appliance("cancel")[1]
    first, second = rehearsal(service), rehearsal(service, "SELECT 1")
    assert all(each in appliance("cancel")[1] for each in (first, second))
    code, printed = appliance("cancel", first, "--why", "The release is off.")
    assert (code, printed) == (0, f"{first}: is asked to end\n")
    assert appliance("cancel")[1] == f"{second}: is asked to end\n"
    listed = {each["id"]: each["state"] for each in json.loads(appliance("list", "--json")[1])}
    assert listed == {first: "cancelled", second: "cancelled"}
    assert "The release is off." in appliance("show", first)[1]
    assert "is over" in appliance("cancel", first)[1]


def test_the_dashboard_cancels_what_it_has_asked_for_where_policy_lets_it(
    enrolled: ApplianceRig, pipeline: Pipeline, service: httpx.Client, twin: Cluster, cloud: CloudSide
) -> None:
    def answered(command: str) -> tuple[str, str | None]:
        enrolled.turn_until(lambda: cloud.command_state(command)["state"] not in ("waiting", "accepted"))
        state = cloud.command_state(command)
        return state["state"], state["rule"]

    allow(enrolled, sql_from_cloud=True, share_catalog="names")
    sql = [{"name": "up.sql", "text": LONG}]
    work_id = cloud.command(kind="rehearse", workflow="staging-twin", sql=sql)
    enrolled.turn_until(lambda: work_id in pipeline.asked)
    of_the_owner = rehearsal(service)
    with under_way(enrolled, twin, work_id):
        assert answered(cloud.command(kind="cancel", command_id=of_the_owner)) == ("refused", "branches.by")
        allow(enrolled, branches={"by": ["local"]})
        assert answered(cloud.command(kind="cancel", command_id=work_id)) == ("refused", "branches.by")
        allow(enrolled, share_catalog="names")
        assert answered(cloud.command(kind="cancel", command_id=work_id)) == ("done", None)
    enrolled.send_all()
    assert answered(work_id) == ("cancelled", None)
    report = cloud.get(f"/v1/appliances/{cloud.appliance_id}/rehearsals/{work_id}")["found"]
    assert (report["verdict"], report["report"]["up"]["cancelled"]) == ("cancelled", True)
    assert find_work(enrolled.db, of_the_owner).state == "queued"  # type: ignore[union-attr]
    assert branches_of(twin) == []


def test_the_owners_requests_leave_the_dashboards_commands_their_hour(
    enrolled: ApplianceRig, cloud: CloudSide, service: httpx.Client
) -> None:
    enrolled.db.execute(
        "INSERT INTO appliance.command (command_id, kind, payload, state)"
        " SELECT gen_random_uuid()::text, 'branch', %s, 'done' FROM generate_series(1, 600)",
        [Jsonb({"by": "page", "workflow": "staging-twin"})],
    )
    command = cloud.command(kind="sync")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "done")
    # A pipeline that asks in a loop gets this answer.
    (enrolled.settings.config_dir / "workflows" / "staging.yaml").write_text(json.dumps(WORKFLOW))
    refused = service.post("/branches", json={"workflow": "staging-twin", "act": "list"})
    assert refused.status_code == 409 and "within an hour" in refused.text
