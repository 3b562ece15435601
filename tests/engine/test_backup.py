"""A backup brings the same appliance back, from whatever point it is interrupted at, or changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import appliance
from appliance.backups.age_file import AgeReader, AgeWriter
from appliance.backups.restore import STATES
from appliance.store.runs import RunStore
from tests.engine.machines import AWKWARD, PASSPHRASE, Machine, NewMachine
from tests.engine.scenario import Ended, Scenario

KILLED_IN = """
import os, signal, sys
from pathlib import Path
from appliance.backups.restore import restore_backup
from appliance.settings.settings import load_settings

def entered(state):
    if state == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

restore_backup(load_settings(), Path(sys.argv[1]), sys.argv[2], entered=entered)
"""


@pytest.fixture(scope="module")
def lived_in(new_machine: NewMachine) -> Machine:
    """An appliance that has worked, and that no test changes."""
    return live_in(new_machine())


@pytest.fixture(scope="module")
def kept(lived_in: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its backup."""
    file = tmp_path_factory.mktemp("kept") / "backup.age"
    made = lived_in.backup("create", file)
    assert made.code == 0, made.text
    return file


IDENTITY = {
    "url": "https://dashboard.example.com",
    "appliance_id": "7f3f7dd2-8d1c-4b0e-9a52-0f3f2f0a9a11",
    "name": "Hospital",
    "token": "apl_0123456789abcdefghijklmnopqrstuv",
}
UNFINISHED_DAG_RUN = """
INSERT INTO dag_run (dag_id, run_id, state, run_type, log_template_id, run_after, clear_number, partition_key)
SELECT 'mine', 'mine-2', 'running', 'manual', max(id), now(), 0, NULL FROM log_template
"""


def live_in(machine: Machine) -> Machine:
    """Runs, an enrolment, workflows, receipts, and one run under way."""
    machine.write("etc/policy.yaml", "read: [production]\n")
    machine.write("etc/workflows/mine.yaml", "id: mine\n", 0o644)
    machine.write("etc/certs/db.pem", "a certificate")
    machine.write("etc/firewall.nft", "rules of a machine whose ssh listens at another port")
    machine.write("etc/proxy.env", "HTTPS_PROXY=http://user:word@proxy:3128\n", 0o600)
    machine.write_connections(
        {"production": {"host": "db", "dbname": "shop", "user": "u", "password": AWKWARD}}
    )
    machine.write("state/keys/mask.key", os.urandom(32), 0o600)
    machine.write("state/keys/dashboard.json", json.dumps(IDENTITY), 0o600)
    machine.write("state/workflows/cloud.yaml", "id: cloud\n")
    machine.write("state/workflows/.dashboard.json", "{}")
    machine.write("state/receipts/one.json", '{"run": "one"}', 0o600)
    machine.write("state/exports/deletions.jsonl", "{}\n", 0o600)
    machine.write("state/exports/w/run/a.csv.gz", "a large export")
    store = RunStore(machine.settings.database_url)
    for run_id in ("mine-1", "mine-2"):
        store.run_queued(run_id, "mine", airflow_run_id=run_id, origin="local", trigger="operator")
        store.run_started(run_id)
    store.run_ended("mine-1", "succeeded")
    store.close()
    with machine.airflow_database() as airflow:
        airflow.execute("INSERT INTO variable (key, val, is_encrypted) VALUES ('kept', 'yes', false)")
        airflow.execute(UNFINISHED_DAG_RUN)
    return machine


def test_a_fresh_machine_becomes_the_same_appliance(
    lived_in: Machine, kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    fresh = new_machine()
    fresh.write("state/keys/mask.key", os.urandom(32), 0o600)
    fresh.write("etc/workflows/example.yaml", "id: example\n")
    fresh.write("etc/appliance.yaml", "status: {port: 9000}\n")
    fresh.write("etc/firewall.nft", "rules of this machine")
    restored = fresh.backup("restore", kept)
    assert restored.code == 0, restored.text
    before, after = lived_in.files(), fresh.files()
    # Of its last backup only the machine that wrote it knows.
    assert json.loads(before["state/last-backup.json"])["file"] == str(kept)
    assert "state/last-backup.json" not in after
    not_in_it = {"etc/proxy.env", "etc/firewall.nft", "etc/appliance.yaml", "state/exports/w/run/a.csv.gz"}
    not_in_it.add("state/last-backup.json")
    assert {name: after.get(name) for name in before.keys() - not_in_it} == {
        name: content for name, content in before.items() if name not in not_in_it
    }
    assert after["etc/appliance.yaml"] == b"status: {port: 9000}\n"
    assert after["etc/firewall.nft"] == b"rules of this machine"
    assert after["etc/appliance.yaml.from-backup"] == before["etc/appliance.yaml"]
    assert "etc/workflows/example.yaml" not in after
    assert after["state/before-restore/config/workflows/example.yaml"] == b"id: example\n"
    assert len(after["state/before-restore/state/keys/mask.key"]) == 32
    assert "state/restore/pending" not in after
    for name in before.keys() - not_in_it:
        modes = [(machine.folder / name).stat().st_mode for machine in (lived_in, fresh)]
        assert modes[0] == modes[1], name
    assert fresh.rows()["variables"] == lived_in.rows()["variables"] != []


def test_work_that_was_under_way_has_failed_and_no_number_is_used_twice(
    lived_in: Machine, kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    restored = fresh.backup("restore", file)
    assert "count as failed now: 1" in restored.out
    with lived_in.database() as theirs, fresh.database() as ours, fresh.airflow_database() as airflow:
        stream = "SELECT stream FROM appliance.event_counter"
        assert theirs.execute(stream).fetchone() != ours.execute(stream).fetchone()
        numbers = ours.execute("SELECT seq FROM appliance.event ORDER BY seq").fetchall()
        assert [row["seq"] for row in numbers] == list(range(1, len(numbers) + 1))
        manifest = theirs.execute("SELECT event_id FROM appliance.event ORDER BY seq").fetchall()
        waiting = ours.execute("SELECT event_id, payload FROM appliance.event ORDER BY seq").fetchall()
        assert [row["event_id"] for row in manifest] == [row["event_id"] for row in waiting][: len(manifest)]
        assert "restored" in waiting[-1]["payload"]["failure"]["what"]
        states = ours.execute("SELECT run_id, state FROM appliance.run ORDER BY 1").fetchall()
        assert [row["state"] for row in states] == ["succeeded", "failed"]
        assert airflow.execute("SELECT state FROM dag_run").fetchall() == [{"state": "failed"}]
    assert (fresh.folder / "state/keys/rotate-token").exists()
    assert "token is changed at the first contact" in restored.out


def test_the_next_run_on_the_restored_machine_gives_the_same_pseudonyms(
    scenario: Scenario, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, former, fresh = tmp_path / "backup.age", new_machine(), new_machine()

    def masked(machine: Machine) -> str:
        scenario.state, scenario.runtime = machine.folder / "state", machine.folder / "run"
        ended = scenario.run()
        assert ended.code == 0, ended.text
        return str(scenario.twin_rows("SELECT string_agg(c::text, ' ' ORDER BY id) FROM crm.customer AS c"))

    first = masked(former)
    assert former.backup("create", file).code == 0
    assert masked(fresh) != first
    assert fresh.backup("restore", file).code == 0
    assert masked(fresh) == first


@pytest.mark.parametrize("state", STATES)
def test_a_restore_that_was_killed_is_brought_to_its_end_by_the_same_command(
    state: str, lived_in: Machine, kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    untouched, rows = fresh.files(), fresh.rows()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN, str(file), PASSPHRASE, state],
        env={**fresh.environment, "PYTHONPATH": str(Path(appliance.__file__).parents[1])},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    is_pending = (fresh.folder / "state/restore/pending").exists()
    if state in ("unpacking", "unpacked"):
        own = {name: content for name, content in fresh.files().items() if "/restore/" not in name}
        assert (own, fresh.rows()) == (untouched, rows)
    assert is_pending == (state in ("replacing", "airflow", "appliance", "files"))
    again = fresh.backup("restore", file, *(["--replace"] if state == "done" else []))
    assert again.code == 0, again.text
    assert fresh.rows()["variables"] == lived_in.rows()["variables"]
    assert fresh.files()["state/keys/mask.key"] == lived_in.files()["state/keys/mask.key"]
    assert not list((fresh.folder / "state").glob("restore/*"))
    assert [run["state"] for run in fresh.rows()["runs"]] == ["succeeded", "failed"]


def refused(machine: Machine, file: Path, *options: str) -> Ended:
    """A restore that changes nothing."""
    files, rows = machine.files(), machine.rows()
    ended = machine.backup("restore", file, *options)
    assert ended.code == 2, ended.text
    assert (machine.files(), machine.rows()) == (files, rows)
    assert PASSPHRASE not in ended.text and "Next: " in ended.text
    return ended


def test_a_wrong_passphrase_or_a_damaged_file_changes_nothing(
    kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) * 2 // 3] ^= 1
    for content in (whole[:-1], whole[: len(whole) // 2], whole + b"x", bytes(changed)):
        file.write_bytes(content)
        assert "is damaged" in refused(fresh, file).err
    file.write_bytes(b"not a backup at all")
    assert "is not a backup" in refused(fresh, file).err
    file.write_bytes(whole)
    fresh.passphrase_file.write_text("another phrase of words\n")
    assert "The passphrase does not open" in refused(fresh, file).err
    assert "There is no file" in refused(fresh, tmp_path / "none.age").err


def test_a_running_appliance_is_not_replaced(kept: Path, new_machine: NewMachine, tmp_path: Path) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    with fresh.airflow_database():
        ended = refused(fresh, file)
    assert "is in use" in ended.err and "systemctl stop" in ended.err


def test_an_appliance_with_state_of_its_own_is_replaced_only_when_asked(
    new_machine: NewMachine, kept: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(kept, tmp_path))
    other = live_in(new_machine())
    assert "2 runs and an enrolment" in refused(other, file).err
    assert other.backup("restore", file, "--replace").code == 0


def with_manifest(file: Path, **changes: object) -> None:
    """The same backup with another manifest, sealed with the same passphrase."""
    source, target = file.with_suffix(".tar"), file.with_suffix(".new")
    with file.open("rb") as opened:
        source.write_bytes(AgeReader(opened, PASSPHRASE).readall() or b"")
    with target.open("wb") as opened, tarfile.open(source) as old:
        sealed = AgeWriter(opened, PASSPHRASE)
        with tarfile.open(fileobj=sealed, mode="w|") as new:
            for member in old:
                content = old.extractfile(member)
                assert content is not None
                if member.name == "manifest.json":
                    changed = source.with_suffix(".json")
                    changed.write_text(json.dumps({**json.load(content), **changes}))
                    new.add(changed, "manifest.json")
                else:
                    new.addfile(member, content)
        sealed.finish()
    target.rename(file)


def test_a_backup_that_this_release_cannot_read_is_refused_with_what_to_install(
    kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    with_manifest(file, release="99.1.0")
    assert "Install release 99.1.0" in refused(fresh, file).err
    with_manifest(file, release="0.0.1", format=2)
    assert "format 2, and this release reads format 1" in refused(fresh, file).err
    with_manifest(file, format=1)
    assert fresh.backup("restore", file).code == 0


def test_a_member_that_would_land_elsewhere_is_refused(
    kept: Path, new_machine: NewMachine, tmp_path: Path
) -> None:
    file, fresh = Path(shutil.copy(kept, tmp_path)), new_machine()
    source = tmp_path / "x.tar"
    with file.open("rb") as opened:
        source.write_bytes(AgeReader(opened, PASSPHRASE).readall() or b"")
    for name in ("config/../../escaped", "/etc/escaped", "state/exports/w/x", "state/keys/../../x", "other"):
        with file.open("wb") as opened, tarfile.open(source) as old:
            sealed = AgeWriter(opened, PASSPHRASE)
            with tarfile.open(fileobj=sealed, mode="w|") as new:
                for member in old:
                    new.addfile(member, old.extractfile(member))
                new.addfile(tarfile.TarInfo(name))
            sealed.finish()
        assert "does not belong" in refused(fresh, file).err, name


def test_a_backup_is_listed_and_shows_no_secret(lived_in: Machine, kept: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(kept, tmp_path))
    listed = lived_in.backup("list", file)
    for name in ("databases/airflow.dump", "config/connections.yaml", "state/keys/mask.key", "It is whole"):
        assert name in listed.out
    assert "export" not in listed.out.replace("exports/deletions.jsonl", "")
    for secret in (PASSPHRASE, AWKWARD.strip(), IDENTITY["token"]):
        assert secret not in listed.text
        assert secret.encode() not in file.read_bytes()
    manifest = json.loads(lived_in.backup("list", file, "--json").out)
    assert manifest["manifest"]["release"] == appliance.__version__
    assert manifest["manifest"]["dashboard_name"] == "Hospital"


def test_a_backup_that_cannot_be_made_leaves_no_half_of_one(new_machine: NewMachine, tmp_path: Path) -> None:
    machine = new_machine()
    file = tmp_path / "backups" / "backup.age"
    assert machine.backup("create", file).code == 1
    file.parent.mkdir()
    machine.environment["APPLIANCE_AIRFLOW_DATABASE_URL"] = "host=127.0.0.1 port=9 dbname=none"
    ended = machine.backup("create", file)
    assert ended.code == 1 and "'airflow' does not answer" in ended.err
    assert list(file.parent.iterdir()) == []


def test_a_passphrase_file_must_be_private_and_long_enough(new_machine: NewMachine, tmp_path: Path) -> None:
    machine = new_machine()
    file = tmp_path / "backup.age"
    machine.passphrase_file.chmod(0o644)
    assert "chmod 600" in machine.backup("create", file).err
    machine.passphrase_file.chmod(0o600)
    machine.passphrase_file.write_text("short\n")
    assert "too short" in machine.backup("create", file).err
    assert "--passphrase-file" in machine.cli("backup", "create", file).err
    assert not file.exists()
