"""Facts about the machine: files under /proc, /sys and /etc, and a few commands that change nothing."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from appliance.preflight.facts import System
from appliance.system import proc

_WAIT_S = 20


def gather_system() -> System:
    """Everything but disks, ports and Docker. Raises nothing."""
    release = dict(_pairs(read("/etc/os-release")))
    kernel = platform.release()
    version, controllers = _cgroups()
    return System(
        root=os.geteuid() == 0,
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", ""),
        machine=platform.machine(),
        systemd=Path("/run/systemd/system").is_dir(),
        kernel=kernel,
        cores=len(os.sched_getaffinity(0)),
        memory_mb=proc.memory_kb().get("MemTotal", 0) // 1024,
        filesystems=frozenset(line.split("\t")[-1] for line in proc.read("filesystems").splitlines()),
        overlay_module=any(Path(f"/lib/modules/{kernel}/kernel/fs/overlayfs").glob("overlay.ko*")),
        seccomp="\nSeccomp:" in proc.read("self/status"),
        nftables=_nftables(),
        cgroups=version,
        controllers=controllers,
        locales=_locales(),
        clock_synchronised=_clock_synchronised(),
        entropy=_number(proc.read("sys/kernel/random/entropy_avail")),
        selinux={"1": "enforcing", "0": "permissive"}.get(read("/sys/fs/selinux/enforce").strip()),
        apparmor=read("/sys/module/apparmor/parameters/enabled").startswith("Y"),
    )


def lacking_users(wanted: Iterable[str]) -> tuple[str, ...]:
    """Those that the machine does not know."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return tuple(name for name in wanted if name not in known)


def read(path: str) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def output(*command: str) -> str | None:
    """What a command prints, if it ends well and is there at all."""
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        return None
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            [program, *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WAIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(key.strip(), value.strip().strip("\"'")) for key, value in lines]


def _cgroups() -> tuple[int, frozenset[str]]:
    unified = read("/sys/fs/cgroup/cgroup.controllers")
    if unified:
        return 2, frozenset(unified.split())
    enabled = [line.split() for line in proc.read("cgroups").splitlines() if not line.startswith("#")]
    return 1, frozenset(words[0] for words in enabled if len(words) == 4 and words[3] == "1")


def _nftables() -> bool | None:
    """None where the program is not there to ask with."""
    if os.geteuid() != 0 or shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        return None
    return output("nft", "list", "tables") is not None


def _locales() -> frozenset[str] | None:
    listed = output("locale", "-a")
    if listed is None:
        return None
    return frozenset(line.strip().lower().replace("-", "") for line in listed.splitlines())


def _clock_synchronised() -> bool | None:
    answer = output("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"yes": True, "no": False}.get((answer or "").strip())


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None
