"""The machine: versions, room, memory, processes, and how they were during the last week."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import appliance
from appliance.diagnostics.part import NotThereError, Part, output_of, separated, table
from appliance.settings.settings import Settings
from appliance.status.history import FILE
from appliance.system import proc
from appliance.system.beneath import as_owner_of
from appliance.system.disk import Reserve, space_of

_RELEASES = Path("/opt/appliance")


def parts(settings: Settings) -> list[Part]:
    """What the machine says of itself."""
    return [
        Part("versions.txt", "the release, the system, every Python package", _versions),
        Part("machine/disk.txt", "file systems, and the appliance's own limits", lambda: _disk(settings)),
        Part("machine/memory.txt", "memory, load and pressure", _memory),
        Part("machine/processes.txt", "processes by name, without arguments", _processes),
        Part("machine/history.txt", "disk and memory by the minute, a week", lambda: _history(settings)),
    ]


def _versions() -> Iterable[str]:
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        system = "unknown"
    current = str(link.readlink()) if (link := _RELEASES / "current").is_symlink() else "none"
    installed = sorted(path.name for path in (_RELEASES / "releases").glob("*"))
    yield "\n".join(
        [
            f"appliance {appliance.__version__}",
            f"current release: {current}",
            f"installed releases: {' '.join(installed) or 'none'}",
            f"system: {system}, kernel {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
            f"python {platform.python_version()} at {sys.prefix}",
        ]
    )
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    yield "\n".join(f"{name} {version}" for name, version in sorted(packages.items()))


def _disk(settings: Settings) -> Iterable[str]:
    space = space_of(settings.state_dir)
    held = "held" if Reserve(settings.state_dir).is_held else "not held"
    yield f"{settings.state_dir}: {space.text}: {space.level}; the reserve is {held}"
    yield output_of(["df", "-PTh", "-x", "overlay"])
    yield separated(output_of(["df", "-Pi", "-x", "overlay"]))
    for folder in (settings.state_dir, settings.log_dir):
        if folder.is_dir():
            yield output_of(["du", "-xh", "--max-depth=1", str(folder)])


def _memory() -> Iterable[str]:
    pressure = sorted(f"pressure/{path.name}" for path in (proc.PROC / "pressure").glob("*"))
    for name in ("meminfo", "loadavg", "uptime", *pressure):
        if text := proc.read(name):
            yield f"--- /proc/{name}\n{text}"


def _processes() -> Iterable[str]:
    yield separated(output_of(["ps", "-eo", "pid,ppid,user,rss,pcpu,etimes,stat,comm", "--sort=-rss"]))


def _history(settings: Settings) -> Iterable[str]:
    path = settings.state_dir / FILE
    try:
        with as_owner_of(path):
            lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise NotThereError(f"There is no {path}: the status service has not written it yet.") from None
    columns = ("at", "disk free MB", "memory free MB", "load", "services MB", "steps MB")
    yield table(columns, (row for line in lines if (row := _sample(line))))


def _sample(line: str) -> tuple[Any, ...] | None:
    try:
        sample = json.loads(line)
    except ValueError:
        return None
    megabytes = [
        sample[name] >> 20 if isinstance(sample.get(name), int) else None
        for name in ("disk_free", "memory_free", "services_memory", "steps_memory")
    ]
    at = str(sample.get("at", "")).replace("+00:00", "").replace("T", " ")
    return at, megabytes[0], megabytes[1], sample.get("load"), megabytes[2], megabytes[3]
