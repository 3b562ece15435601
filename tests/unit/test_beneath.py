"""Root works in folders of a lesser user, and a link there leads it nowhere that its maker could not go."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from appliance.backups.contents import state_files
from appliance.backups.restore_files import place_files
from appliance.backups.unpack import Unpacked
from appliance.cleanup.exports_and_receipts import main as expire
from appliance.cli.main import app
from appliance.cli.work.host.status_client import _token
from appliance.cli.work.workflows.local import _work_as_its_owner
from appliance.cloud.enrolment import Identity, load_identity, save_identity
from appliance.diagnostics.task_logs import parts as log_parts
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports import stored as exports
from appliance.keys.keys import load_or_create_key
from appliance.orchestration.workflow_files import read_workflow_files
from appliance.releases.wanted import Wanted, forget_wanted, read_wanted
from appliance.run_folder import StopRequest, request_stop
from appliance.settings.settings import Settings, load_settings
from appliance.system.beneath import as_owner_of, folder_of_our_own, lesser_owner
from tests.lesser_user import LESSER, everything, give, put_link, secret_of_root, world

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it is root that must not follow")
IDENTITY = Identity("https://dashboard.example.com", "1", "Hospital", "apl_token")


class Ground:
    """A machine's folders: the appliance's own belong to the lesser user, ``outside`` to root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = give(folder / "state")
        self.outside = secret_of_root(folder / "outside")
        (folder / "etc" / "workflows").mkdir(parents=True)
        config = folder / "appliance.yaml"
        config.write_text(
            f"config_dir: {folder / 'etc'}\nstate_dir: {self.state}\nlog_dir: {folder / 'log'}\n"
            "database_url: host=/nowhere\nairflow_database_url: host=/nowhere\n"
        )
        self.settings: Settings = load_settings(config, {})
        self.before = everything(self.outside)

    def link(self, name: str, leads_to: Path | None = None) -> Path:
        """A link of the lesser user's in its folder."""
        put_link(self.state / name, leads_to or self.outside)
        return self.state / name

    @property
    def unharmed(self) -> bool:
        """Whether all that is root's is as it was."""
        return everything(self.outside) == self.before


@pytest.fixture
def ground() -> Iterator[Ground]:
    """A machine with a lesser user's folder."""
    with world() as folder:
        yield Ground(folder)


def write_export(folder: Path, *, file: str = "t.csv.gz", days_old: int = 0) -> Path:
    """An export of the run ``r``, whose manifest may say anything."""
    content = b"x"
    run = folder / "w" / "r"
    run.mkdir(parents=True)
    table: dict[str, Any] = {"table": "public.t", "file": file, "columns": ["id"], "rows": 1, "bytes": 1}
    created = datetime.fromtimestamp(time.time() - days_old * 86_400, UTC).isoformat()
    manifest: dict[str, Any] = {"workflow": "w", "run": "r", "format": "csv", "created_at": created}
    manifest["tables"] = [table | {"sha256": hashlib.sha256(content).hexdigest()}]
    (run / "manifest.json").write_text(json.dumps(manifest | {"appliance_version": "0.1.0"}))
    (run / "t.csv.gz").write_bytes(content)
    return run


def test_the_owner_of_a_folder_is_the_first_who_could_replace_it(ground: Ground) -> None:
    owner = lesser_owner(ground.state / "keys" / "mask.key")
    assert owner is not None
    assert owner.uid == LESSER
    assert lesser_owner(ground.outside / "kept") is None
    link = ground.folder / "by-root"
    link.symlink_to("state")
    through = lesser_owner(link / "keys")
    assert through is not None
    assert through.uid == LESSER


def test_what_root_does_there_it_does_with_the_owners_rights_and_has_its_own_back(ground: Ground) -> None:
    groups = os.getgroups()
    with as_owner_of(ground.state / "new"):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (LESSER, LESSER, [LESSER])
        (ground.state / "new").write_text("ours")
        with pytest.raises(PermissionError):
            (ground.outside / "kept").read_bytes()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
    assert (ground.state / "new").stat().st_uid == LESSER


def test_a_folder_of_our_own_is_the_one_that_was_made_whatever_takes_its_name(ground: Ground) -> None:
    with folder_of_our_own(ground.state, "restore") as ours:
        (ours / "script").write_text("proven")
        (ground.state / "restore").rename(ground.state / "away")
        ground.link("restore")
        assert (ours / "script").read_text() == "proven"
        (ours / "next").write_text("more")
    assert (ground.state / "away" / "next").read_text() == "more"
    assert ground.unharmed


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_folder_that_somebody_else_made_is_not_taken_for_our_own(ground: Ground, kind: str) -> None:
    if kind == "link":
        ground.link("restore")
    else:
        give(ground.state / "restore")
    with pytest.raises(WrongRequestError, match="will not be used") as refused:  # noqa: SIM117
        with folder_of_our_own(ground.state, "restore"):
            pass
    assert "Next: ls -ld " in refused.value.text()
    assert ground.unharmed


def test_a_restore_deletes_nothing_where_a_link_leads(ground: Ground) -> None:
    ground.link("workflows")
    staged = ground.folder / "staged"
    staged.write_text("id: mine\n")
    given = [Unpacked("state/workflows/mine.json", staged, 0o640, "root", "root")]
    with pytest.raises(PermissionError):
        place_files(ground.settings, given, ground.state / "before-restore")
    place_files(ground.settings, [], ground.state / "before-restore")
    assert ground.unharmed


def test_a_restore_keeps_former_files_nowhere_else(ground: Ground) -> None:
    ground.link("before-restore")
    (ground.folder / "etc" / "workflows" / "old.yaml").write_text("id: old\n")
    with pytest.raises(PermissionError):
        place_files(ground.settings, [], ground.state / "before-restore")
    assert ground.unharmed


def test_a_restore_gives_no_file_of_roots_away(ground: Ground) -> None:
    """What had other contents is kept: a link to root's file must not become a copy for the lesser user."""
    give(ground.state / "receipts")
    ground.link("receipts/one.json", ground.outside / "kept")
    staged = ground.folder / "staged"
    staged.write_text("{}")
    given = [Unpacked("state/receipts/one.json", staged, 0o640, "root", "root")]
    place_files(ground.settings, given, ground.state / "before-restore")
    assert (ground.state / "receipts" / "one.json").read_text() == "{}"
    assert not any(
        "root's own" in path.read_text()
        for path in ground.state.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert ground.unharmed


def test_a_backup_takes_in_nothing_that_a_link_leads_to(ground: Ground) -> None:
    ground.link("keys")
    give(ground.state / "receipts")
    ground.link("receipts/one.json", ground.outside / "kept")
    files, left_out = state_files(ground.settings)
    assert files == []
    assert {line.rpartition(": ")[2] for line in left_out} == {"is a link"}


def test_enrolment_writes_nothing_where_a_link_leads(ground: Ground) -> None:
    ground.link("keys")
    with pytest.raises(PermissionError):
        save_identity(ground.settings.identity_file, IDENTITY)
    assert ground.unharmed


def test_enrolment_reads_nothing_of_roots(ground: Ground) -> None:
    give(ground.state / "keys")
    ground.link("keys/dashboard.json", ground.outside / "kept")
    with pytest.raises(WrongRequestError, match="cannot be read: Permission denied"):
        load_identity(ground.settings.identity_file)


def test_what_root_enrols_belongs_to_the_appliance(ground: Ground) -> None:
    save_identity(ground.settings.identity_file, IDENTITY)
    status = ground.settings.identity_file.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (LESSER, 0o600)


def test_no_mask_key_is_made_where_a_link_leads(ground: Ground) -> None:
    ground.link("keys")
    with pytest.raises(OSError, match="Permission denied"):
        load_or_create_key(ground.settings.mask_key_file)
    assert ground.unharmed


def test_a_run_is_cancelled_and_no_folder_of_roots_changes_hands(ground: Ground) -> None:
    ground.link("runs")
    with pytest.raises(PermissionError):
        request_stop(ground.state, "mine-1", StopRequest("cancel", "It was wished."))
    assert ground.unharmed


def test_the_index_of_workflows_overwrites_no_file_of_roots(ground: Ground) -> None:
    ground.link(f".workflow-index.json.{os.getpid()}", ground.outside / "kept")
    (ground.folder / "etc" / "workflows" / "one.yaml").write_text("id: one\n")
    read_workflow_files(ground.settings.config_dir, ground.settings.state_dir)
    assert ground.unharmed


def test_an_export_that_is_a_link_further_up_is_not_deleted(ground: Ground) -> None:
    elsewhere = ground.folder / "elsewhere"
    write_export(elsewhere)
    (elsewhere / "deletions.jsonl").write_text("")
    before = everything(elsewhere)
    ground.link("exports", elsewhere)
    found = exports.list_exports(ground.settings.exports_dir)
    with pytest.raises(WorkFailedError, match="could not be deleted") as failed:
        exports.delete_export(ground.settings.exports_dir, found[0], by="operator", why="old")
    assert failed.value.next_step == f"namei -l {ground.settings.exports_dir / 'w' / 'r'}"
    assert everything(elsewhere) == before


def test_an_export_is_not_deleted_elsewhere_when_a_link_is_put_there_half_way(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = ground.folder / "elsewhere"
    write_export(elsewhere)
    (elsewhere / "deletions.jsonl").write_text("")
    before = everything(elsewhere)
    write_export(ground.state / "exports")
    give(ground.state)
    export = exports.find_export(ground.settings.exports_dir, "r")

    def swap(*_: object, **__: object) -> None:
        put_link(ground.state / "exports", elsewhere)

    monkeypatch.setattr(exports, "append_line", swap)
    with pytest.raises(WorkFailedError, match="could not be deleted"):
        exports.delete_export(ground.settings.exports_dir, export, by="operator", why="old")
    assert everything(elsewhere) == before


@pytest.mark.parametrize("file", ["../../evil", "../evil"])
def test_a_manifest_names_no_file_outside_of_its_export(ground: Ground, file: str) -> None:
    """Who writes a manifest would choose where root writes, in ``appliance exports get``."""
    run = write_export(ground.state / "exports", file=file)
    (run / file).write_bytes(b"x")
    give(ground.state)
    into = ground.folder / "a" / "b" / "copy"
    arguments = ["exports", "get", "r", str(into), "--exports-dir", str(ground.settings.exports_dir)]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, WorkFailedError)
    assert list(ground.folder.rglob("evil")) == [(run / file).resolve()]


def test_an_export_hands_out_no_file_of_roots(ground: Ground) -> None:
    run = write_export(ground.state / "exports")
    kept = (ground.outside / "kept").read_bytes()
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["tables"][0]["sha256"] = hashlib.sha256(kept).hexdigest()
    (run / "manifest.json").write_text(json.dumps(manifest))
    give(ground.state)
    ground.link("exports/w/r/t.csv.gz", ground.outside / "kept")
    export = exports.find_export(ground.settings.exports_dir, "r")
    assert exports.damage_of(export) == ["t.csv.gz: Permission denied"]


def test_what_expires_is_deleted_in_the_appliances_folders_only(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(ground.outside / "kept", (0, 0))
    before = everything(ground.outside)
    ground.link("receipts")
    write_export(ground.outside / "exports", days_old=99)
    before = everything(ground.outside)
    ground.link("exports", ground.outside / "exports")
    monkeypatch.setenv("APPLIANCE_CONFIG", str(ground.folder / "appliance.yaml"))
    expire()
    assert everything(ground.outside) == before


def test_the_token_for_the_status_service_is_never_a_file_of_roots(ground: Ground) -> None:
    """It is sent to a service of the user who could have put the link there."""
    give(ground.state / "keys")
    ground.link("keys/status-token", ground.outside / "kept")
    assert _token(ground.settings) == {}


def test_diagnostics_hold_no_file_of_roots(ground: Ground) -> None:
    tasks = ground.settings.log_dir / "tasks"
    tasks.mkdir(parents=True)
    put_link(tasks / "a.log", ground.outside / "kept")
    give(ground.settings.log_dir)
    assert list(log_parts(ground.settings)[0].streams()) == ["=== a.log", "cannot be read: Permission denied"]


def test_the_updater_looks_for_wishes_in_no_other_folder(ground: Ground) -> None:
    wish = Wanted(version="1.2.3", requested_at=datetime.now(UTC))
    (ground.outside / "wanted.json").write_text(wish.model_dump_json())
    folder = ground.link("update")
    assert read_wanted(folder) is None
    forget_wanted(folder, wish)
    assert (ground.outside / "wanted.json").exists()


def test_a_run_of_roots_in_the_appliances_folder_becomes_the_appliance(ground: Ground) -> None:
    """It starts programs and writes for as long as it lasts, so it has no way back."""
    child = os.fork()
    if child == 0:
        _work_as_its_owner(ground.state, ground.state / "exports")
        is_the_owner = {*os.getresuid(), *os.getresgid(), *os.getgroups()} == {LESSER}
        os._exit(0 if is_the_owner else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_files_for_root_are_not_written_by_a_run_in_the_appliances_folder(ground: Ground) -> None:
    with pytest.raises(WrongRequestError, match="does not") as refused:
        _work_as_its_owner(ground.state, ground.outside)
    assert "--state DIR" in refused.value.next_step
    assert os.geteuid() == 0


def test_the_status_services_identity_is_backed_up_and_restored_where_it_lies(ground: Ground) -> None:
    """Under one name in every backup, so that it goes from a machine without that user to one with it."""
    own = give(ground.folder / "status")
    config = ground.folder / "appliance.yaml"
    config.write_text(config.read_text() + f"status: {{folder: {own}}}\n")
    settings = load_settings(config, {})
    save_identity(settings.identity_file, IDENTITY)
    files, _ = state_files(settings)
    assert [(file.name, file.path) for file in files] == [
        ("state/keys/dashboard.json", own / "dashboard.json")
    ]
    staged = ground.folder / "staged"
    staged.write_bytes(settings.identity_file.read_bytes())
    settings.identity_file.unlink()
    given = [Unpacked("state/keys/dashboard.json", staged, 0o600, "root", "root")]
    assert place_files(settings, given, ground.state / "before-restore") == [own / "dashboard.json"]
    assert load_identity(settings.identity_file) == IDENTITY
    assert settings.identity_file.stat().st_uid == LESSER
