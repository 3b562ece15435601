"""The probe of a release, through the real Airflow and real containers: what it proves and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest

from appliance.errors import WorkFailedError
from appliance.orchestration.airflow.metadata import PROBE_DAG
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.probe import performing
from appliance.orchestration.probe.server import ThrowawayServer
from appliance.orchestration.probe.tiny_run import PROBE, fill
from appliance.run_folder import LOOK
from tests.containers.appliance_host import ApplianceHost


@pytest.fixture
def host(appliance: ApplianceHost) -> Iterator[ApplianceHost]:
    """The probe's own PostgreSQL is no root, and goes to its folder."""
    folders = [appliance.folder, appliance.folder / "state", appliance.folder / "state" / "runs"]
    folders[-1].mkdir(exist_ok=True)
    modes = [folder.stat().st_mode for folder in folders]
    for folder in folders:
        folder.chmod(0o755)
    yield appliance
    for folder, mode in zip(folders, modes, strict=True):
        folder.chmod(mode)


def perform(host: ApplianceHost) -> None:
    performing.probe(host.settings, server_user="postgres")


def left_behind(host: ApplianceHost) -> list[str]:
    """Folders, secrets and containers of probes."""
    found = [path.name for path in (host.folder / "state" / "runs").glob(f"{LOOK}{PROBE}*")]
    found += [path.name for path in Path(host.settings.runtime_dir).glob(f"{LOOK}{PROBE}*")]
    client = docker.from_env()
    instance = instance_name(host.settings, client.api)
    labels = [f"appliance.workflow={PROBE}", f"appliance.instance={instance}"]
    containers = client.containers.list(all=True, filters={"label": labels})
    return found + [each.name for each in containers]


def known_of(host: ApplianceHost) -> list[Any]:
    """Everything that people, the dashboard and auditors get to see, of the probe's runs.

    Of nothing else: timetables and checks of the other workflows go on beside it.
    """
    tables = ("run", "event", "progress", "notice")
    of_probes = ", ".join(
        f"(SELECT count(*) FROM appliance.{table} AS r WHERE to_jsonb(r)::text LIKE '%{PROBE}%')"
        for table in tables
    )
    folders = (host.settings.receipts_dir, host.settings.exports_dir)
    files = [path.name for folder in folders for path in folder.rglob(f"*{PROBE}*")]
    workflows = [each["id"] for each in host.status("/status")[1]["workflows"]]
    return [host.state_cluster.rows("appliance", f"SELECT {of_probes}"), sorted(files), workflows]


def test_a_tiny_run_goes_through_and_leaves_no_trace(host: ApplianceHost) -> None:
    before = known_of(host)
    # One that was killed has left this.
    (host.folder / "state" / "runs" / f"{LOOK}{PROBE}-20260101t000000z-0000" / "server" / "data").mkdir(
        parents=True
    )
    perform(host)
    assert known_of(host) == before
    assert left_behind(host) == []
    states = host.state_cluster.rows("airflow", "SELECT state FROM dag_run WHERE dag_id = %s", [PROBE_DAG])
    assert states == [("success",)]


def test_a_step_that_fails_is_named_with_its_reason(
    host: ApplianceHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_of(host)

    def without_rights(server: ThrowawayServer) -> None:
        fill(server)
        with psycopg.connect(server.conninfo("people")) as session:
            session.execute("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM probe_reader")

    monkeypatch.setattr(performing, "fill", without_rights)
    with pytest.raises(WorkFailedError, match="The tiny run of the probe failed") as caught:
        perform(host)
    assert "In the step plan: " in caught.value.why and "SELECT" in caught.value.why
    assert known_of(host) == known
    assert left_behind(host) == []


def test_a_scheduler_that_does_nothing_is_said_within_its_time(
    host: ApplianceHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.kill_process("scheduler")
    monkeypatch.setattr(performing, "BEGUN_S", 2.0)
    try:
        with pytest.raises(WorkFailedError, match="scheduler has not begun"):
            perform(host)
    finally:
        host.start_process("scheduler")
    assert left_behind(host) == []
