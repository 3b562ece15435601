"""A host goes down to a release with Airflow 3.2 and up again to 3.3, by the updater, in the middle of a run.

Run only where ``APPLIANCE_TEST_AIRFLOWS_ON_A_HOST`` is set: the older Airflow and what it needs otherwise are
fetched from the package index, and a second release is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.releases.repository.contents import this_architecture
from provisioning.release.wheels import platform_options
from tests.vm.conftest import Appliance
from tests.vm.container_host import docker
from tests.vm.repacking import PYTHON, variation
from tests.vm.running import assert_masked_twin, run_workflow, runs, start
from tests.vm.sample_database import SAMPLE_PORT, WORKFLOW, make_sample, packed, put_workflow, sql
from tests.vm.test_5_update import FOLDER, ROOT, SETTINGS, copy_release, current, outcome, watch_for

ASKED_FOR = "APPLIANCE_TEST_AIRFLOWS_ON_A_HOST"
pytestmark = pytest.mark.skipif(ASKED_FOR not in os.environ, reason=f"{ASKED_FOR} is not set")

OLDER, NEWER = "0.1.30", "0.1.31"
WHEELS = (
    *("apache-airflow==3.2.2", "apache-airflow-core==3.2.2", "apache-airflow-task-sdk==1.2.2"),
    *("aiosqlite==0.21.0", "cadwyn==6.2.2", "fastapi==0.133.1", "sqlalchemy==2.0.58"),
    *("pydantic==2.12.5", "pydantic-core==2.41.5"),
)
"""What differs from this release, down to what Airflow 3.2 was written for."""
WRITTEN_FOR_3_3 = {
    "appliance/orchestration/airflow/config.py": """
_core_of_3_3 = _core
def _core(settings):
    return _core_of_3_3(settings) | {"executor": "LocalExecutor"}
"""
}
"""The executor takes the place of methods that Airflow 3.2 does not have; its own takes the place of ours."""
HISTORY = 1000
A_RUN = "SELECT min(id) FROM dag_run WHERE dag_id = 'vm-twin' AND state = 'success'"
COPY_A_RUN = f"""
INSERT INTO dag_run SELECT (jsonb_populate_record(r, jsonb_build_object('id', nextval('dag_run_id_seq'),
    'run_id', 'past-' || n, 'logical_date', now() - n * interval '1 minute',
    'run_after', now() - n * interval '1 minute'))).*
FROM dag_run AS r, generate_series(1, {HISTORY}) AS n WHERE r.id = ({A_RUN});
INSERT INTO task_instance SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
    'run_id', 'past-' || n))).*
FROM task_instance AS t JOIN dag_run AS r USING (dag_id, run_id), generate_series(1, {HISTORY}) AS n
WHERE r.id = ({A_RUN});
"""
PATIENT = WORKFLOW.replace("parallel: 2", "lock_timeout_s: 1000, parallel: 2")
EVERY_MINUTE = PATIENT.replace("source: production", 'source: production\nschedule: "* * * * *"')
HOLD = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1200)"
LET_GO = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query LIKE '%pg_sleep(1200)%' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def machine(
    appliance: Appliance, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Appliance]:
    """At the newer release, with a thousand runs behind it, and the bundle of the older one at hand."""
    if appliance.vm.container is None:
        pytest.skip("only into a host that is a container a bundle is put from here")
    folder = tmp_path_factory.mktemp("older")
    fetch(folder / "wheels")
    made = variation(bundle, OLDER, folder, appended=WRITTEN_FOR_3_3, wheels=folder / "wheels")
    appliance.vm.sudo(f"mkdir -p {ROOT}/bundles")
    docker("cp", str(made), f"{appliance.vm.container}:{ROOT}/bundles/")
    appliance.vm.sudo(
        f"cd {ROOT}/bundles && chown root:root {made.name} && sha256sum {made.name} > {made.name}.sha256"
    )
    made.unlink()
    appliance.vm.sudo(f"cp -a {SETTINGS} /root/settings.airflows")
    watch_for(appliance, minutes=0)
    make_sample(appliance)
    put_workflow(appliance, PATIENT)
    assert run_workflow(appliance)["state"] == "succeeded"
    metadata(appliance, COPY_A_RUN)
    copy_release(appliance, NEWER)
    move(appliance, NEWER)
    yield appliance
    appliance.vm.sudo(f"mv /root/settings.airflows {SETTINGS}")


def fetch(wheels: Path) -> None:
    """The packages of the older Airflow, for the host's Python."""
    of_host = ["--only-binary=:all:", "--python-version", PYTHON, *platform_options(this_architecture())]
    command = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", *of_host]
    subprocess.run([*command, "--dest", str(wheels), *WHEELS], check=True)


def metadata(appliance: Appliance, text: str) -> str:
    """Run SQL in Airflow's database."""
    psql = 'psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql "dbname=airflow user=appliance"'
    return appliance.vm.sudo(f"printf %s {packed(text)} | base64 -d | {psql}")


def move(appliance: Appliance, version: str) -> None:
    appliance.vm.sudo(f"rm -f {FOLDER}/outcome.json")
    appliance.vm.ssh(f"sudo appliance release use {version} --yes --interrupt")
    assert outcome(appliance)["result"] == "done"
    assert current(appliance) == version


def airflow(appliance: Appliance) -> str:
    """The version that is installed, and the schema that its metadata has."""
    asked = 'import importlib.metadata as found; print(found.version("apache-airflow-core"))'
    installed = appliance.vm.sudo(f"{ROOT}/current/venv/bin/python -I -c '{asked}'")
    return f"{installed} {metadata(appliance, 'SELECT version_num FROM alembic_version')}"


def moved_in_the_middle_of_a_run(appliance: Appliance, version: str) -> None:
    """A run waits for a locked table when all is stopped, and comes to its end after the move."""
    before = succeeded(appliance)
    held = f'psql -X -p {SAMPLE_PORT} -d shop -c "{HOLD}"'
    appliance.vm.sudo(f"systemd-run --collect --unit=hold --uid=postgres {held}")
    run_id = start(appliance, "vm-twin")
    until(lambda: sql(appliance, "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0")
    move(appliance, version)
    # Its server would sleep on behind a client that is gone.
    sql(appliance, LET_GO)
    until(lambda: state_of(appliance, run_id) not in ("queued", "running"))
    assert state_of(appliance, run_id) == "succeeded", appliance.vm.sudo(f"appliance runs {run_id}")
    assert_masked_twin(appliance)
    assert run_workflow(appliance)["state"] == "succeeded"
    the_scheduler_begins_one_by_itself(appliance)
    assert succeeded(appliance) >= before + 2


def state_of(appliance: Appliance, run_id: str) -> str:
    """That of the run, not of its steps."""
    return next(str(each["state"]) for each in runs(appliance) if each["run_id"] == run_id)


def the_scheduler_begins_one_by_itself(appliance: Appliance) -> None:
    """A run that no one asks for."""
    ran = "SELECT 1 FROM dag_run WHERE run_type = 'scheduled' AND state = 'success' AND start_date > "
    known = {each["run_id"] for each in runs(appliance)}
    began = metadata(appliance, "SELECT extract(epoch FROM clock_timestamp())")
    put_workflow(appliance, EVERY_MINUTE)
    until(lambda: metadata(appliance, f"{ran} to_timestamp({began}) LIMIT 1") == "1")
    put_workflow(appliance, PATIENT)
    until(lambda: not {"queued", "running"} & {str(each["state"]) for each in runs(appliance)})
    begun = [each for each in runs(appliance) if each["run_id"] not in known]
    assert {each["state"] for each in begun} == {"succeeded"}, begun


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so. A limit for hanging, not for slowness."""
    give_up = time.monotonic() + 900
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(1)


def succeeded(appliance: Appliance) -> int:
    """How many runs the history has."""
    return int(
        metadata(appliance, "SELECT count(*) FROM dag_run WHERE dag_id = 'vm-twin' AND state = 'success'")
    )


def test_down_to_the_older_airflow_a_run_in_its_middle_goes_on_and_the_next_ones_run(
    machine: Appliance,
) -> None:
    newer = airflow(machine)
    moved_in_the_middle_of_a_run(machine, OLDER)
    older = airflow(machine)
    assert older.startswith("3.2.2 ") and newer.startswith("3.3."), (older, newer)
    assert older.split()[1] != newer.split()[1], "both have the same schema: nothing is shown"
    assert succeeded(machine) > HISTORY


def test_up_again_a_run_in_its_middle_goes_on_and_the_next_ones_run(machine: Appliance) -> None:
    older = airflow(machine)
    moved_in_the_middle_of_a_run(machine, NEWER)
    newer = airflow(machine)
    assert older.startswith("3.2.2 ") and newer.startswith("3.3."), (older, newer)
    assert succeeded(machine) > HISTORY
    assert machine.vm.sudo("systemctl --failed --no-legend") == ""
