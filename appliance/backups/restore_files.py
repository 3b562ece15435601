"""Putting the files of a backup where they belong, one by one, each whole or not at all."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.backups.contents import CONFIG, FIREWALL, MACHINE_SETTINGS, MIRRORED, STATE, destination
from appliance.backups.unpack import Unpacked
from appliance.durable import whole_file, write_file
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

GROWING = tuple(
    f"{STATE}/{name}.jsonl" for name in ("copies/copies", "exports/deletions", "receipts/deletions")
)
"""What is only ever added to: what was noted here since the backup is as true as before."""
FROM_BACKUP = ".from-backup"
"""What the backup's appliance.yaml is called beside this machine's own, which stays."""


def place_files(settings: Settings, files: Iterable[Unpacked], former: Path) -> list[Path]:
    """Place every file, and take away what a mirrored folder should not have; where files were put.

    Whatever had other contents is kept below ``former`` first. Done again, it gives the same. Where a folder
    belongs to a lesser user, all of it is done as that user. Raises OSError.
    """
    placed: list[Path] = []
    for file in files:
        if file.name == f"{CONFIG}/{FIREWALL}":
            continue
        target = destination(settings, file.name)
        assert target is not None  # noqa: S101 - unpack has checked every name
        content = file.staged.read_bytes()
        with as_owner_of(target.parent):
            if file.name == f"{CONFIG}/{MACHINE_SETTINGS}" and target.exists():
                if target.read_bytes() == content:
                    continue
                target = target.with_name(target.name + FROM_BACKUP)
            kept = _present(target)
        if file.name in GROWING and kept is not None and isinstance(kept.content, bytes):
            lines = dict.fromkeys((*content.splitlines(), *kept.content.splitlines()))
            content = b"".join(line + b"\n" for line in lines)
        if kept is not None and kept.content != content:
            _keep_former(kept, former, file.name)
        with as_owner_of(target.parent):
            _place(file, content, target)
        placed.append(target)
    _remove_others(settings, set(placed), former)
    return placed


@dataclass(frozen=True)
class _Present:
    """What a name stands for now: the bytes of a file, or where a link leads."""

    content: bytes | str
    mode: int
    modified_ns: int


def _present(target: Path) -> _Present | None:
    try:
        status = target.lstat()
        if stat.S_ISLNK(status.st_mode):
            return _Present(str(target.readlink()), 0, status.st_mtime_ns)
        return _Present(target.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    except FileNotFoundError:
        return None


def _keep_former(present: _Present, former: Path, name: str) -> None:
    kept = former / name
    with as_owner_of(former):
        if kept.exists() or kept.is_symlink():
            return
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if isinstance(present.content, str):
            kept.symlink_to(present.content)
            return
        with whole_file(kept, durable=True, mode=present.mode) as file:
            file.write(present.content)
            file.flush()
            os.utime(file.fileno(), ns=(present.modified_ns, present.modified_ns))


def _place(file: Unpacked, content: bytes, target: Path) -> None:
    _make_folder(target.parent)
    owner = _owner(file, target.parent) if os.geteuid() == 0 else None
    write_file(target, content, durable=True, mode=file.mode, owner=owner)


def _owner(file: Unpacked, folder: Path) -> tuple[int, int]:
    """By name, for numbers differ between machines; of the folder where a name is not known here."""
    there = folder.stat()
    try:
        user = pwd.getpwnam(file.owner).pw_uid
    except KeyError:
        user = there.st_uid
    try:
        group = grp.getgrnam(file.group).gr_gid
    except KeyError:
        group = there.st_gid
    return user, group


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700 if folder.name == "keys" else 0o750)
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def _remove_others(settings: Settings, placed: set[Path], former: Path) -> None:
    roots = {CONFIG: settings.config_dir, STATE: settings.state_dir}
    for mirrored in MIRRORED:
        kind, name = mirrored.split("/")
        folder = roots[kind] / name
        with as_owner_of(folder):
            found = sorted(folder.rglob("*")) if folder.is_dir() and not folder.is_symlink() else []
            others = [path for path in found if path not in placed and (path.is_symlink() or path.is_file())]
        for path in others:
            with as_owner_of(folder):
                present = _present(path)
            if present is not None:
                _keep_former(present, former, f"{mirrored}/{path.relative_to(folder)}")
            with as_owner_of(folder):
                path.unlink(missing_ok=True)
