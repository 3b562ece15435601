"""Runs through Airflow and Docker: to the end, cancelled, killed, misconfigured."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest

from tests.containers.appliance_host import ApplianceHost, wait_for
from tests.containers.shop import LETTERS, slow_workflow, workflow
from tests.engine.clusters import Cluster


@pytest.fixture(scope="module")
def main_run(appliance: ApplianceHost) -> dict[str, Any]:
    """The first run of the workflow ``main``, with its end waited for."""
    appliance.write_workflow("main.yaml", workflow("main", "main"))
    return appliance.run_to_end("main")


def containers_of(run_id: str, **labels: str) -> list[dict[str, Any]]:
    wanted = [f"appliance.run={run_id}", *(f"appliance.{name}={value}" for name, value in labels.items())]
    client = docker.from_env().api
    return list(client.containers(all=True, filters={"label": wanted}))


def copying(appliance: ApplianceHost, run_id: str) -> bool:
    """Some of the slow table has been copied, and not all of it."""
    run = appliance.run(run_id)
    tables = {each["table"]: each for each in (run or {}).get("tables", [])}
    letter = tables.get("public.letter")
    assert not run or run["state"] in ("queued", "running"), run
    return bool(letter and letter["rows"] > 0 and not letter["done"])


def test_a_run_ends_in_a_masked_twin(
    appliance: ApplianceHost, databases: Cluster, main_run: dict[str, Any], customers: int
) -> None:
    assert main_run["state"] == "succeeded", main_run
    assert databases.value("twin_main", "SELECT count(*) FROM customer") == customers
    assert databases.value("twin_main", "SELECT count(*) FROM purchase") == customers * 3
    raw = "SELECT count(*) FROM customer WHERE email LIKE '%@real.example' OR full_name LIKE 'Real Person%'"
    assert databases.value("twin_main", raw) == 0
    assert "twin_main__next" not in databases.databases()


def test_a_run_tells_its_steps_its_tables_and_its_plan(main_run: dict[str, Any], customers: int) -> None:
    steps = {step["step"]: step["state"] for step in main_run["steps"]}
    in_order = (
        "open_snapshot",
        "plan",
        "schema",
        "copy",
        "close_snapshot",
        "finish",
        "verify",
        "attest",
        "publish",
    )
    assert set(steps) == set(in_order)
    assert set(steps.values()) == {"succeeded"}
    tables = {table["table"]: table for table in main_run["tables"]}
    assert tables["public.customer"]["rows"] == customers
    assert all(table["done"] for table in tables.values())
    assert {table["table"] for table in main_run["plan"]["tables"]} == set(tables)


def test_a_run_leaves_no_container_no_secret_and_no_row(
    appliance: ApplianceHost, main_run: dict[str, Any]
) -> None:
    wait_for("containers are gone", lambda: not containers_of(main_run["run_id"]))
    assert list((appliance.folder / "run").iterdir()) == []
    kept = (appliance.folder / "state" / "runs" / main_run["run_id"]).rglob("*")
    for path in (path for path in kept if path.is_file()):
        assert b"@real.example" not in path.read_bytes(), path
    with psycopg.connect(appliance.settings.airflow_database_url) as airflow:
        longest = airflow.execute("SELECT max(length(value::text)) FROM xcom").fetchone()
    assert longest is not None
    assert longest[0] < 200


def test_events_are_numbered_without_a_gap_and_tell_the_outcome_once(
    appliance: ApplianceHost, main_run: dict[str, Any]
) -> None:
    with psycopg.connect(appliance.settings.database_url) as db:
        numbers = [seq for (seq,) in db.execute("SELECT seq FROM appliance.event ORDER BY seq")]
        # Without a dashboard to owe them to, the oldest are forgotten; what is there has no gap.
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        query = "SELECT kind, payload FROM appliance.event WHERE run_id = %s ORDER BY seq"
        events = db.execute(query, [main_run["run_id"]]).fetchall()
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"
    assert [kinds.count(kind) for kind in ("run_started", "run_planned", "run_finished")] == [1, 1, 1]
    assert events[-1][1]["outcome"] == "succeeded"
    assert events[-1][1]["rows"] > 0


def test_a_step_may_use_what_it_needs_and_nothing_more(appliance: ApplianceHost, databases: Cluster) -> None:
    appliance.write_workflow("slow.yaml", slow_workflow("slow", "slow"))
    run_id = appliance.start_run("slow")
    wait_for("the slow table is being copied", lambda: copying(appliance, run_id))
    client = docker.from_env().api
    found = containers_of(run_id, step="copy")
    assert found
    details = client.inspect_container(found[0]["Id"])
    limits, config = details["HostConfig"], details["Config"]
    assert limits["ReadonlyRootfs"]
    assert limits["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in limits["SecurityOpt"]
    assert limits["Memory"] == limits["MemorySwap"] == 256 * 2**20
    assert limits["NanoCpus"] == 1_000_000_000
    assert 0 < limits["PidsLimit"] <= 128
    assert limits["LogConfig"]["Config"]["max-size"]
    assert not limits["Privileged"]
    mounts = {mount["Destination"]: mount for mount in details["Mounts"]}
    assert set(mounts) == {"/appliance/run", "/appliance/run/spec.json", "/run/secrets/appliance"}
    assert not mounts["/appliance/run/spec.json"]["RW"]
    assert not mounts["/run/secrets/appliance"]["RW"]
    shown = json.dumps(details)
    for secret in databases.passwords.values():
        assert secret not in shown
    assert config["Labels"]["appliance.run"] == run_id
    keeper = containers_of(run_id, step="open_snapshot")[0]["Id"]
    listed = client.exec_start(client.exec_create(keeper, ["ls", "/run/secrets/appliance"])["Id"])
    assert b"far.pgpass" in listed
    assert b"slow.pgpass" not in listed
    assert b"mask.key" not in listed
    appliance.cli("workflow", "cancel", run_id)
    assert appliance.wait_for_end(run_id)["state"] == "cancelled"


def test_a_cancelled_run_ends_at_once_and_leaves_the_twin_and_nothing_else(
    appliance: ApplianceHost, databases: Cluster
) -> None:
    before = databases.databases()
    appliance.write_workflow("slow.yaml", slow_workflow("slow", "slow"))
    run_id = appliance.start_run("slow")
    wait_for("the slow table is being copied", lambda: copying(appliance, run_id))
    answer = appliance.cli("workflow", "cancel", "slow")
    assert run_id in answer.stdout
    run = appliance.wait_for_end(run_id)
    assert run["state"] == "cancelled"
    assert all(step["attempt"] == 1 for step in run["steps"])
    assert not containers_of(run_id)
    assert databases.databases() == before
    again = appliance.cli("workflow", "cancel", run_id, check=False)
    assert again.returncode == 2
    assert "is over" in again.stderr


def test_killing_the_scheduler_while_copying_loses_neither_the_run_nor_the_twin(
    appliance: ApplianceHost, databases: Cluster, main_run: dict[str, Any], customers: int
) -> None:
    appliance.write_workflow("main.yaml", slow_workflow("main", "main"))
    counts: set[int] = set()
    stop = threading.Event()

    def read_the_twin() -> None:
        while not stop.wait(0.2):
            counts.add(databases.value("twin_main", "SELECT count(*) FROM customer"))

    reader = threading.Thread(target=read_the_twin)
    reader.start()
    try:
        run_id = appliance.start_run("main")
        wait_for("the slow table is being copied", lambda: copying(appliance, run_id))
        appliance.kill_process("scheduler", whole_group=False)
        time.sleep(1)
        appliance.start_process("scheduler")
        run = appliance.wait_for_end(run_id)
    finally:
        stop.set()
        reader.join()
    assert counts == {customers}
    assert run["state"] in ("succeeded", "failed"), run
    if run["state"] == "succeeded":
        assert databases.value("twin_main", "SELECT count(*) FROM letter") == LETTERS
    else:
        assert run["failure"]["what"]
    wait_for("no container is left", lambda: not containers_of(run_id))
    wait_for("no secret is left", lambda: not any((appliance.folder / "run").iterdir()))
    assert "twin_main__next" not in databases.databases()


def workers_of(scheduler: int) -> list[int]:
    """The processes that it has forked for tasks, at work or waiting for one."""
    children = Path(f"/proc/{scheduler}/task/{scheduler}/children").read_text().split()
    named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, name in named.items() if b"LocalExecutor" in name]


def test_killing_every_worker_while_copying_leaves_the_scheduler_able_to_run(
    appliance: ApplianceHost, databases: Cluster, main_run: dict[str, Any], customers: int
) -> None:
    appliance.write_workflow("main.yaml", slow_workflow("main", "main"))
    run_id = appliance.start_run("main")
    wait_for("the slow table is being copied", lambda: copying(appliance, run_id))
    killed = workers_of(appliance.pids("scheduler"))
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    run = appliance.wait_for_end(run_id)
    assert run["state"] in ("succeeded", "failed"), run
    wait_for("no container is left", lambda: not containers_of(run_id))
    assert databases.value("twin_main", "SELECT count(*) FROM customer") == customers
    appliance.write_workflow("main.yaml", workflow("main", "main"))
    assert appliance.run_to_end("main")["state"] == "succeeded"


def test_a_wrong_password_is_said_once_clearly_and_without_the_password(
    appliance: ApplianceHost, databases: Cluster
) -> None:
    right = databases.connection("shop", "reader", host="172.17.0.1")
    appliance.change_connection("production", {**right, "password": "wr0ng-secret-canary"})
    try:
        appliance.write_workflow("main.yaml", workflow("main", "main"))
        run = appliance.run_to_end("main")
    finally:
        appliance.change_connection("production", right)
    assert run["state"] == "failed"
    assert "production" in run["failure"]["what"] + run["failure"]["why"]
    assert "password" in json.dumps(run["failure"])
    everything = json.dumps(run) + appliance.cli("logs", run["run_id"], "--full").stdout
    assert "wr0ng-secret-canary" not in everything
    done = appliance.cli("runs", run["run_id"])
    assert run["failure"]["what"].splitlines()[0] in done.stdout


def test_a_run_goes_on_without_the_appliances_own_database(
    appliance: ApplianceHost, databases: Cluster
) -> None:
    appliance.write_workflow("main.yaml", workflow("main", "main"))
    state = appliance.state_cluster
    run_id = appliance.start_run("main")
    wait_for("the run is under way", lambda: (appliance.run(run_id) or {}).get("state") == "running")
    state.sql("postgres", "ALTER DATABASE appliance ALLOW_CONNECTIONS false")
    try:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'appliance'"
        state.rows("postgres", ended)
        query = "SELECT state FROM dag_run WHERE dag_id = 'main' ORDER BY id DESC LIMIT 1"
        wait_for(
            "Airflow has run it to its end",
            lambda: state.value("airflow", query) in ("success", "failed"),
        )
        assert state.value("airflow", query) == "success"
    finally:
        state.sql("postgres", "ALTER DATABASE appliance ALLOW_CONNECTIONS true")
    assert appliance.wait_for_end(run_id)["state"] == "succeeded"


def test_a_run_whose_table_is_rewritten_under_it_begins_anew_by_itself(
    appliance: ApplianceHost, databases: Cluster
) -> None:
    limits = {"parallel": 2, "memory_mb": 256, "retries": 0, "lock_timeout_s": 600}
    appliance.write_workflow("moved.yaml", workflow("moved", "moved", limits=limits))
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND starts_with(query, 'CREATE DATABASE \"twin_moved__next\"')"
    )
    with databases.connect("postgres") as other, other.transaction():
        other.execute("LOCK TABLE pg_database IN SHARE ROW EXCLUSIVE MODE")
        run_id = appliance.start_run("moved")
        wait_for("it is planned, and makes its database", lambda: databases.value("postgres", waits))
        databases.sql("shop", "CLUSTER purchase USING purchase_pkey")
    ended = appliance.wait_for_end(run_id)
    assert ended["state"] == "failed"
    assert ended["failure"]["what"] == "The run's snapshot does not fit public.purchase any more."
    anew = run_id.replace("moved-", "moved-anew-", 1)
    assert appliance.wait_for_end(anew)["state"] == "succeeded"
    assert databases.value("twin_moved", "SELECT count(*) FROM purchase") > 0
