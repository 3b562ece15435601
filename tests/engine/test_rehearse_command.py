"""``appliance rehearse``: its output, its files and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from appliance.cli.workflows.rehearse import rehearse as command
from appliance.errors import WrongRequestError
from tests.engine.clusters import Cluster
from tests.engine.ready_commands import run_command
from tests.engine.rehearsal_rig import Rig, rehearsal_rig

ROOT = Path(__file__).parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def rig(target: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rehearsal_rig(target, "commanded", tmp_path_factory.mktemp("rehearsals")) as rig:
        yield rig


@pytest.fixture
def machine(rig: Rig, tmp_path: Path) -> dict[str, str]:
    """The environment of an appliance whose workflow has the rig's twin, and thresholds."""
    config = tmp_path / "etc"
    (config / "workflows").mkdir(parents=True)
    document = {
        "id": "staging-twin",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "keep": ["public.*.*"],
        "deliver": [{"twin": {"connection": "staging"}}],
        "rehearsal": {"max_minutes": 1, "forbid": ["rewrite"]},
    }
    (config / "workflows" / "staging.yaml").write_text(json.dumps(document))
    connection = rig.stage.target.connection(rig.twin, "twin_owner")
    (config / "connections.yaml").write_text(json.dumps({"staging": connection, "production": connection}))
    (config / "connections.yaml").chmod(0o600)
    (tmp_path / "state").mkdir()
    return {
        **os.environ,
        "NO_COLOR": "1",
        "APPLIANCE_CONFIG_DIR": str(config),
        "APPLIANCE_STATE_DIR": str(tmp_path / "state"),
    }


def line(*options: str) -> list[str]:
    return [sys.executable, "-m", "appliance.cli.main", "rehearse", "staging-twin", *options]


@pytest.fixture
def rehearse(machine: dict[str, str]) -> Command:
    def run(*options: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return run_command(["rehearse", "staging-twin", *options], machine, given=given)

    return run


def test_a_good_migration_is_shown_and_written_in_every_form(
    rig: Rig, rehearse: Command, tmp_path: Path
) -> None:
    up = rig.file("ALTER TABLE item ADD COLUMN n int;\nCREATE INDEX CONCURRENTLY i ON item (n);")
    down = rig.file("ALTER TABLE item DROP COLUMN n", "down.sql")
    junit, markdown = tmp_path / "junit.xml", tmp_path / "comment.md"
    done = rehearse(
        *("--sql", str(up), "--down", str(down), "--junit", str(junit), "--markdown", str(markdown))
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "The migration passed."), done.stderr
    assert "ACCESS EXCLUSIVE" in done.stdout and "made index public.i" in done.stdout
    assert "After the way back the schema is as before." in done.stdout
    assert "require-lock-timeout" in done.stdout
    assert Xml.parse(junit).getroot().get("failures") == "0"
    assert markdown.read_text().startswith("### The migration passed.")
    assert rig.server().branches() == []


def test_exit_codes_tell_a_failure_a_wrong_file_and_a_threshold_apart(rig: Rig, rehearse: Command) -> None:
    rewrite = rehearse("--sql", str(rig.file("ALTER TABLE item ALTER price TYPE bigint")), "--json")
    assert (rewrite.returncode, json.loads(rewrite.stdout)["verdict"]) == (3, "above")
    failed = rehearse("--sql", "-", given="CREATE INDEX i ON item (name);\nSELECT nothing")
    assert failed.returncode == 1 and "-:2: SELECT nothing" in failed.stdout and "42703" in failed.stdout
    assert "-:1: require-concurrent-index-creation" in failed.stdout
    assert rehearse("--sql", str(rig.file("\\q"))).returncode == 2


def test_what_is_asked_for_in_two_ways_or_none_is_wrong(
    machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machine.items():
        monkeypatch.setenv(name, value)
    for why, asked in {
        "no migration": {},
        "two migrations": {"sql": [Path("a")], "image": "b:1"},
        "is for an image": {"sql": [Path("a")], "command": "up"},
        "needs a role of its own": {"image": "b:1"},
    }.items():
        with pytest.raises(WrongRequestError, match=why):
            command("staging-twin", **asked)  # type: ignore[arg-type]


def test_one_that_is_interrupted_says_what_was_seen_until_then_and_leaves_no_branch(
    rig: Rig, machine: dict[str, str]
) -> None:
    up = rig.file("ALTER TABLE item ALTER price TYPE bigint;\nSELECT pg_sleep(100);\nSELECT 1")
    process = subprocess.Popen(
        line("--sql", str(up), "--json"),
        env=machine,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(
        "pg_sleep(100)" in query for _, _, query in rig.stage.target.sessions("appliance rehearsal")
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate()
    assert process.returncode == 1, said
    report = json.loads(printed)
    rewritten, slept = report["up"]["statements"]
    assert (report["verdict"], rewritten["rewrites"]) == ("cancelled", ["public.item"])
    assert slept["failure"] is None and "was cancelled at" in report["reasons"][0]
    assert rig.server().branches() == []


def test_one_that_is_killed_leaves_a_branch_that_ends_by_itself(rig: Rig, machine: dict[str, str]) -> None:
    up = rig.file("SELECT pg_sleep(100)")
    process = subprocess.Popen(line("--sql", str(up)), env=machine, stderr=subprocess.DEVNULL)
    while not any(
        "pg_sleep(100)" in query for _, _, query in rig.stage.target.sessions("appliance rehearsal")
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    (branch,) = rig.server().branches()
    assert branch.marker.name.startswith("rehearsal_")
    assert (Path(machine["APPLIANCE_STATE_DIR"]) / "branches" / "staging").exists()
    rig.server().end_due(branch.marker.ends_at)
    assert rig.server().branches() == []
