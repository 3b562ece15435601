"""Canaries in the rows and passwords of a whole appliance, failures for real: none where anybody looks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.appliance_host import GATEWAY, ApplianceHost
from tests.containers.cloud import Cloud, enrolled_cloud
from tests.dashboard.walking import pages, sign_in
from tests.engine.clusters import Cluster, program

ROWS = (
    "Zanzibara Quagmire",
    "zanzibara@quagmire.example",
    "4929 5301 1234 5675",
    "+44 20 7946 0958",
    "078-05-1120",
    "GB29 NWBK 6016 1331 9268 19",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "first zanzibar line\nsecond zanzibar line",
)
PASSWORDS = ("c4nary-reader:pass'w@rd", "c4nary-owner:pass'w@rd", "c4nary-wrong:pass'w@rd")
NEVER = ("anzibar", "uagmire", "4929 53", "7946 0958", "078-05-1", "NWBK 60", "ghp_16", "c4nary")
SCHEMA = """
CREATE FUNCTION refuse(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  IF current_database() LIKE 'twin%' THEN
    RAISE EXCEPTION 'cannot use "%"', value USING DETAIL = 'The row is ' || value, HINT = 'Look at ' || value;
  END IF;
  RETURN true;
END $$;
CREATE TABLE person (id integer PRIMARY KEY, value text);
CREATE DOMAIN guarded AS text CHECK (public.refuse(VALUE));
CREATE TABLE checked (id integer PRIMARY KEY, value guarded);
"""
"""The domain takes values where the data is, and refuses them with all it knows where they are copied to."""


def workflow(id_: str, table: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "source": "canaries",
        "tables": {"include": [f"public.{table}"]},
        "keep": ["public.*.*"],
        "deliver": [{"twin": {"connection": "canary_twin", "grace_s": 0}}],
        "limits": {"parallel": 1, "memory_mb": 256, "retries": 0},
        **changes,
    }


@pytest.fixture(scope="module")
def cloud(
    appliance: ApplianceHost, databases: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """A source full of canaries, that the appliance may read; and a dashboard that hears of it."""
    databases.create_database("canary_shop")
    databases.sql("canary_shop", SCHEMA)
    with databases.connect("canary_shop") as connection:
        for number, value in enumerate(ROWS):
            for table in ("person", "checked"):
                connection.execute(f"INSERT INTO {table} VALUES (%s, %s)", (number, value))
    databases.role("canary_reader", password=PASSWORDS[0])
    databases.role("canary_owner", "CREATEDB", password=PASSWORDS[1])
    databases.sql("canary_shop", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO canary_reader")
    source = databases.connection("canary_shop", "canary_reader", host=GATEWAY)
    appliance.change_connection("canaries", source)
    appliance.change_connection("canary_twin", twin_of(databases))
    folder = tmp_path_factory.mktemp("dashboard")
    with enrolled_cloud(appliance, folder, read=("canaries",), write=("canary_twin",)) as made:
        yield made


def twin_of(databases: Cluster, **changes: Any) -> dict[str, Any]:
    return databases.connection("twin_canary", "canary_owner", host=GATEWAY) | changes


def run_to_end(appliance: ApplianceHost, workflow_id: str) -> dict[str, Any]:
    return appliance.wait_for_end(appliance.start_run(workflow_id))


def dumped(cluster: Cluster, database: str) -> str:
    """Every row of a database as text."""
    command = [program(cluster.major, "pg_dump"), "--data-only", "--inserts", "-h", "127.0.0.1"]
    command += ["-p", str(cluster.port), "-U", "postgres", database]
    environment = {**os.environ, "PGPASSWORD": cluster.passwords["postgres"]}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def files_under(folder: Path) -> str:
    return "\n".join(
        f"{path}: {path.read_bytes().decode('latin-1')}" for path in folder.rglob("*") if path.is_file()
    )


def test_failures_with_rows_and_passwords_in_them_show_neither_anywhere(
    appliance: ApplianceHost, databases: Cluster, cloud: Cloud
) -> None:
    looks_at_rows = {"public.person": {"where": "value::integer > 0"}}
    failing = {
        "canary-copy": workflow("canary-copy", "checked"),
        "canary-where": workflow("canary-where", "person", rows=looks_at_rows),
        "canary-password": workflow("canary-password", "person"),
    }
    for name, document in failing.items():
        appliance.write_workflow(f"{name}.yaml", document)
    ended = {name: run_to_end(appliance, name) for name in ("canary-copy", "canary-where")}
    appliance.change_connection("canary_twin", twin_of(databases, password=PASSWORDS[2]))
    ended["canary-password"] = run_to_end(appliance, "canary-password")
    assert {run["state"] for run in ended.values()} == {"failed"}, ended
    runs = [cloud.run_at_its_end(run["run_id"]) for run in ended.values()]

    # The failures did hold canaries where they were raised: in the servers' own logs.
    assert "anzibar" in databases.log_file.read_text()
    failures = {name: run["failure"] for name, run in ended.items()}
    assert failures["canary-copy"]["sqlstate"] == "P0001"
    assert failures["canary-copy"]["table"] == "public.checked"
    assert failures["canary-where"]["sqlstate"] == "22P02"
    assert failures["canary-where"]["table"] == "public.person"
    assert "connections.yaml" in failures["canary-password"]["next_step"]

    with contextlib.closing(sign_in(cloud.dashboard, "viewer", "viewer")) as browser:
        walked = pages(browser, ["/"], lambda link: not link.startswith(("/static", "/sign-out")))
    assert all(f"/runs/{cloud.appliance_id}/{run['run_id']}" in walked for run in runs)
    assert files_under(appliance.folder / "run") == "", "secrets of steps do not outlive them"
    state = appliance.state_cluster
    own = [appliance.status(path)[1] for path in ("/status", "/runs")]
    for place, text in {
        "the dashboard's pages": "\n".join(walked.values()),
        "the dashboard's answers": json.dumps(runs),
        "the dashboard's store and log": files_under(cloud.folder),
        "the logs of tasks and processes": files_under(appliance.folder / "log"),
        "the runs' folders": files_under(appliance.folder / "state"),
        "the appliance's database": dumped(state, "appliance"),
        "Airflow's database": dumped(state, "airflow"),
        "the status service": json.dumps([*own, *(appliance.run(run["run_id"]) for run in ended.values())]),
    }.items():
        assert text, place
        found = [line[:300] for line in text.splitlines() if any(canary in line for canary in NEVER)][:5]
        assert found == [], f"{found} in {place}"
