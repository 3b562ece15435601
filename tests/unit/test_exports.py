"""Exports on this machine: whole or not listed, recorded before they are deleted."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports import stored as exports
from appliance.exports.manifest import (
    MANIFEST,
    ExportedFile,
    ExportedFormat,
    ExportedTable,
    Manifest,
    read_manifest,
)
from appliance.exports.writing import end_export, export_folder, finish_export, write_manifest


def write_export(folder: Path, run: str, *, workflow: str = "nightly", days_old: float = 0) -> None:
    """An export in its hidden folder, manifest and all."""
    with export_folder(folder, workflow, run) as hidden:
        pass
    content = gzip.compress(b"id\n1\n2\n")
    (hidden / "public.customer.csv.gz").write_bytes(content)
    file = ExportedFile(
        file="public.customer.csv.gz",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        table="public.customer",
        rows=2,
    )
    table = ExportedTable(table="public.customer", columns=("id",), rows=2)
    csv = ExportedFormat(format="csv", compression="gzip", tables=(table,), files=(file,))
    manifest = Manifest(
        workflow=workflow,
        run=run,
        created_at=datetime.now(UTC) - timedelta(days=days_old),
        appliance_version="0.1.0",
        formats=(csv,),
    )
    write_manifest(hidden, manifest)


def make_export(folder: Path, run: str, *, workflow: str = "nightly", days_old: float = 0) -> exports.Export:
    write_export(folder, run, workflow=workflow, days_old=days_old)
    finish_export(folder, workflow, run)
    return exports.find_export(folder, run)


def test_an_export_is_listed_only_when_it_is_whole(tmp_path: Path) -> None:
    write_export(tmp_path, "one")
    assert exports.list_exports(tmp_path) == []
    assert finish_export(tmp_path, "nightly", "one") == tmp_path / "nightly" / "one"
    (found,) = exports.list_exports(tmp_path)
    assert (found.manifest.run, found.manifest.rows) == ("one", 2)
    assert finish_export(tmp_path, "nightly", "one") == tmp_path / "nightly" / "one"


def test_an_export_without_its_manifest_never_gets_its_name(tmp_path: Path) -> None:
    with export_folder(tmp_path, "nightly", "one") as folder:
        (folder / "public.customer.csv.gz").write_bytes(b"half")
    with pytest.raises(WorkFailedError, match=r"no usable manifest\.json"):
        finish_export(tmp_path, "nightly", "one")
    assert exports.list_exports(tmp_path) == []


def test_a_later_attempt_finds_what_an_earlier_one_has_written_or_finished(tmp_path: Path) -> None:
    write_export(tmp_path, "one")
    with export_folder(tmp_path, "nightly", "one") as folder:
        assert read_manifest(folder).run == "one"
        shown = finish_export(tmp_path, "nightly", "one")
    with export_folder(tmp_path, "nightly", "one") as folder:
        assert folder == shown


def test_a_run_that_writes_none_has_none(tmp_path: Path) -> None:
    assert finish_export(tmp_path, "nightly", "one") is None
    with pytest.raises(WrongRequestError, match="no export of a run 'one'"):
        exports.find_export(tmp_path, "one")


def test_the_newest_is_listed_first_whatever_it_is_called(tmp_path: Path) -> None:
    make_export(tmp_path, "b", days_old=2)
    make_export(tmp_path, "a", workflow="weekly", days_old=3)
    make_export(tmp_path, "c", days_old=1)
    assert [export.manifest.run for export in exports.list_exports(tmp_path)] == ["c", "b", "a"]


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    assert export.folder.stat().st_mode & 0o777 == 0o700


def test_a_deletion_is_recorded_with_who_and_why(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one", days_old=40)
    exports.delete_export(tmp_path, export, by="retention", why="It is older than 30 days.")
    (line,) = (tmp_path / exports.DELETIONS).read_text().splitlines()
    record = exports.Deletion.model_validate_json(line)
    assert (record.run, record.by, record.rows, record.tables) == ("one", "retention", 2, 1)
    assert exports.list_exports(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [exports.DELETIONS]
    assert (tmp_path / exports.DELETIONS).stat().st_mode & 0o777 == 0o600


def test_a_deletion_that_cannot_be_recorded_does_not_happen(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    (tmp_path / exports.DELETIONS).mkdir()
    with pytest.raises(WorkFailedError, match="could not be deleted"):
        exports.delete_export(tmp_path, export, by="operator", why="Not needed.")
    assert exports.find_export(tmp_path, "one") == export


def test_what_killed_runs_and_deletions_have_left_goes_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    long_ago = 1_000_000_000
    for run in ("killed", "running", "young"):
        write_export(tmp_path, run)
    for run in ("killed", "running"):
        os.utime(tmp_path / "nightly" / f".{run}.unfinished", (long_ago, long_ago))
    whole = make_export(tmp_path, "whole")
    half_deleted = make_export(tmp_path, "half")
    half_deleted.folder.rename(half_deleted.folder.with_name(".half.deleting"))
    with export_folder(tmp_path, "nightly", "running"):
        removed = exports.remove_leftovers(tmp_path)
    assert sorted(removed) == ["nightly/.half.deleting", "nightly/.killed.unfinished"]
    assert {path.name for path in (tmp_path / "nightly").iterdir()} == {
        ".running.unfinished",
        ".young.unfinished",
        "whole",
    }
    assert exports.list_exports(tmp_path) == [whole]


def test_a_file_that_was_changed_or_lost_shows(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    assert exports.damage_of(export) == []
    (export.folder / "public.customer.csv.gz").write_bytes(b"other")
    assert exports.damage_of(export) == ["public.customer.csv.gz: its SHA-256 is not the manifest's"]
    (export.folder / "public.customer.csv.gz").unlink()
    assert exports.damage_of(export) == ["public.customer.csv.gz: No such file or directory"]


def test_whoever_may_not_read_them_is_told_so(tmp_path: Path) -> None:
    make_export(tmp_path, "one")
    tmp_path.chmod(0o000)
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom appliance.exports import stored as exports\n"
        "os.getuid() or os.setresuid(65534, 65534, 65534)\n"
        "exports.list_exports(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    tmp_path.chmod(0o700)
    assert "Next: Run it again with sudo." in done.stderr


def test_links_are_no_exports(tmp_path: Path) -> None:
    elsewhere = make_export(tmp_path / "elsewhere", "one")
    (tmp_path / "exports" / "nightly").mkdir(parents=True)
    (tmp_path / "exports" / "nightly" / "one").symlink_to(elsewhere.folder)
    assert exports.list_exports(tmp_path / "exports") == []


def test_an_export_of_an_earlier_release_is_still_listed_and_checked(tmp_path: Path) -> None:
    folder = make_export(tmp_path, "old").folder
    content = (folder / "public.customer.csv.gz").read_bytes()
    first = {
        "version": 1,
        "workflow": "nightly",
        "run": "old",
        "format": "csv",
        "compression": "gzip",
        "created_at": "2026-01-01T00:00:00Z",
        "appliance_version": "0.1.0",
        "tables": [
            {
                "table": "public.customer",
                "file": "public.customer.csv.gz",
                "columns": ["id"],
                "rows": 2,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
    }
    (folder / MANIFEST).write_text(json.dumps(first))
    (found,) = exports.list_exports(tmp_path)
    assert (found.manifest.shown_formats, found.manifest.rows, found.manifest.bytes) == (
        "csv",
        2,
        len(content),
    )
    assert exports.damage_of(found) == []


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/..", "./a", "", "..", "a/\x00b"])
def test_a_manifest_that_names_a_path_elsewhere_is_not_read(tmp_path: Path, name: str) -> None:
    folder = make_export(tmp_path, "one").folder
    document = json.loads((folder / MANIFEST).read_bytes())
    document["formats"][0]["files"][0]["file"] = name
    (folder / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(WorkFailedError, match=r"no usable manifest\.json"):
        read_manifest(folder)


def test_a_table_in_two_formats_counts_once_and_its_files_all(tmp_path: Path) -> None:
    manifest = make_export(tmp_path, "one").manifest
    (csv,) = manifest.formats
    both = manifest.model_copy(update={"formats": (csv, csv.model_copy(update={"format": "jsonl"}))})
    assert (both.rows, len(both.tables), both.bytes) == (2, 1, 2 * manifest.bytes)
    assert both.shown_formats == "csv, jsonl"


def test_formats_for_buckets_alone_go_before_the_export_is_listed_also_after_a_kill_in_between(
    tmp_path: Path,
) -> None:
    write_export(tmp_path, "nightly-1")
    hidden = tmp_path / "nightly" / ".nightly-1.unfinished"
    csv = read_manifest(hidden)
    (hidden / "archive").mkdir()
    (hidden / "archive" / "toc.dat").write_bytes(b"toc")
    digest = hashlib.sha256(b"toc").hexdigest()
    toc = ExportedFile(file="archive/toc.dat", bytes=3, sha256=digest)
    archive = ExportedFormat(format="archive", compression="none", tables=(), files=(toc,))
    write_manifest(hidden, csv.model_copy(update={"formats": (*csv.formats, archive)}))
    # Killed when the manifest was written and no file was removed yet.
    write_manifest(hidden, csv)
    shown = end_export(tmp_path, "nightly", "nightly-1", formats={"csv"})
    assert shown == tmp_path / "nightly" / "nightly-1"
    assert read_manifest(shown) == csv
    assert sorted(path.name for path in shown.rglob("*")) == [MANIFEST, "public.customer.csv.gz"]
    assert end_export(tmp_path, "nightly", "nightly-1", formats={"csv"}) == shown
