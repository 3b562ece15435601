"""What the checks judge. Everything that could not be found out is None, and a check says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.system.findings import Finding


@dataclass(frozen=True)
class System:
    """The machine and what runs it."""

    root: bool
    """Who asks is root; others see less."""
    os_id: str
    os_version: str
    os_name: str
    machine: str
    """As ``uname -m`` has it."""
    systemd: bool
    kernel: str
    cores: int
    memory_mb: int
    filesystems: frozenset[str]
    """Kinds that the kernel knows now."""
    overlay_module: bool
    """The overlay file system can be loaded."""
    seccomp: bool
    nftables: bool | None
    cgroups: int
    """1 or 2; 1 also where both are mounted."""
    controllers: frozenset[str]
    locales: frozenset[str] | None
    """In lower case, without dashes: ``c.utf8``."""
    clock_synchronised: bool | None
    entropy: int | None
    """As the kernel counts it, in bits."""
    selinux: str | None
    """``enforcing``, ``permissive``, or None where it is off."""
    apparmor: bool


@dataclass(frozen=True)
class Disk:
    """One file system that something of the appliance lies on."""

    paths: tuple[str, ...]
    kind: str
    total_mb: int
    free_mb: int
    free_files_percent: float


@dataclass(frozen=True)
class Port:
    """A TCP port that the appliance listens on."""

    number: int
    purpose: str
    knob: str
    """How another one is chosen."""
    taken: bool
    by: str | None
    """The unit or program that listens; None where that cannot be seen."""


@dataclass(frozen=True)
class Key:
    """A file with a secret of the appliance's own."""

    path: str
    mode: int
    owner: str
    size: int
    distinct_bytes: int | None
    """Different byte values in it; None where it could not be read."""
    wanted_bytes: int | None
    """What it must have; None where any size will do."""


@dataclass(frozen=True)
class Docker:
    """The engine, and anyone else who may use it: who reaches its socket is as good as root."""

    installed: bool
    answers: bool
    version: str
    storage: str
    memory_limit: bool
    socket_mode: int | None
    socket_group: str
    members: tuple[str, ...]
    """Users in the socket's group."""
    foreign: tuple[str, ...]
    """Running containers that are not the appliance's, by name."""


@dataclass(frozen=True)
class Dashboard:
    """The cloud side, where one is set."""

    url: str
    problem: str
    """Why it could not be reached; empty if it was."""
    its_time: datetime | None
    our_time: datetime


@dataclass(frozen=True)
class Facts:
    """What the checks judge, gathered once."""

    installed: bool
    """A release is current on this machine."""
    system: System
    lacking_users: tuple[str, ...]
    """Users that the units run as and that this machine does not have."""
    disks: tuple[Disk, ...]
    fsync_ms: float | None
    """The median time in which 4 KiB are on the state folder's disk."""
    ports: tuple[Port, ...]
    keys: tuple[Key, ...]
    docker: Docker
    dashboard: Dashboard | None
    databases: tuple[tuple[str, tuple[Finding, ...]], ...] | None
    """Name and network findings of each filled-in connection; None where the file cannot be read."""
