"""A whole appliance: its diagnostics, its backup while it runs, and its second life on another machine."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.containers.appliance_host import ApplianceHost
from tests.containers.shop import workflow
from tests.engine.clusters import Cluster

PASSPHRASE = "a phrase of five words"
MASKED = "SELECT string_agg(c::text, ' ' ORDER BY id) FROM customer AS c"


@pytest.fixture(scope="module")
def passphrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("passphrase") / "file"
    file.touch(mode=0o600)
    file.write_text(PASSPHRASE)
    return file


@pytest.fixture(scope="module")
def first_run(appliance: ApplianceHost) -> str:
    """A run of a workflow on the appliance that is backed up."""
    appliance.write_workflow("kept.yaml", workflow("kept", "kept"))
    run = appliance.run_to_end("kept")
    assert run["state"] == "succeeded", run
    return str(run["run_id"])


@pytest.fixture
def second(step_image: str) -> Iterator[ApplianceHost]:
    """Another machine, prepared and not started."""
    host = ApplianceHost(step_image)
    host.command("migrate")
    yield host
    host.remove()


def test_the_diagnostics_of_a_running_appliance_hold_its_run_and_no_password(
    appliance: ApplianceHost, first_run: str, tmp_path: Path
) -> None:
    file = tmp_path / "d.tar.gz"
    shown = appliance.cli("diagnostics", "--yes", "--output", str(file)).stdout
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path, filter="data")
    found = {path.name: path.read_text() for path in (tmp_path / "appliance-diagnostics").rglob("*.txt")}
    assert first_run in found["appliance.txt"] and "SchedulerJob" in found["airflow.txt"]
    assert "task_id=copy" in found["tasks.txt"] and "kept / id: kept" not in found["contents.txt"]
    assert "server " in found["containers.txt"]
    connections = yaml.safe_load((appliance.folder / "etc" / "connections.yaml").read_text())
    secrets = [each["password"] for each in connections.values()]
    secrets += [appliance.state_cluster.passwords["postgres"], (appliance.folder / "jwt").read_text()]
    everything = shown + "".join(found.values())
    assert [secret for secret in secrets if secret in everything] == []


def test_an_appliance_lives_on_after_a_restore_onto_another_machine(
    appliance: ApplianceHost,
    databases: Cluster,
    first_run: str,
    second: ApplianceHost,
    passphrase: Path,
) -> None:
    before = databases.value("twin_kept", MASKED)
    file = str(passphrase.with_name("backup.age"))
    appliance.cli("backup", "create", file, "--passphrase-file", str(passphrase))
    refused = appliance.cli("backup", "restore", file, "--passphrase-file", str(passphrase), check=False)
    assert refused.returncode == 2 and "systemctl stop" in refused.stderr
    second.cli("backup", "restore", file, "--passphrase-file", str(passphrase))
    second.start()
    known = second.run(first_run)
    assert known is not None and known["state"] == "succeeded"
    again = second.run_to_end("kept")
    assert again["state"] == "succeeded", again
    assert databases.value("twin_kept", MASKED) == before
