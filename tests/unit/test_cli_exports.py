"""``appliance exports``: what is there, taking it away, deleting it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from appliance.cli.copies.exports import app
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.manifest import MANIFEST
from appliance.exports.stored import DELETIONS, Deletion, list_exports
from tests.unit.test_exports import make_export

FILE = "public.customer.csv.gz"


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--exports-dir", str(folder)])


def test_they_are_listed_with_what_they_hold(tmp_path: Path) -> None:
    assert call(tmp_path, "list").stdout == "There are no exports.\n"
    make_export(tmp_path, "one", days_old=0.5)
    make_export(tmp_path, "two", workflow="weekly", days_old=3)
    lines = [line.split() for line in call(tmp_path, "list").stdout.splitlines()]
    assert [line[:3] for line in lines] == [
        ["WORKFLOW", "RUN", "FORMATS"],
        ["nightly", "one", "csv"],
        ["weekly", "two", "csv"],
    ]
    (found,) = json.loads(call(tmp_path, "list", "--json", "--workflow", "weekly").stdout)
    assert (found["run"], found["rows"], found["folder"]) == ("two", 2, str(tmp_path / "weekly" / "two"))


def test_an_export_is_copied_as_it_is_or_unpacked(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    assert call(tmp_path, "get", "one", str(tmp_path / "copy")).exit_code == 0
    assert (tmp_path / "copy" / FILE).read_bytes() == (export.folder / FILE).read_bytes()
    assert (tmp_path / "copy" / MANIFEST).read_bytes() == (export.folder / MANIFEST).read_bytes()
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    assert call(tmp_path, "get", "one", str(tmp_path / "plain"), "--unpack").exit_code == 0
    assert (tmp_path / "plain" / "public.customer.csv").read_bytes() == b"id\n1\n2\n"


def test_a_large_file_is_unpacked_whole(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    content = b"0123456789abcdef" * 500_000
    packed = gzip.compress(content)
    (export.folder / FILE).write_bytes(packed)
    manifest = json.loads((export.folder / MANIFEST).read_text())
    manifest["formats"][0]["files"][0]["sha256"] = hashlib.sha256(packed).hexdigest()
    (export.folder / MANIFEST).write_text(json.dumps(manifest))
    assert call(tmp_path, "get", "one", str(tmp_path / "plain"), "--unpack").exit_code == 0
    assert (tmp_path / "plain" / "public.customer.csv").read_bytes() == content


def test_an_export_goes_through_a_pipe_as_a_tar(tmp_path: Path) -> None:
    export = make_export(tmp_path, "one")
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "exports", "get", "one", "-", "--exports-dir", str(tmp_path)],
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert archive.getnames() == [f"one/{FILE}", f"one/{MANIFEST}"]
        member = archive.extractfile(f"one/{FILE}")
        assert member is not None
        assert member.read() == (export.folder / FILE).read_bytes()
        assert {each.mode for each in archive.getmembers()} == {0o600}


@pytest.mark.parametrize("options", [[], ["--unpack"]])
def test_a_damaged_export_is_not_handed_out(tmp_path: Path, options: list[str]) -> None:
    export = make_export(tmp_path, "one")
    damaged = bytearray((export.folder / FILE).read_bytes())
    damaged[-6] ^= 1
    (export.folder / FILE).write_bytes(damaged)
    for place in (str(tmp_path / "copy"), "-"):
        arguments = options if place != "-" else []
        result = call(tmp_path, "get", "one", place, *arguments)
        assert isinstance(result.exception, WorkFailedError)
        assert "is damaged" in result.exception.what
        assert FILE in result.exception.why
        assert result.stdout == ""
    assert not (tmp_path / "copy").exists()


def test_nothing_is_copied_over(tmp_path: Path) -> None:
    make_export(tmp_path, "one")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    result = call(tmp_path, "get", "one", str(tmp_path / "full"))
    assert isinstance(result.exception, WrongRequestError)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_what_is_deleted_is_recorded_with_the_reason(tmp_path: Path) -> None:
    for run in ("one", "two", "three"):
        make_export(tmp_path, run)
    assert call(tmp_path, "rm", "one", "two", "--why", "Asked for by legal.").exit_code == 0
    assert [export.manifest.run for export in list_exports(tmp_path)] == ["three"]
    lines = (tmp_path / DELETIONS).read_text().splitlines()
    records = [Deletion.model_validate_json(line) for line in lines]
    assert [(each.run, each.by, each.why) for each in records] == [
        ("one", "operator", "Asked for by legal."),
        ("two", "operator", "Asked for by legal."),
    ]


def test_one_unknown_name_deletes_none(tmp_path: Path) -> None:
    make_export(tmp_path, "one")
    assert isinstance(call(tmp_path, "rm", "one", "tow").exception, WrongRequestError)
    assert len(list_exports(tmp_path)) == 1
