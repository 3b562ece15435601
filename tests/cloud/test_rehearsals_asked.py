"""Rehearsals and branches that are asked for from elsewhere: `appliance remote`, as a pipeline runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as Xml

import pytest
import yaml
from uvicorn import Config, Server

from appliance.cloud import commands
from appliance.copies.ledger import made
from appliance.postgres.twin.database import mark
from appliance.status.calls.guard import owners_token
from appliance.status.service import create_app
from tests.cloud.appliance_rig import BEATS_EVERY_S, POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_looks import asked, perform
from tests.engine.breakable_proxy import breakable_proxy
from tests.engine.clusters import Cluster, free_port

__all__ = ["asked"]
ROOT = Path(__file__).parents[2]
TWIN = "rehearsed_twin"
OWNER = "rehearsed_owner"
BY_ALL = {"by": ["local", "cloud"], "max": 5, "ttl_days": 3}
GOOD = "ALTER TABLE customer ADD COLUMN note text;"
BAD = "ALTER TABLE customer ALTER COLUMN id TYPE bigint;\nSELECT 'canary' FROM nowhere;"


@pytest.fixture
def twin(state_cluster: Cluster, rig: ApplianceRig) -> Iterator[Cluster]:
    """A published twin of a workflow of the appliance's own."""
    state_cluster.role(OWNER, "CREATEDB")
    state_cluster.create_database(TWIN, f"OWNER {OWNER}")
    state_cluster.sql(
        TWIN, "CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1)", user=OWNER
    )
    with state_cluster.connect(user=OWNER) as admin:
        mark(admin, TWIN, workflow="staging-twin", run="run-1", state="published")
    connection = state_cluster.connection(TWIN, OWNER)
    file = rig.settings.connections_file
    file.write_text(yaml.safe_dump({"production": connection | {"dbname": "else"}, "staging": connection}))
    file.chmod(0o600)
    folder = rig.settings.config_dir / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "staging.yaml").write_text(json.dumps(WORKFLOW | {"rehearsal": {"forbid": ["rewrite"]}}))
    allow(rig)
    yield state_cluster
    for database in state_cluster.databases():
        if database.startswith(TWIN):
            state_cluster.drop_database(database)
    state_cluster.sql("postgres", f"DROP ROLE {OWNER}")


def allow(rig: ApplianceRig, **policy: Any) -> None:
    rig.write_policy(POLICY | {"branches": BY_ALL} | policy)


@contextmanager
def served(rig: ApplianceRig, port: int) -> Iterator[None]:
    """The status service, as others reach it."""
    server = Server(Config(create_app(rig.settings), port=port, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join()


class Pipeline:
    """Runs `appliance remote`, and does meanwhile what Airflow would."""

    def __init__(self, rig: ApplianceRig, asked: list[str], folder: Path) -> None:
        self.rig, self.asked, self.folder = rig, asked, folder
        self.port = free_port()
        self.variables = {
            "APPLIANCE_REMOTE_URL": f"http://127.0.0.1:{self.port}",
            "APPLIANCE_REMOTE_TOKEN": owners_token(rig.settings) or "",
        }
        self.meanwhile: Callable[[], Any] = lambda: None
        self.said = ""
        self.printed = ""

    def file(self, sql: str, name: str = "up.sql") -> str:
        (self.folder / name).write_text(sql)
        return name

    def remote(self, *words: str) -> int:
        """Its exit status."""
        return self.run([sys.executable, "-m", "appliance", "remote", *words], {})

    def run(self, command: list[str], variables: dict[str, str]) -> int:
        """That of any program that asks."""
        program = subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())} | self.variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        done = 0
        while program.poll() is None:
            self.meanwhile()
            for work_id in self.asked[done:]:
                perform(self.rig, work_id)
                done += 1
            time.sleep(0.05)
        self.asked.clear()
        self.printed, self.said = program.communicate()
        return program.returncode


@pytest.fixture
def pipeline(rig: ApplianceRig, asked: list[str], tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(rig, asked, tmp_path)
    with served(rig, made.port):
        yield made


def branches_of(cluster: Cluster) -> list[str]:
    return [each for each in cluster.databases() if each.startswith(f"{TWIN}__")]


def test_a_migration_is_rehearsed_over_the_status_service_with_its_report_and_exit_status(
    pipeline: Pipeline, twin: Cluster
) -> None:
    reports = ("--markdown", "comment.md", "--junit", "junit.xml")
    assert pipeline.remote("rehearse", "staging-twin", "--sql", pipeline.file(GOOD), *reports) == 0
    assert "Asked for, as " in pipeline.said and "passed" in pipeline.printed
    assert "The migration passed." in (pipeline.folder / "comment.md").read_text()
    assert Xml.parse(pipeline.folder / "junit.xml").getroot().get("failures") == "0"
    assert branches_of(twin) == []

    bad = pipeline.file(BAD)
    assert pipeline.remote("rehearse", "staging-twin", "--sql", bad, "--json") == 1
    report = json.loads(pipeline.printed)
    assert report["verdict"] == "failed" and report["up"]["statements"][1]["failure"]["sqlstate"] == "42P01"
    assert report["up"]["statements"][0]["rewrites"] == ["public.customer"]
    assert pipeline.remote("rehearse", "staging-twin", "--sql", pipeline.file(BAD.splitlines()[0])) == 3
    assert "rehearsal.forbid" in pipeline.printed
    assert branches_of(twin) == [] and twin.value(TWIN, "SELECT count(*) FROM customer") == 1
    kinds = {(each.kind, each.asked_by) for each in made(pipeline.rig.settings.state_dir)}
    assert kinds == {("branch", "request")}
    # What was sent along stays nowhere.
    kept = pipeline.rig.db.execute("SELECT payload::text FROM appliance.command").fetchall()
    assert len(kept) == 3 and not any("ALTER" in row["payload"] for row in kept)


@pytest.mark.usefixtures("twin")
def test_what_cannot_be_rehearsed_or_may_not_be_ends_with_its_exit_status(pipeline: Pipeline) -> None:
    assert pipeline.remote("rehearse", "staging-twin", "--sql", pipeline.file("DROP DATABASE x")) == 2
    assert pipeline.remote("rehearse", "no-such-twin", "--sql", pipeline.file(GOOD)) == 2
    allow(pipeline.rig, branches={"by": []})
    assert pipeline.remote("rehearse", "staging-twin", "--sql", pipeline.file(GOOD)) == 3
    assert "branches.by" in pipeline.said
    pipeline.variables["APPLIANCE_REMOTE_TOKEN"] = "x" * 40
    assert pipeline.remote("branch", "list", "staging-twin") == 2
    pipeline.variables["APPLIANCE_REMOTE_URL"] = "http://appliance.internal"
    assert pipeline.remote("branch", "list", "staging-twin") == 2
    assert "without TLS" in pipeline.said


def test_branches_are_made_listed_and_dropped_over_the_status_service(
    pipeline: Pipeline, twin: Cluster
) -> None:
    assert pipeline.remote("branch", "create", "staging-twin", "pay/1", "--ttl", "2h") == 0
    (database,) = branches_of(twin)
    assert database in pipeline.printed and "run-1" in pipeline.printed
    assert pipeline.remote("branch", "create", "staging-twin", "pay/2", "--ttl", "9d") == 3
    assert pipeline.remote("branch", "extend", "staging-twin", "pay/1", "--ttl", "3d") == 0
    assert pipeline.remote("branch", "list", "staging-twin", "--json") == 0
    (found,) = json.loads(pipeline.printed)["answer"]["branches"]
    assert found["marker"]["name"] == "pay/1" and found["database"] == database
    assert pipeline.remote("branch", "drop", "staging-twin", "pay/1") == 0
    assert branches_of(twin) == []


@pytest.mark.usefixtures("twin")
def test_a_connection_that_is_lost_is_taken_up_again(
    rig: ApplianceRig, asked: list[str], tmp_path: Path
) -> None:
    pipeline = Pipeline(rig, asked, tmp_path)
    with served(rig, pipeline.port):
        waiting = subprocess.Popen(
            [
                *(sys.executable, "-m", "appliance", "remote", "rehearse", "staging-twin"),
                *("--sql", pipeline.file(GOOD)),
            ],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())} | pipeline.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Nothing performs it: the program waits until the service is gone.
        while not asked:
            assert waiting.poll() is None
            time.sleep(0.02)
    assert waiting.stderr is not None
    lines = iter(waiting.stderr.readline, "")
    assert any("The connection is lost" in line for line in lines)
    perform(rig, asked[0])
    with served(rig, pipeline.port):
        printed, said = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, said
    assert "The connection is there again." in said and "passed" in printed


def test_the_same_request_sent_again_is_done_once(pipeline: Pipeline, twin: Cluster) -> None:
    from httpx import Client

    token = pipeline.variables["APPLIANCE_REMOTE_TOKEN"]
    body = {"id": str(uuid4()), "workflow": "staging-twin", "act": "create", "name": "once"}
    with Client(base_url=pipeline.variables["APPLIANCE_REMOTE_URL"]) as client:
        assert client.post("/branches", json=body).status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        for _ in range(2):
            assert client.post("/branches", json=body).json()["id"] == body["id"]
        assert client.get(f"/work/{body['id']}").json()["state"] == "queued"
        perform(pipeline.rig, body["id"])
        work = client.get(f"/work/{body['id']}").json()
        assert (work["state"], work["exit_code"], work["origin"]) == ("done", 0, "local")
        assert client.get(f"/work/{uuid4()}").status_code == 404
    assert len(branches_of(twin)) == 1


def through_the_dashboard(pipeline: Pipeline, cloud: CloudSide, token: str) -> None:
    pipeline.variables = {
        "APPLIANCE_REMOTE_URL": str(cloud.api.base_url),
        "APPLIANCE_REMOTE_TOKEN": token,
        "APPLIANCE_REMOTE_APPLIANCE": cloud.appliance_id,
    }

    next_beat = 0.0

    def turn() -> None:
        nonlocal next_beat
        pipeline.rig.is_done_trying()
        if time.monotonic() >= next_beat:
            pipeline.rig.beat_now()
            next_beat = time.monotonic() + BEATS_EVERY_S
        pipeline.rig.reporter.turn()

    pipeline.meanwhile = turn


def test_sql_goes_through_the_dashboard_only_where_policy_says_so(
    enrolled: ApplianceRig, pipeline: Pipeline, twin: Cluster, cloud: CloudSide, api_token: str
) -> None:
    through_the_dashboard(pipeline, cloud, api_token)
    wanted = ("rehearse", "staging-twin", "--sql", pipeline.file(BAD))
    assert pipeline.remote(*wanted) == 3
    assert "sql_from_cloud" in pipeline.said
    allow(enrolled, sql_from_cloud=True)
    assert pipeline.remote(*wanted) == 1
    assert "share" in pipeline.printed, pipeline.said
    allow(enrolled, sql_from_cloud=True, share_catalog="names")
    assert pipeline.remote(*wanted, "--json") == 1
    report = json.loads(pipeline.printed)
    assert report["up"]["statements"][0]["rewrites"] == ["public.customer"]
    assert report["up"]["statements"][1]["failure"]["sqlstate"] == "42P01"
    assert "canary" not in json.dumps(cloud.events) and branches_of(twin) == []
    with twin.connect(enrolled.db.info.dbname) as own:
        assert not own.execute("SELECT FROM appliance.command WHERE payload::text LIKE '%canary%'").fetchall()


@pytest.mark.usefixtures("twin")
def test_an_image_goes_through_the_dashboard_by_its_digest_and_as_policy_names_it(
    enrolled: ApplianceRig,
    pipeline: Pipeline,
    cloud: CloudSide,
    api_token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    through_the_dashboard(pipeline, cloud, api_token)
    assert pipeline.remote("rehearse", "staging-twin", "--image", "registry.internal/m:1") == 2
    digest = f"registry.internal/m@sha256:{'a' * 64}"
    # Without a role of its own no container migrates anything. The file is the appliance's own: no other
    # version of it is waited for.
    monkeypatch.setattr(commands, "PATIENCE_S", 1e9)
    assert pipeline.remote("rehearse", "staging-twin", "--image", digest) != 0
    assert "rehearsal.connection" in pipeline.said
    workflow = WORKFLOW | {"rehearsal": {"connection": "migrator"}}
    (enrolled.settings.config_dir / "workflows" / "staging.yaml").write_text(json.dumps(workflow))
    assert pipeline.remote("rehearse", "staging-twin", "--image", digest) == 3
    assert "images" in pipeline.said


def test_branches_go_through_the_dashboard(
    enrolled: ApplianceRig, pipeline: Pipeline, twin: Cluster, cloud: CloudSide, api_token: str
) -> None:
    through_the_dashboard(pipeline, cloud, api_token)
    assert pipeline.remote("branch", "create", "staging-twin", "pay/1") == 0
    assert "pay/1" in pipeline.printed and len(branches_of(twin)) == 1
    allow(enrolled, branches={"by": ["local"]})
    assert pipeline.remote("branch", "drop", "staging-twin", "pay/1") == 3
    assert len(branches_of(twin)) == 1


@pytest.mark.usefixtures("twin")
def test_the_action_for_github_writes_a_summary_and_ends_with_the_exit_code(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    action = yaml.safe_load((ROOT / "ci/rehearse/action.yml").read_text())
    step = action["runs"]["steps"][-1]
    (tmp_path / "bin").write_text(f'#!/bin/sh\nexec {sys.executable} -m appliance "$@"\n')
    (tmp_path / "bin").chmod(0o755)
    given = {
        "APPLIANCE": str(tmp_path / "bin"),
        "WORKFLOW": "staging-twin",
        "SQL": pipeline.file(BAD.splitlines()[0]),
        **dict.fromkeys(("ID", "CA", "IMAGE", "COMMAND", "DOWN"), ""),
        "REPORTS": str(tmp_path),
    }
    assert set(step["env"]) == {*given, "APPLIANCE_REMOTE_URL", "APPLIANCE_REMOTE_TOKEN"}
    summary = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    assert pipeline.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], given | summary) == 3
    assert "public.customer was rewritten" in (tmp_path / "summary.md").read_text()


@pytest.mark.usefixtures("twin")
def test_the_template_for_gitlab_goes_on_behind_a_connection_that_breaks(pipeline: Pipeline) -> None:
    template = yaml.safe_load((ROOT / "ci/rehearse/gitlab.yml").read_text())[".rehearse"]
    program = pipeline.folder / ".appliance" / "bin" / "appliance"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m appliance "$@"\n')
    program.chmod(0o755)
    given = template["variables"] | {
        "REHEARSE_WORKFLOW": "staging-twin",
        "REHEARSE_SQL": pipeline.file(GOOD),
        "REHEARSE_DOWN": pipeline.file("ALTER TABLE customer DROP COLUMN note;", "down.sql"),
    }
    with breakable_proxy(pipeline.port) as proxy:
        pipeline.variables["APPLIANCE_REMOTE_URL"] = f"http://127.0.0.1:{proxy.port}"
        # The request arrives, its answer does not.
        proxy.cut_after(1)
        code = pipeline.run(["bash", "-e", "-o", "pipefail", "-c", "\n".join(template["script"])], given)
        assert (code, proxy.cuts) == (0, 1), pipeline.said
    assert "The connection is lost" in pipeline.said and "The connection is there again." in pipeline.said
    assert "After the way back the schema is as before." in pipeline.printed
    artifacts = template["artifacts"]
    assert (pipeline.folder / artifacts["paths"][0]).read_text().startswith("### The migration passed.")
    assert Xml.parse(pipeline.folder / artifacts["reports"]["junit"]).getroot().get("failures") == "0"
    asked = pipeline.rig.db.execute("SELECT count(*) AS n FROM appliance.command").fetchone()
    assert asked is not None and asked["n"] == 1
