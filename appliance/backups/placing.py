"""Putting the files of a backup where they belong, one by one, each whole or not at all."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from collections.abc import Iterable
from pathlib import Path

from appliance.backups.contents import CONFIG, FIREWALL, MACHINE_SETTINGS, MIRRORED, STATE, destination
from appliance.backups.unpack import Unpacked
from appliance.settings import Settings

FROM_BACKUP = ".from-backup"
"""What the backup's appliance.yaml is called beside this machine's own, which stays."""


def place_files(settings: Settings, files: Iterable[Unpacked], former: Path) -> list[Path]:
    """Place every file, and take away what a mirrored folder should not have; where files were put.

    Whatever had other contents is kept below ``former`` first. Done again, it gives the same.
    """
    placed: list[Path] = []
    for file in files:
        if file.name == f"{CONFIG}/{FIREWALL}":
            continue
        target = destination(settings, file.name)
        assert target is not None  # noqa: S101 - unpack has checked every name
        if file.name == f"{CONFIG}/{MACHINE_SETTINGS}" and target.exists():
            if target.read_bytes() == file.staged.read_bytes():
                continue
            target = target.with_name(target.name + FROM_BACKUP)
        if target.is_symlink() or not _is_same(target, file.staged):
            _keep_former(target, former / file.name)
        _place(file, target)
        placed.append(target)
    _remove_others(settings, set(placed), former)
    return placed


def _is_same(target: Path, staged: Path) -> bool:
    try:
        return target.read_bytes() == staged.read_bytes()
    except OSError:
        return not target.exists()


def _keep_former(target: Path, kept: Path) -> None:
    if kept.exists() or not (target.exists() or target.is_symlink()):
        return
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy2(target, kept, follow_symlinks=False)


def _place(file: Unpacked, target: Path) -> None:
    _make_folder(target.parent)
    fresh = target.with_name(f".{target.name}.restoring")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.staged.read_bytes())
        if os.getuid() == 0:
            os.fchown(opened.fileno(), *_owner(file, target.parent))
        os.fchmod(opened.fileno(), file.mode)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.rename(target)


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
    if os.getuid() == 0:
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def _remove_others(settings: Settings, placed: set[Path], former: Path) -> None:
    roots = {CONFIG: settings.config_dir, STATE: settings.state_dir}
    for mirrored in MIRRORED:
        kind, name = mirrored.split("/")
        folder = roots[kind] / name
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path not in placed and (path.is_symlink() or path.is_file()):
                _keep_former(path, former / mirrored / path.relative_to(folder))
                path.unlink()
