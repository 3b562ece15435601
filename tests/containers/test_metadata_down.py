"""Airflow's metadata goes down to each older schema that a manifest names, with its rows, and up again."""

from __future__ import annotations

import subprocess

import psycopg

from appliance.releases import metadata
from appliance.releases.way_down.borders import BORDERS
from tests.containers.appliance_host import ApplianceHost

_RUN = (
    "INSERT INTO dag_run (dag_id, run_id, run_type, run_after, log_template_id)"
    " SELECT 'shop', %s, %s, now(), max(id) FROM log_template"
)
_RUNS = "SELECT run_id, run_type FROM dag_run ORDER BY 1"
_DAG = (
    "INSERT INTO dag_bundle (name) VALUES ('b')",
    "INSERT INTO log_template (filename, elasticsearch_id, created_at)"
    " SELECT '', '', now() WHERE NOT EXISTS (SELECT FROM log_template)",
)


def lower(host: ApplianceHost, schema: str) -> subprocess.CompletedProcess[str]:
    command = [*host._launch("lower"), schema]
    return subprocess.run(
        command, env=host.environment, cwd=host.folder, capture_output=True, text=True, check=False
    )


def test_runs_go_along_and_are_called_what_the_older_airflow_calls_them() -> None:
    host = ApplianceHost("no-image")
    try:
        host.command("migrate")
        url = host.database_url("airflow")
        newest = metadata.version(url)
        with psycopg.connect(url, autocommit=True) as session:
            for statement in _DAG:
                session.execute(statement.encode())
            for run in (("asked", "operator_triggered"), ("planned", "scheduled")):
                session.execute(_RUN, run)
        for schema in BORDERS:
            for _ in range(2):
                done = lower(host, schema)
                assert done.returncode == 0, done.stderr
            assert metadata.version(url) == schema
        runs = host.state_cluster.rows("airflow", _RUNS)
        assert runs == [("asked", "manual"), ("planned", "scheduled")]
        host.command("migrate")
        assert metadata.version(url) == newest
        assert host.state_cluster.rows("airflow", _RUNS) == runs
        refused = lower(host, "0123456789ab")
        assert refused.returncode == 2 and "no schema that this release goes down to" in refused.stderr
    finally:
        host.remove()
