"""Which files are an appliance's state, and where each belongs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

CONFIG, STATE = "config", "state"
OF_THE_DEPLOY = frozenset({"proxy.env", "cleanup.env", "status.env", "enrolment-token"})
"""The deploy writes these anew on every machine; an enrolment token has been used up."""
FIREWALL = "firewall.nft"
"""The deploy's too: another machine's rules could keep this one's operator out. Older backups may have it."""
MACHINE_SETTINGS = "appliance.yaml"
STATE_FOLDERS = ("keys", "receipts", "workflows", "erasures", "copies")
STATE_FILES = ("exports/deletions.jsonl",)
IDENTITY = f"{STATE}/keys/dashboard.json"
"""Its name in every backup, wherever this machine keeps it."""
MIRRORED = (f"{CONFIG}/workflows", f"{STATE}/workflows")
"""Folders that hold after a restore exactly what the backup held."""
LARGEST_FILE = 64 << 20


@dataclass(frozen=True)
class StateFile:
    """``name`` in the archive (``config/policy.yaml``), and the file itself."""

    name: str
    path: Path


def state_files(settings: Settings) -> tuple[list[StateFile], list[str]]:
    """Every file to back up, in order, and what is left out and why. Reads folders, no contents."""
    found: list[StateFile] = []
    left_out: list[str] = []
    places = [(CONFIG, settings.config_dir, settings.config_dir)]
    places += [(STATE, settings.state_dir, settings.state_dir / name) for name in STATE_FOLDERS]
    for kind, root, folder in places:
        with as_owner_of(folder):
            walked = [(path, _unfit(path)) for path in _walk(folder)]
        for path, why in walked:
            name = path.relative_to(root)
            if kind == CONFIG and name.as_posix() in {*OF_THE_DEPLOY, FIREWALL}:
                continue
            if why:
                left_out.append(f"{path}: {why}")
            else:
                found.append(StateFile(f"{kind}/{name.as_posix()}", path))
    single = {f"{STATE}/{relative}": settings.state_dir / relative for relative in STATE_FILES}
    if settings.is_split:
        found = [file for file in found if file.name != IDENTITY]
        single[IDENTITY] = settings.identity_file
    for member, path in single.items():
        with as_owner_of(path.parent):
            is_there = path.is_file() and not path.is_symlink()
        if is_there:
            found.append(StateFile(member, path))
    return found, left_out


def destination(settings: Settings, name: str) -> Path | None:
    """Where a member belongs; None for a name that no backup of ours has."""
    if name == IDENTITY:
        return settings.identity_file
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or name.startswith("/") or any(part in ("..", ".", "") for part in name.split("/")):
        return None
    relative = "/".join(parts[1:])
    if parts[0] == CONFIG and relative not in OF_THE_DEPLOY:
        return settings.config_dir / relative
    if parts[0] == STATE and (parts[1] in STATE_FOLDERS or relative in STATE_FILES):
        return settings.state_dir / relative
    return None


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        yield folder
        return
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root) / name


def _unfit(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError as error:
        return error.strerror or "cannot be looked at"
    if stat.S_ISLNK(status.st_mode):
        return "is a link"
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    return f"is larger than {LARGEST_FILE >> 20} MB" if status.st_size > LARGEST_FILE else ""
