"""A migration that is an image, rehearsed: run as a container delivery is, with a role of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.policy.trusted_images import TrustRecord, write_trusted
from tests.containers.appliance_host import GATEWAY
from tests.engine.clusters import Cluster
from tests.engine.rehearsal_rig import Rig, rehearsal_rig

NAME = "migrations.internal/shop:1"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def twin(databases: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    databases.role("image_migrator")
    databases.sql("postgres", "GRANT image_migrator TO twin_owner")
    with rehearsal_rig(databases, "imaged", tmp_path_factory.mktemp("rehearsals")) as rig:
        yield rig
    databases.sql("postgres", "DROP ROLE image_migrator")


@pytest.fixture
def rehearse(twin: Rig, report_image: str, step_image: str, tmp_path: Path) -> Command:
    """Rehearse a program of Python, in that image."""
    config = tmp_path / "etc"
    (config / "workflows").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "state").mkdir()
    document = {
        "id": "staging-twin",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "keep": ["public.*.*"],
        "deliver": [{"twin": {"connection": "staging"}}],
        "rehearsal": {"max_minutes": 1, "max_blocked_ms": 1000, "connection": "migrator"},
    }
    (config / "workflows" / "staging.yaml").write_text(json.dumps(document))
    (config / "policy.yaml").write_text(f"images: ['{NAME}']\n")
    trusted = {
        "reference": NAME,
        "image_id": report_image,
        "trusted_by": "x",
        "trusted_at": "2026-01-01T00:00:00Z",
    }
    write_trusted(config / "images.json", {NAME: TrustRecord.model_validate(trusted)})
    databases = twin.stage.target
    connections = {
        "staging": databases.connection(twin.twin, "twin_owner", host=GATEWAY),
        "migrator": databases.connection(twin.twin, "image_migrator", host=GATEWAY),
    }
    (config / "connections.yaml").write_text(json.dumps(connections))
    (config / "connections.yaml").chmod(0o600)
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "APPLIANCE_CONFIG_DIR": str(config),
        "APPLIANCE_STATE_DIR": str(tmp_path / "state"),
        "APPLIANCE_RUNTIME_DIR": str(tmp_path / "run"),
        "APPLIANCE_STEPS_IMAGE": step_image,
    }

    def run(sql: str, *options: str, image: str = NAME) -> subprocess.CompletedProcess[str]:
        program = (
            f"import subprocess; subprocess.run(['psql', '-v', 'ON_ERROR_STOP=1', '-c', {sql!r}], check=True)"
        )
        command = [sys.executable, "-m", "appliance.cli.main", "rehearse", "staging-twin", "--image", image]
        command += ["--command", f'-c "{program}"', "--json", *options]
        before = twin.facts()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert twin.server().branches() == []
        assert twin.facts() == before
        return done

    return run


def test_its_statements_locks_and_rewrites_are_seen(rehearse: Command) -> None:
    done = rehearse("BEGIN; ALTER TABLE item ALTER price TYPE bigint; SELECT pg_sleep(2); COMMIT")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert any("ALTER TABLE item" in each["statement"] for each in found["up"]["statements"])
    (item,) = (each for each in found["up"]["tables"] if each["table"] == "public.item")
    assert item["strongest"] == "AccessExclusiveLock" and item["reader_blocked_ms"] >= 1500
    assert found["up"]["changes"]["rewrites"] == ["public.item"]


def test_one_that_fails_or_reaches_for_the_twin_is_a_failure(rehearse: Command) -> None:
    failed = rehearse("DROP DATABASE imaged")
    assert (failed.returncode, json.loads(failed.stdout)["verdict"]) == (1, "failed"), failed.stderr
    assert "must be owner of database imaged" in failed.stderr


def test_an_image_that_policy_lacks_is_refused(rehearse: Command) -> None:
    refused = rehearse("SELECT 1", image="elsewhere.internal/other:1")
    assert refused.returncode == 3 and "images" in refused.stderr
