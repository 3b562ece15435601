"""``appliance branch``, and what ends branches by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.branches.remembered import remembered
from appliance.postgres.twin.names import twin_names
from appliance.receipts.removals import EndingPredicate
from tests.engine.clusters import Cluster
from tests.engine.erasure_shop import statement_of
from tests.engine.ready_commands import run_command
from tests.engine.test_publish import Stage

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WORKFLOW = {
    "id": "staging-twin",
    "source": "production",
    "tables": {"include": ["public.*"]},
    "keep": ["public.*.*"],
    "deliver": [{"twin": {"connection": "staging"}}],
}


@pytest.fixture
def stage(target: Cluster, twin_database: str) -> Iterator[Stage]:
    stage = Stage(target, twin_names(twin_database))
    stage.finished_next()
    replace(stage.publisher(), golden="always").publish()
    yield stage
    for database in target.databases():
        if database.startswith(twin_database):
            target.drop_database(database)


@pytest.fixture
def machine(stage: Stage, tmp_path: Path) -> dict[str, str]:
    """The environment of an appliance with its own folders, whose workflow has the stage's twin."""
    config = tmp_path / "etc"
    (config / "workflows").mkdir(parents=True)
    (config / "workflows" / "staging.yaml").write_text(json.dumps(WORKFLOW))
    connections = {
        "staging": stage.target.connection(stage.names.twin, "twin_owner"),
        "production": stage.target.connection("shop", "twin_owner"),
    }
    (config / "connections.yaml").write_text(json.dumps(connections))
    (config / "connections.yaml").chmod(0o600)
    (tmp_path / "state").mkdir()
    return {
        **os.environ,
        "NO_COLOR": "1",
        "APPLIANCE_CONFIG_DIR": str(config),
        "APPLIANCE_STATE_DIR": str(tmp_path / "state"),
    }


@pytest.fixture
def branch(machine: dict[str, str]) -> Command:
    """Run ``appliance branch COMMAND staging-twin``."""

    def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run_command(["branch", command, "staging-twin", *options], machine)

    return run


def ends(machine: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance.branches.ends"],
        capture_output=True,
        text=True,
        check=False,
        env=machine,
    )


def test_a_branch_is_made_connected_to_listed_made_again_and_dropped(
    stage: Stage, branch: Command, tmp_path: Path
) -> None:
    made = branch("create", "feature/PAY-123", "--ttl", "3h")
    assert made.returncode == 0, made.stderr
    assert "is a copy of what the run has proven, of the run run-now" in made.stdout
    (shown,) = json.loads(branch("list", "--json").stdout)
    assert (shown["name"], shown["run"], shown["role"]) == ("feature/PAY-123", "run-now", None)
    service, passfile = tmp_path / "services", tmp_path / "pass"
    entry = branch("connect", "feature/PAY-123", "--password-file", str(passfile))
    assert entry.returncode == 0, entry.stderr
    service.write_text(entry.stdout)
    assert passfile.stat().st_mode & 0o777 == 0o600
    assert stage.target.passwords["twin_owner"] not in entry.stdout
    environment = {"PGSERVICEFILE": str(service), "PATH": os.environ["PATH"]}
    read = subprocess.run(
        [
            sys.executable,
            "-c",
            "import psycopg, sys; print(psycopg.connect(service=sys.argv[1]).execute("
            "'UPDATE public.which SET name = $$x$$ RETURNING current_database()').fetchone()[0])",
            shown["database"],
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert read.stdout.strip() == shown["database"], read.stderr
    again = branch("connect", "feature/PAY-123", "--password-file", str(passfile))
    assert again.returncode == 2 and "is there already" in again.stderr
    assert branch("reset", "feature/PAY-123").returncode == 0
    dropped = branch("drop", "feature/PAY-123")
    assert dropped.stdout == f"'{shown['database']}' is dropped.\n"
    assert branch("list").stdout == "There are no branches.\n"


def test_each_branch_is_in_the_ledger_of_copies_and_its_end_in_a_receipt(
    stage: Stage, branch: Command, machine: dict[str, str]
) -> None:
    def copies(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run_command(["copies", command, *options], machine)

    def listed() -> list[tuple[str, str]]:
        found = json.loads(copies("list", "--json").stdout)
        assert {(each["kind"], each["run"], each["workflow"]) for each in found} == {
            ("branch", "run-now", "staging-twin")
        }
        assert all(each["place"].startswith(f"staging/{stage.names.twin}__branch_") for each in found)
        return [(each["place"].rpartition("_")[2], each["standing"]) for each in found]

    for name in ("kept", "again"):
        assert branch("create", name).returncode == 0
    assert copies("expire").stdout == "", "both are there"
    assert branch("reset", "again").returncode == 0
    assert listed() == [("kept", "there"), ("again", "gone"), ("again", "there")]
    expired = copies("expire")
    assert (expired.returncode, expired.stdout.count("Ended branch")) == (0, 1), expired.stderr
    assert listed() == [("kept", "there"), ("again", "ended"), ("again", "there")]
    assert branch("drop", "again").returncode == 0
    # The ledger of a backup that was made before.
    ledger = Path(machine["APPLIANCE_STATE_DIR"]) / "copies" / "copies.jsonl"
    ledger.write_text("".join(line for line in ledger.open() if "__branch_kept" not in line))
    assert copies("expire").returncode == 0
    assert listed() == [("again", "ended"), ("again", "ended"), ("kept", "there")]
    assert copies("expire").stdout == "", "an end is signed once"
    said = [statement_of(path) for path in sorted(ledger.parents[1].glob("receipts/0*.json"))]
    ends = [each for each in said if isinstance(each, EndingPredicate)]
    assert [each.kind for each in ends] == ["branch", "branch"]
    assert ["made again" in each.why for each in ends] == [True, False]
    assert "before its time" in ends[1].why


def test_what_is_wrong_or_refused_says_so_in_its_exit_status(branch: Command, tmp_path: Path) -> None:
    policy = tmp_path / "etc" / "policy.yaml"
    policy.write_text("branches: {max: 0}\n")
    refused = branch("create", "a")
    assert refused.returncode == 3 and "policy rule branches.max" in refused.stderr
    for wrong in (("create", "a", "--ttl", "soon"), ("create", "a\nb"), ("drop", "a"), ("connect", "a")):
        assert branch(*wrong).returncode == 2


def test_a_timer_ends_what_is_over_and_forgets_a_server_without_branches(
    stage: Stage, branch: Command, machine: dict[str, str], tmp_path: Path
) -> None:
    assert ends(machine).returncode == 0
    made = json.loads(branch("create", "a", "--ttl", "1m", "--json").stdout)
    assert made["notes"] == []
    assert remembered(tmp_path / "state") == ["staging"]
    assert (ends(machine).stderr, made["database"] in stage.target.databases()) == ("", True)
    marker = json.dumps(
        {"appliance": "branch", **made, "ends_at": "2020-01-01T00:00:00Z"}, separators=(",", ":")
    )
    stage.target.sql("postgres", f"COMMENT ON DATABASE \"{made['database']}\" IS '{marker}'")
    ended = ends(machine)
    assert ended.stderr == f"The branch 'a' of '{stage.names.twin}' is over and was dropped.\n"
    assert (made["database"] in stage.target.databases(), remembered(tmp_path / "state")) == (False, [])


def test_a_server_that_is_away_is_looked_at_again(
    branch: Command, machine: dict[str, str], tmp_path: Path
) -> None:
    branch("create", "a")
    file = tmp_path / "etc" / "connections.yaml"
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"staging": known["staging"] | {"port": 1}}))
    assert ends(machine).returncode == 1
    file.write_text(json.dumps({"production": known["production"]}))
    gone = ends(machine)
    assert gone.returncode == 1 and "is gone from connections.yaml" in gone.stderr
    assert remembered(tmp_path / "state") == ["staging"]


def test_of_another_files_connections_it_says_that_no_timer_ends_it(branch: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((tmp_path / "etc" / "connections.yaml").read_text())
    other.chmod(0o600)
    made = json.loads(branch("create", "a", "--connections", str(other), "--json").stdout)
    assert "appliance branch end staging-twin" in made["notes"][0]
    assert remembered(tmp_path / "state") == []
