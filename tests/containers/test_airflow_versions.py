"""Up and down between two real versions of Airflow, with a history, and a run that is stopped in its middle.

Not in CI: the second Airflow is 400 MB. Where one is installed beside the appliance's other dependencies,
``APPLIANCE_TEST_OLDER_AIRFLOW`` names its Python (tests/README.md says how it is made).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from appliance.errors import ApplianceError
from appliance.orchestration.airflow.config import airflow_environment, api_server_address
from appliance.orchestration.airflow.execution_api import create_dag_run
from appliance.receipts.book import ReceiptBook
from appliance.releases import metadata
from appliance.store.runs import RunStore
from tests.containers.appliance_host import ApplianceHost, wait_for

OLDER = os.environ.get("APPLIANCE_TEST_OLDER_AIRFLOW", "")
NEWER = sys.executable
AIRFLOW = ("api-server", "dag-processor", "scheduler")
HISTORY = 1000
DAG = """
import pathlib, time
from datetime import timedelta
from airflow.sdk import DAG, CronTriggerTimetable, task

with DAG("by_the_clock", schedule=CronTriggerTimetable("* * * * *", timezone="UTC"), catchup=False):

    @task
    def tick():
        pass

    tick()

again = {{"retries": 5, "retry_delay": timedelta(seconds=1)}}
with DAG("up_and_down", schedule=None, max_active_runs=4, default_args=again):

    @task
    def begin():
        return [1, 2]

    @task
    def middle(number):
        while not pathlib.Path("{gate}").exists():
            time.sleep(0.2)

    @task
    def end():
        pass

    middle.expand(number=begin()) >> end()
"""
COPY_A_RUN = f"""
INSERT INTO dag_run SELECT (jsonb_populate_record(r, jsonb_build_object('id', nextval('dag_run_id_seq'),
    'run_id', 'past-' || n, 'logical_date', now() - n * interval '1 hour',
    'run_after', now() - n * interval '1 hour'))).*
FROM dag_run AS r, generate_series(1, {HISTORY}) AS n WHERE run_id = 'first';
INSERT INTO task_instance SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
    'run_id', 'past-' || n))).*
FROM task_instance AS t, generate_series(1, {HISTORY}) AS n WHERE run_id = 'first';
"""

pytestmark = pytest.mark.skipif(not OLDER, reason="APPLIANCE_TEST_OLDER_AIRFLOW names no older Airflow")


class TwoAirflows(ApplianceHost):
    """One appliance's databases, and the processes of one Airflow or another on them."""

    def __init__(self) -> None:
        super().__init__("no-image")
        self.python = NEWER
        self.gate = self.folder / "gate"
        dags = self.folder / "dags"
        dags.mkdir()
        (dags / "up_and_down.py").write_text(DAG.format(gate=self.gate))
        self.environment |= {"APPLIANCE_DAGS_DIR": str(dags)}
        self.ours = self.environment

    def _launch(self, name: str) -> list[str]:
        """As the appliance starts it; the older one without our executor, which is written for 3.3."""
        if self.python == NEWER:
            return super()._launch(name)
        host, port = api_server_address(self.settings)
        options = {
            "migrate": ["db", "migrate"],
            "api-server": ["api-server", "--apps", "execution", "--host", host, "--port", str(port)],
            "scheduler": ["scheduler", "--skip-serve-logs"],
        }
        return [self.python, "-m", "airflow", *options.get(name, [name])]

    def begin(self, python: str) -> None:
        """Migrate and start, as a release with that Airflow does."""
        self.python = python
        self.environment = self.ours | (self.airflow_settings if python == OLDER else {})
        self.command("migrate")
        for name in AIRFLOW:
            self.start_process(name)

    @property
    def airflow_settings(self) -> dict[str, str]:
        """What the appliance sets Airflow up with, but for what is ours within it."""
        own = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__CORE__PLUGINS_FOLDER": "/nowhere"}
        return (
            airflow_environment(self.settings)
            | own
            | {"AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / "dags")}
        )

    def end(self) -> None:
        """Stop everything at once."""
        for name in AIRFLOW:
            self.kill_process(name)

    def ask(self, run_id: str) -> None:
        """Have a run begin."""

        def asked() -> bool:
            try:
                create_dag_run(self.settings, "up_and_down", run_id)
            except ApplianceError:
                return False
            return True

        wait_for(f"{run_id} is taken up", asked, seconds=300, every=0.5)

    def state_of(self, run_id: str) -> str:
        found = self.state_cluster.rows("airflow", "SELECT state FROM dag_run WHERE run_id = %s", [run_id])
        return str(found[0][0]) if found else ""

    def comes_to_its_end(self, run_id: str) -> None:
        try:
            wait_for(f"{run_id} succeeds", lambda: self.state_of(run_id) == "success", seconds=400, every=0.5)
        except AssertionError as error:
            logs = "\n".join(f"--- {name}\n{self.log(name)[-4000:]}" for name in AIRFLOW)
            raise AssertionError(f"{error}\n{self.state_of(run_id)}\n{logs}") from None

    def stop_in_the_middle(self, run_id: str) -> None:
        """Begin a run, and stop everything when its mapped tasks are at work."""
        self.gate.unlink(missing_ok=True)
        self.ask(run_id)
        at_work = (
            "SELECT count(*) FROM task_instance"
            " WHERE run_id = %s AND task_id = 'middle' AND state = 'running'"
        )
        wait_for(
            "it is in its middle",
            lambda: self.state_cluster.rows("airflow", at_work, [run_id]) == [(2,)],
            seconds=400,
            every=0.5,
        )
        self.end()
        self.gate.touch()

    def succeeded(self) -> int:
        """How many runs the history has."""
        sql = "SELECT count(*) FROM dag_run WHERE dag_id = 'up_and_down' AND state = 'success'"
        return int(self.state_cluster.value("airflow", sql))

    def lower(self, schema: str) -> None:
        """Go down as the newer release does before it gives way."""
        self.python = NEWER
        subprocess.run([*self._launch("lower"), schema], env=self.ours, cwd=self.folder, check=True)

    def the_scheduler_runs_the_next_one(self) -> None:
        """A run that no one asks for, which the scheduler that works now has made."""
        now = self.state_cluster.value("airflow", "SELECT clock_timestamp()")
        made = (
            "SELECT count(*) FROM dag_run WHERE dag_id = 'by_the_clock' AND run_type = 'scheduled'"
            " AND queued_at > %s AND state = 'success'"
        )

        def ran() -> bool:
            return self.state_cluster.rows("airflow", made, [now]) > [(0,)]

        wait_for("the scheduler begins a run of its own, which succeeds", ran, seconds=400, every=0.5)

    def record(self, run_id: str) -> None:
        """A run in the appliance's own record, with the events of its beginning and end."""
        store = RunStore(self.settings.database_url)
        store.run_queued(run_id, "up_and_down", airflow_run_id=run_id, origin="local", trigger="operator")
        store.run_started(run_id)
        store.run_ended(run_id, "succeeded")
        store.connection.close()
        ReceiptBook(self.settings.receipts_dir, self.settings.keys_dir).make_key()

    def own(self) -> list[str]:
        """What is the appliance's own: each row of its runs and events, and its files by their digests."""
        found = []
        for table in ("run", "step", "event", "event_counter", "command", "reporting"):
            rows = self.state_cluster.rows("appliance", f"SELECT * FROM appliance.{table} ORDER BY 1")
            found += [f"{table}: {row}" for row in rows]
        for place in (self.settings.keys_dir, self.settings.receipts_dir, self.folder / "etc"):
            files = sorted(path for path in place.rglob("*") if path.is_file())
            found += [f"{path}: {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
        return found


@pytest.fixture
def host() -> Iterator[TwoAirflows]:
    """The older Airflow with a thousand runs behind it, at work."""
    made = TwoAirflows()
    try:
        made.gate.touch()
        made.begin(OLDER)
        made.ask("first")
        made.comes_to_its_end("first")
        made.state_cluster.sql("airflow", COPY_A_RUN)
        yield made
    finally:
        made.remove()


def test_up_and_down_again_a_run_in_its_middle_goes_on_and_the_next_one_runs(host: TwoAirflows) -> None:
    url, copy = host.database_url("airflow"), host.folder / "metadata.sql"
    host.stop_in_the_middle("interrupted")
    before = metadata.version(url)
    metadata.save(url, copy)

    host.begin(NEWER)
    assert metadata.version(url) != before, "both have the same schema: nothing is shown"
    host.comes_to_its_end("interrupted")
    host.ask("after-up")
    host.comes_to_its_end("after-up")
    assert host.succeeded() == HISTORY + 3
    host.stop_in_the_middle("interrupted-above")

    # As the updater goes back in the grace period: with what the older one had.
    metadata.restore(url, copy)
    assert metadata.version(url) == before
    host.begin(OLDER)
    host.comes_to_its_end("interrupted")
    host.ask("after-down")
    host.comes_to_its_end("after-down")
    assert host.succeeded() == HISTORY + 3


def test_a_way_down_that_is_meant_takes_along_what_the_newer_one_has_recorded(host: TwoAirflows) -> None:
    url = host.database_url("airflow")
    host.end()
    older = metadata.version(url)
    host.begin(NEWER)
    assert metadata.version(url) != older, "both have the same schema: nothing is shown"
    host.ask("after-up")
    host.comes_to_its_end("after-up")
    host.record("recorded-above")
    host.stop_in_the_middle("interrupted-above")
    own = host.own()

    host.lower(older)
    assert metadata.version(url) == older
    host.begin(OLDER)
    host.comes_to_its_end("interrupted-above")
    host.ask("after-down")
    host.comes_to_its_end("after-down")
    host.the_scheduler_runs_the_next_one()
    assert host.succeeded() == HISTORY + 4
    assert host.own() == own
    host.stop_in_the_middle("interrupted-below")

    host.begin(NEWER)
    host.comes_to_its_end("interrupted-below")
    host.the_scheduler_runs_the_next_one()
    assert host.succeeded() == HISTORY + 5
    recorded = {line for line in own if "recorded-above" in line}
    assert recorded and recorded <= set(host.own())
