"""A release bundle is checked byte by byte before anything of it runs."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from provisioning.release import unpack
from provisioning.release.wheels import PYTHONS, LocksDisagreeError, merged_lock

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("orchestration", "status", "provisioning")]


def bundle(path: Path, files: dict[str, bytes], listed: dict[str, bytes] | None = None, **more: Any) -> str:
    """Write a bundle whose manifest lists ``listed``; its SHA-256."""
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in (listed or files).items()}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    manifest = {"version": "9.9.9", "pythons": [python], "files": digests} | more
    with tarfile.open(path, "w") as archive:
        for name, text in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(path: Path, sha256: str, root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(unpack.__file__)
    command = [sys.executable, "-I", str(program), str(path), "--sha256", sha256, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("files", "listed", "told"),
    [
        ({"tools/uv": b"other"}, {"tools/uv": b"own"}, "not what its manifest says"),
        ({"tools/uv": b"own", "extra": b""}, {"tools/uv": b"own"}, "does not list"),
        ({"tools/uv": b"own"}, {"tools/uv": b"own", "image/step.tar.gz": b""}, "lacks a file"),
        ({"../outside": b"own"}, {"../outside": b"own"}, "not a plain file"),
        ({"/tmp/outside": b"own"}, {"/tmp/outside": b"own"}, "not a plain file"),
    ],
)
def test_a_bundle_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, files: dict[str, bytes], listed: dict[str, bytes], told: str
) -> None:
    sha256 = bundle(tmp_path / "b.tar", files, listed)
    done = install(tmp_path / "b.tar", sha256, tmp_path / "root")
    assert done.returncode == 1
    assert told in done.stderr
    assert not list((tmp_path / "root").rglob(".complete"))
    assert not (tmp_path / "outside").exists()


def test_a_bundle_with_another_sha256_is_not_even_opened(tmp_path: Path) -> None:
    bundle(tmp_path / "b.tar", {"tools/uv": b"own"})
    done = install(tmp_path / "b.tar", "0" * 64, tmp_path / "root")
    assert (done.returncode, "fetch the bundle again" in done.stderr) == (1, True)


def test_a_bundle_for_other_pythons_is_refused_with_what_it_has(tmp_path: Path) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"}, pythons=["2.7"])
    assert "only for 2.7" in install(tmp_path / "b.tar", sha256, tmp_path / "root").stderr


@pytest.mark.parametrize("kept", [300, 600, 11_000], ids=["header", "manifest", "file"])
def test_a_bundle_whose_sha256_was_taken_of_its_damage_is_refused_in_words(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "b.tar"
    bundle(path, {"tools/uv": b"own" * 10_000})
    path.write_bytes(path.read_bytes()[:kept])
    done = install(path, hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / "root")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("The release was not installed: it ")
    assert "\nNext: fetch the bundle again" in done.stderr
    assert not list((tmp_path / "root").rglob("9.9.9")), "half of a release only takes room"


def test_a_disk_that_fills_up_is_named_and_given_its_room_back(tmp_path: Path) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own" * 100_000})
    program = (
        f"import resource, runpy, signal, sys; sys.argv = ['unpack.py', {str(tmp_path / 'b.tar')!r},"
        f" '--sha256', {sha256!r}, '--root', {str(tmp_path / 'root')!r}];"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        f"runpy.run_path({unpack.__file__!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "The release was not installed: File too large.\n"
        f"Next: df -h {tmp_path / 'root'}; make room, then run the same command again.\n"
    )
    assert not list((tmp_path / "root").rglob("9.9.9"))


@pytest.mark.parametrize("version", ["../9", "", "x", "9/../../etc"])
def test_a_version_cannot_be_a_path(tmp_path: Path, version: str) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"}, version=version)
    assert "names no version" in install(tmp_path / "b.tar", sha256, tmp_path / "root").stderr


@pytest.mark.parametrize("link", ["current", "updater"])
def test_a_release_in_use_is_not_replaced_by_another_of_its_version(tmp_path: Path, link: str) -> None:
    folder = tmp_path / "releases" / "9.9.9"
    folder.mkdir(parents=True)
    (folder / ".complete").write_text("0" * 64)
    (tmp_path / link).symlink_to(folder)
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"})
    done = install(tmp_path / "b.tar", sha256, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "release 9.9.9 is in use, and from another bundle" in done.stderr
    assert "Next: give this one another version" in done.stderr
    assert (folder / ".complete").exists()
    # The bundle that it is from is no other.
    (folder / ".complete").write_text(sha256)
    assert "already there" in install(tmp_path / "b.tar", sha256, tmp_path).stdout


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_files_agree_and_every_pin_has_hashes(python: str) -> None:
    lines = merged_lock(LOCKS, python).splitlines()
    assert len(lines) > 100
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    names = [line.split("==")[0].lower() for line in lines]
    assert len(names) == len(set(names))


def test_markers_decide_what_a_python_gets(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "new==1 ; python_full_version >= '3.13' \\\n    --hash=sha256:aa\n"
        "win==1 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"
        "all==2 \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n"
    )
    assert merged_lock([lock], "3.11") == "all==2 --hash=sha256:cc --hash=sha256:dd\n"
    assert "new==1 --hash=sha256:aa\n" in merged_lock([lock], "3.13")


def test_two_locks_that_pin_one_package_differently_are_an_error(tmp_path: Path) -> None:
    for name, version in (("a", 1), ("b", 2)):
        (tmp_path / name).write_text(f"same=={version} --hash=sha256:aa\n")
    with pytest.raises(LocksDisagreeError, match="same==1 and same==2"):
        merged_lock([tmp_path / "a", tmp_path / "b"], "3.13")
