"""Turn a release bundle into /opt/appliance/releases/VERSION, on the host itself.

Run as a program with the host's own Python and nothing but its standard library: nothing of the release may
run before every byte of it has been checked. A release is complete once its ``.complete`` file exists; a
folder without one is what an interrupted attempt left, and is made again from the start.

    python3 unpack.py BUNDLE --sha256 DIGEST [--root /opt/appliance] [--debs-only]
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20
_MANIFEST_BYTES_MAX = 1 << 20
_RELEASE = r"[0-9][0-9A-Za-z.+-]{0,59}"
"""As in appliance/documents/names.py, which this program, alone on its host, cannot import."""
_SPACE_FACTOR = 4
"""A bundle's bytes against what it takes on disk: the wheels, and what they become."""
_FILES_MAX = 20_000
"""A release has some hundreds; a name each takes an inode of the disk."""
_NAME_MAX = 255
_MADE_HERE = (".complete", ".used", "venv")
"""What no bundle brings: it is made of what it brings, once all of that was checked."""
_SWELLING_MAX = 20
"""What is compressed may grow by this factor. Images and wheels stay far below, and zeros reach 1,000."""


_FETCH_AGAIN = "fetch the bundle again from where it came from"


_MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}
"""Other names of what ``uname -m`` of Linux says."""


class UnfitError(Exception):
    """The bundle is not what it says it is, or does not fit this host; and what to do about that."""

    def __init__(self, why: str, next_step: str = _FETCH_AGAIN) -> None:
        super().__init__(why)
        self.next_step = next_step


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_DAMAGE = (
    *(tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, KeyError, TypeError),
    # What is nested without end, a manifest that is of another kind, and what no zip of today has.
    *(RecursionError, AttributeError, NotImplementedError, OverflowError, struct.error),
)


def main() -> int:
    """Unpack one bundle; print one line about what was done."""
    parser = argparse.ArgumentParser(description="Unpack a release of the appliance.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--sha256", required=True, help="what the whole bundle must hash to")
    parser.add_argument("--root", type=Path, default=Path("/opt/appliance"))
    parser.add_argument(
        "--debs-only", action="store_true", help="only the Debian packages, before anything else"
    )
    given = parser.parse_args()
    os.umask(0o022)
    try:
        given.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(given.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(lock, "w"):
            # No other user may open it: who can, can hold it, and for ever.
            os.fchmod(lock, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            print(_unpack(given.bundle, given.sha256, given.root, given.debs_only))  # noqa: T201
    except UnfitError as error:
        return _refused(str(error), error.next_step)
    except _DAMAGE:
        # It has the SHA-256 that was given, so that was taken from the damaged file.
        return _refused("it is not a whole bundle", _FETCH_AGAIN)
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno in _NO_ROOM:
            return _refused(why, f"df -h {given.root}; make room, then run the same command again")
        where = f"{error.filename or given.root}"
        return _refused(f"{why}, at {where}", f"ls -ld {where}; else {_FETCH_AGAIN}")
    return 0


def _refused(why: str, next_step: str) -> int:
    print(f"The release was not installed: {why}.\nNext: {next_step}.", file=sys.stderr)  # noqa: T201
    return 1


def _unpack(bundle: Path, sha256: str, root: Path, debs_only: bool) -> str:
    with bundle.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
            raise UnfitError("the bundle does not have the SHA-256 that was given")
        opened.seek(0)
        with tarfile.open(fileobj=opened, mode="r:") as archive:
            manifest = _manifest(archive)
            if debs_only:
                return _extract_debs(archive, manifest, root, sha256)
            return _install(archive, manifest, root, sha256, bundle.stat().st_size)


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    first = archive.next()
    if first is None or first.name != "manifest.json" or first.size > _MANIFEST_BYTES_MAX:
        raise UnfitError("it does not begin with a manifest")
    opened = archive.extractfile(first)
    manifest = json.loads(opened.read()) if opened else None
    if not isinstance(manifest, dict) or not re.fullmatch(_RELEASE, str(manifest.get("version"))):
        raise UnfitError("its manifest names no version")
    return manifest


def _extract_debs(archive: tarfile.TarFile, manifest: dict[str, Any], root: Path, sha256: str) -> str:
    target, half = root / "debs", root / ".debs-unpacking"
    shutil.rmtree(target, ignore_errors=True)
    # What another bundle has left there, half or refused, is no part of this one.
    shutil.rmtree(half, ignore_errors=True)
    try:
        _extract(archive, manifest, half, prefix="debs/")
        if not (half / "debs").is_dir():
            raise UnfitError("it holds no Debian packages", "make it with DEBS=CODENAME")
        (half / "debs").rename(target)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    (target / ".complete").write_text(sha256 + "\n", encoding="ascii")
    return f"unpacked the Debian packages of {manifest['version']}"


def _install(archive: tarfile.TarFile, manifest: dict[str, Any], root: Path, sha256: str, size: int) -> str:
    version = manifest["version"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python not in manifest["pythons"]:
        raise UnfitError(
            f"it has no packages for this host's Python {python}, only for {', '.join(manifest['pythons'])}"
        )
    machine = _MACHINES.get(platform.machine(), platform.machine())
    # A bundle from before there were others is for x86_64.
    if (architecture := manifest.get("architecture", "x86_64")) != machine:
        raise UnfitError(
            f"it is for machines of {architecture}, and this one is {machine}",
            f"fetch the bundle that is called appliance-{version}-{machine}.tar",
        )
    folder = root / "releases" / version
    if (folder / ".complete").is_file() and (folder / ".complete").read_text(
        encoding="ascii"
    ).strip() == sha256:
        return f"release {version} is already there"
    for link in ("current", "updater"):
        if (root / link).resolve() == folder.resolve() and (folder / ".complete").is_file():
            raise UnfitError(
                f"release {version} is in use, and from another bundle; a version names one release for good",
                "give this one another version, or move to another release first",
            )
    free = shutil.disk_usage(root).free
    if free < size * _SPACE_FACTOR:
        raise UnfitError(
            f"it needs about {size * _SPACE_FACTOR >> 20} MB in {root}, where {free >> 20} MB are free",
            f"df -h {root}; make room, then run the same command again",
        )
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _fill(archive, manifest, folder, python, sha256)
    except BaseException:
        # Half of a release is of no use, and takes the room that may be all that was missing.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return f"installed release {version}"


def _fill(archive: tarfile.TarFile, manifest: dict[str, Any], folder: Path, python: str, sha256: str) -> None:
    _extract(archive, manifest, folder, skip="debs/")
    _check_swelling(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    _make_environment(folder, python)
    _write_shell_files(folder)
    shutil.rmtree(folder / "wheels")
    # What uv locks an environment with, and leaves open to everyone.
    (folder / "venv" / ".lock").unlink(missing_ok=True)
    (folder / ".complete").write_text(sha256 + "\n", encoding="ascii")
    os.sync()


def _extract(
    archive: tarfile.TarFile, manifest: dict[str, Any], folder: Path, prefix: str = "", skip: str = "\0"
) -> None:
    """Write the files that the manifest lists, and check each one while it is written."""
    expected = {name: digest for name, digest in manifest["files"].items() if name.startswith(prefix)}
    expected = {name: digest for name, digest in expected.items() if not name.startswith(skip)}
    for name in expected:
        _check_name(name)
    for count, member in enumerate(archive):
        if count > _FILES_MAX:
            raise UnfitError(f"it holds more than {_FILES_MAX} files")
        if member.name == "manifest.json":
            continue
        if member.name not in expected:
            if member.name not in manifest["files"]:
                raise UnfitError(f"it holds a file that its manifest does not list: {member.name[:100]!r}")
            continue
        if not member.isreg() or member.issparse():
            raise UnfitError(f"it holds something that is not a plain file: {member.name[:100]!r}")
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = archive.extractfile(member)
        digest = hashlib.sha256()
        with target.open("wb") as out:
            while source and (block := source.read(_BLOCK)):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != expected.pop(member.name):
            raise UnfitError(f"a file in it is not what its manifest says: {member.name[:100]!r}")
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    if expected:
        raise UnfitError(f"it lacks a file that its manifest lists: {sorted(expected)[0][:100]!r}")


def _check_name(name: str) -> None:
    """Refuse what leads out of the folder, is the folder itself, or stands for that it is whole."""
    parts = name.split("/")
    is_plain = all(part.strip(".") and len(part.encode("utf-8", "replace")) <= _NAME_MAX for part in parts)
    if not is_plain or parts[0] in _MADE_HERE or not name.isprintable():
        raise UnfitError(f"it holds something that is not a plain file: {name[:100]!r}")


def _check_swelling(folder: Path) -> None:
    """Refuse what would fill the disk once it is opened, before anything opens it for good."""
    for path in sorted((folder / "wheels").glob("*.whl")):
        try:
            with zipfile.ZipFile(path) as wheel:
                members = wheel.infolist()
        except zipfile.BadZipFile:
            raise UnfitError(f"a package in it is damaged: {path.name[:100]!r}") from None
        too_many = len(members) > _FILES_MAX
        if too_many or sum(member.file_size for member in members) > _most(path):
            raise UnfitError(f"a package in it would take far more room than it says: {path.name[:100]!r}")
    for path in sorted((folder / "image").glob("*.tar.gz")):
        most, seen = _most(path), 0
        with gzip.open(path) as image:
            while block := image.read(_BLOCK):
                seen += len(block)
                if seen > most:
                    raise UnfitError("its image would take far more room than it says")


def _most(path: Path) -> int:
    # A megabyte besides: what is tiny may well be mostly zeros.
    return path.stat().st_size * _SWELLING_MAX + (1 << 20)


def _make_environment(folder: Path, python: str) -> None:
    """The release's own virtual environment, from the hash-locked wheels and from nowhere else."""
    uv = str(folder / "tools" / "uv")
    venv = folder / "venv"
    offline = ["--offline", "--no-cache", "--no-config", "--no-progress", "--quiet"]
    wheels = ["--no-index", "--find-links", str(folder / "wheels"), "--no-build", "--compile-bytecode"]
    install = [
        uv,
        "pip",
        "install",
        *offline,
        "--python",
        str(venv / "bin" / "python"),
        *wheels,
        "--link-mode",
        "copy",
    ]
    _run([uv, "venv", *offline, "--python", sys.executable, "--no-python-downloads", str(venv)])
    _run([*install, "--require-hashes", "-r", str(folder / f"requirements-{python}.txt")])
    own = sorted((folder / "wheels").glob("appliance-*.whl"))
    if len(own) != 1:
        raise UnfitError("it does not hold exactly one wheel of the appliance itself")
    _run([*install, "--no-deps", str(own[0])])


def _write_shell_files(folder: Path) -> None:
    """Completion for three shells, and the man page, made by the release's own command line."""
    share = folder / "share"
    places = {
        "bash": share / "bash-completion/completions/appliance",
        "zsh": share / "zsh/site-functions/_appliance",
        "fish": share / "fish/vendor_completions.d/appliance.fish",
    }
    python = str(folder / "venv/bin/python")
    for shell, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [python, "-I", "-m", "appliance.cli.work.host.shell_files", "completion", shell]
        place.write_text(_run(command), encoding="utf-8")
    man = share / "man/man1/appliance.1"
    man.parent.mkdir(parents=True, exist_ok=True)
    man.write_text(_run([python, "-I", "-m", "appliance.cli.work.host.shell_files", "man"]), encoding="utf-8")


def _run(command: list[str]) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UnfitError(f"{Path(command[0]).name} {command[1]} failed: {done.stderr.strip()[-800:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
