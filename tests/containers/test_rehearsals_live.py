"""Rehearsals through the real Airflow and containers, asked for as a pipeline asks: SQL, and an image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.policy.trusted_images import TrustRecord, write_trusted
from appliance.status.calls.guard import owners_token
from tests.containers.appliance_host import GATEWAY, ApplianceHost, wait_for
from tests.containers.shop import workflow
from tests.engine.clusters import Cluster
from tests.engine.rehearsal_rig import Rig, rehearsal_rig

NAME = "migrations.internal/shop:1"
SLOW = "ALTER TABLE item ADD COLUMN slow float DEFAULT random(); SELECT pg_sleep(2);"


@pytest.fixture(scope="module")
def twin(
    appliance: ApplianceHost, databases: Cluster, report_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """A twin that this appliance knows, and a role of its own for images."""
    databases.role("live_migrator")
    databases.sql("postgres", "GRANT live_migrator TO twin_owner")
    with rehearsal_rig(databases, "rehearsed_live", tmp_path_factory.mktemp("rehearsals")) as rig:
        owner = databases.connection(rig.twin, "twin_owner", host=GATEWAY)
        migrator = databases.connection(rig.twin, "live_migrator", host=GATEWAY)
        appliance.change_connection("rehearsing", owner)
        appliance.change_connection("migrator", migrator)
        for name, more in (("by-owner", {}), ("by-migrator", {"connection": "migrator"})):
            document: dict[str, Any] = {
                "id": name,
                "source": "production",
                "tables": {"include": ["public.*"]},
                "keep": ["public.*.*"],
                "deliver": [{"twin": {"connection": "rehearsing"}}],
                "rehearsal": {"max_minutes": 3, **more},
            }
            appliance.write_workflow(f"{name}.yaml", document)
        policy = appliance.folder / "etc" / "policy.yaml"
        before = policy.read_text() if policy.exists() else "{}"
        policy.write_text(yaml.safe_dump({**(yaml.safe_load(before) or {}), "images": [NAME]}))
        trusted = {"reference": NAME, "image_id": report_image, "trusted_by": "x"}
        trusted["trusted_at"] = "2026-01-01T00:00:00Z"
        write_trusted(appliance.settings.trusted_images_file, {NAME: TrustRecord.model_validate(trusted)})
        yield rig
        policy.write_text(before)
    databases.sql("postgres", "DROP ROLE live_migrator")


def remote(appliance: ApplianceHost, *words: str) -> subprocess.Popen[str]:
    """Begin `appliance remote rehearse` with nothing but an address and a token."""
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", "remote", "rehearse", *words],
        cwd=Path.cwd(),
        env={
            "PATH": "/usr/bin:/bin",
            "APPLIANCE_REMOTE_URL": f"http://127.0.0.1:{appliance.status_port}",
            "APPLIANCE_REMOTE_TOKEN": owners_token(appliance.settings) or "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(program: subprocess.Popen[str], exit_code: int) -> Any:
    printed, said = program.communicate(timeout=600)
    assert program.returncode == exit_code, (said, printed)
    return json.loads(printed)


def test_two_rehearsals_and_a_run_at_once_each_in_containers_of_its_own(
    appliance: ApplianceHost, twin: Rig, tmp_path: Path
) -> None:
    before = twin.facts()
    (tmp_path / "slow.sql").write_text(SLOW)
    (tmp_path / "bad.sql").write_text("SELECT * FROM nowhere")
    appliance.write_workflow("beside.yaml", workflow("beside", "beside"))
    wait_for("Airflow knows it", lambda: appliance.cli("workflow", "start", "beside", check=False).stdout)
    slow = remote(appliance, "by-owner", "--sql", str(tmp_path / "slow.sql"), "--json")
    bad = remote(appliance, "by-owner", "--sql", str(tmp_path / "bad.sql"), "--json")
    report = ended(slow, 0)
    assert report["up"]["statements"][0]["rewrites"] == ["public.item"]
    failed = ended(bad, 1)
    assert failed["up"]["statements"][0]["failure"]["sqlstate"] == "42P01"
    assert report["branch"] != failed["branch"]
    (run,) = [each for each in appliance.status("/runs")[1] if each["workflow"] == "beside"]
    assert appliance.wait_for_end(run["run_id"])["state"] == "succeeded"
    assert twin.server().branches() == [] and twin.facts()[2] == before[2]
    shown = appliance.status("/rehearsals")[1]
    assert [each["state"] for each in shown[:2]] == ["done", "done"]
    assert any("The branch" in line for line in appliance.status(f"/work/{shown[0]['id']}")[1]["said"])
    assert not list((appliance.folder / "state" / "runs").glob("look.*"))


def test_one_that_is_cancelled_ends_and_leaves_neither_branch_nor_folder(
    appliance: ApplianceHost, twin: Rig, tmp_path: Path
) -> None:
    before = twin.facts()
    (tmp_path / "long.sql").write_text(
        "ALTER TABLE item ALTER COLUMN price TYPE bigint; SELECT pg_sleep(150)"
    )
    going = remote(appliance, "by-owner", "--sql", str(tmp_path / "long.sql"), "--json")
    target = twin.stage.target
    wait_for("it sleeps", lambda: any("pg_sleep(150)" in each[2] for each in target.sessions()))
    done = appliance.cli("rehearsal", "cancel", "--why", "It is enough.")
    assert "is asked to end" in done.stdout
    report = ended(going, 1)
    assert report.get("verdict") == "cancelled", report
    assert report["up"]["statements"][0]["rewrites"] == ["public.item"]
    assert twin.server().branches() == [] and twin.facts() == before
    shown = appliance.status("/rehearsals")[1][0]
    assert shown["state"] == "cancelled" and "It is enough." in shown["problem"]
    wait_for("its folder goes", lambda: not list((appliance.folder / "state" / "runs").glob("look.*")))


def test_an_image_migrates_the_branch_in_a_container_beside_the_step(
    appliance: ApplianceHost, twin: Rig
) -> None:
    before = twin.facts()
    sql = "ALTER TABLE item ADD COLUMN n int; SELECT pg_sleep(1); SELECT * FROM nowhere"
    program = "import subprocess; subprocess.run(['psql', '-v', 'ON_ERROR_STOP=1', '-c', {!r}], check=True)"
    for sent, code in ((sql.rpartition(";")[0], 0), (sql, 1)):
        command = f'-c "{program.format(sent)}"'
        report = ended(
            remote(appliance, "by-migrator", "--image", NAME, "--command", command, "--json"), code
        )
        assert any(each["table"] == "public.item" for each in report["up"]["tables"])
    assert twin.server().branches() == [] and twin.facts() == before
