"""Facts about disks, ports and keys."""

from __future__ import annotations

import os
import pwd
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.preflight.facts import Disk, Key, Port
from appliance.preflight.gather_system import read
from appliance.system import proc

_WRITES = 11
_LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def gather_disks(paths: Iterable[Path]) -> tuple[Disk, ...]:
    """The file systems that these paths lie on, or will; each once."""
    by_device: dict[int, list[Path]] = {}
    for path in paths:
        place = nearest(path)
        by_device.setdefault(place.stat().st_dev, []).append(path)
    disks = []
    for found in by_device.values():
        status = os.statvfs(nearest(found[0]))
        disks.append(
            Disk(
                paths=tuple(str(path) for path in found),
                kind=proc.file_system_of(nearest(found[0])),
                total_mb=status.f_blocks * status.f_frsize >> 20,
                free_mb=status.f_bavail * status.f_frsize >> 20,
                free_files_percent=100 * status.f_favail / status.f_files if status.f_files else 100.0,
            )
        )
    return tuple(disks)


def fsync_ms(folder: Path) -> float | None:
    """The median of a few small writes that are waited for; None where nothing may be written."""
    try:
        with tempfile.TemporaryFile(dir=nearest(folder), buffering=0) as file:
            took = []
            for number in range(_WRITES):
                began = time.perf_counter()
                os.pwrite(file.fileno(), os.urandom(4096), number * 4096)
                os.fdatasync(file.fileno())
                took.append(time.perf_counter() - began)
    except OSError:
        return None
    return statistics.median(took) * 1000


def gather_ports(wanted: Iterable[tuple[int, str, str]]) -> tuple[Port, ...]:
    """(number, purpose, how another is chosen) with whether a program listens there, and which."""
    listening = dict(_listening())
    return tuple(
        Port(number, purpose, knob, number in listening, _owner(listening.get(number)))
        for number, purpose, knob in wanted
    )


def gather_keys(folder: Path, sizes: dict[str, int]) -> tuple[Key, ...]:
    """Every file in the folder of keys; ``sizes`` has what some of them must hold, by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return ()
    return tuple(_key(path, sizes.get(path.name)) for path in paths)


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def _listening() -> Iterator[tuple[int, str]]:
    """(port, inode) of every TCP socket that listens."""
    for table in ("net/tcp", "net/tcp6"):
        for line in proc.read(table).splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS:
                yield int(words[1].rpartition(":")[2], 16), words[9]


def _owner(inode: str | None) -> str | None:
    """The unit of the process that has the socket, else its name. Only root sees everybody's."""
    if inode is None:
        return None
    for process in proc.processes():
        try:
            if any(str(link.readlink()) == f"socket:[{inode}]" for link in (process / "fd").iterdir()):
                units = [part for part in read(str(process / "cgroup")).split("/") if ".service" in part]
                return units[-1].split()[0] if units else read(str(process / "comm")).strip()
        except OSError:
            continue
    return None


def _key(path: Path, wanted: int | None) -> Key:
    status = path.stat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    try:
        distinct = len(set(path.read_bytes())) if wanted is not None else None
    except OSError:
        distinct = None
    return Key(str(path), status.st_mode & 0o7777, owner, status.st_size, distinct, wanted)
