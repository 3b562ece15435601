"""A strange bundle is refused in words, leaves nothing, and stands in no later one's way."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from provisioning.release import unpack

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OWN = {"tools/uv": b"own"}


def manifest_of(brought: dict[str, bytes], **more: Any) -> bytes:
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in brought.items()}
    return json.dumps({"version": "9.9.9", "pythons": [PYTHON], "files": digests} | more).encode()


def write(path: Path, manifest: bytes, files: dict[str, bytes], after: bytes = b"") -> Path:
    """A bundle of that manifest and these files; ``after`` them come other blocks."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        for name, body in {"manifest.json": manifest, **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
        end = archive.offset
    path.write_bytes(text.getvalue()[:end] + after + bytes(1024))
    return path


def unpacked(path: Path, root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    command = [sys.executable, "-I", unpack.__file__, str(path), "--sha256", digest, "--root", str(root)]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=60)


def with_header(key: str, value: str) -> bytes:
    """A PAX header that says this of the member after it."""
    size = len(f" {key}={value}\n") + 2
    record = f"{size} {key}={value}\n".encode()
    entry = tarfile.TarInfo("header")
    entry.type, entry.size = tarfile.XHDTYPE, len(record)
    return entry.tobuf(tarfile.USTAR_FORMAT) + record + bytes(-len(record) % 512)


def of_another_age() -> bytes:
    """A package that only a zip of version 9.9 opens."""
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as wheel:
        wheel.writestr("a", "b")
    data = bytearray(text.getvalue())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 6, 99)
    return bytes(data)


MEMBER = tarfile.TarInfo("tools/uv").tobuf(tarfile.USTAR_FORMAT)
STRANGE: dict[str, tuple[bytes, dict[str, bytes], bytes]] = {
    "nested without end": (b'{"version":"9.9.9","x":' + b"[" * 100_000, {}, b""),
    "files in a list": (manifest_of(OWN, files=["tools/uv"]), OWN, b""),
    "headers of headers": (manifest_of(OWN), OWN, with_header("path", "tools/uv") * 2000 + MEMBER),
    "a size below zero": (manifest_of(OWN), OWN, with_header("size", "-1536") + MEMBER),
    "a zip of another age": (
        manifest_of({"wheels/a.whl": of_another_age()}),
        {"wheels/a.whl": of_another_age()},
        b"",
    ),
} | {
    f"called {name[:20]}": (manifest_of(files), files, b"")
    for name in (".", "", "tools//uv", "./tools/uv", "a" * 300, "a\0b", ".complete", "venv/bin/python")
    if (files := {name: b"own"})
}


@pytest.mark.parametrize("kind", STRANGE)
def test_it_is_refused_in_words_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    manifest, files, after = STRANGE[kind]
    done = unpacked(write(tmp_path / "b.tar", manifest, files, after), tmp_path / "root")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("The release was not installed: it ")
    assert "\nNext: fetch the bundle again" in done.stderr
    assert not list((tmp_path / "root").rglob("9.9.9"))


def test_a_fault_that_is_no_full_disk_is_not_called_one(tmp_path: Path) -> None:
    files = {"tools": b"own", "tools/uv": b"own"}
    done = unpacked(write(tmp_path / "b.tar", manifest_of(files), files), tmp_path / "root")
    assert done.returncode == 1
    assert "File exists, at " in done.stderr and "make room" not in done.stderr


def test_a_package_that_one_bundle_has_left_is_not_installed_with_the_next(tmp_path: Path) -> None:
    """The first holds another file than its manifest says: what came of it is never apt's."""
    root = tmp_path / "root"
    first = write(tmp_path / "a.tar", manifest_of({"debs/a.deb": b"own"}), {"debs/a.deb": b"other"})
    assert "not what its manifest says" in unpacked(first, root, "--debs-only").stderr
    assert not (root / ".debs-unpacking").exists()
    # A kill leaves it all the same.
    (root / ".debs-unpacking" / "debs").mkdir(parents=True)
    (root / ".debs-unpacking" / "debs" / "c.deb").write_bytes(b"half")
    files = {"debs/b.deb": b"own"}
    assert unpacked(write(tmp_path / "b.tar", manifest_of(files), files), root, "--debs-only").returncode == 0
    assert sorted(path.name for path in (root / "debs").iterdir()) == [".complete", "b.deb"]
