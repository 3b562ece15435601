"""Which wheels a host's Python needs, out of lock files that were made for all of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")
"""Debian 12, Ubuntu 24.04, Debian 13."""
GLIBC_MINOR = 36
"""The oldest C library among the supported distributions: Debian 12's."""
_REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+(\[[^\]]*\])?)==(?P<version>[^\s;]+)\s*(;(?P<marker>.*))?$"
)


class LocksDisagreeError(Exception):
    """Two lock files name different versions of one package."""


def merged_lock(locks: Sequence[Path], python: str, machine: str = "x86_64") -> str:
    """One requirements file for one Python and machine: markers decided, duplicates merged, every hash kept.

    Raises LocksDisagreeError where the files pin one package twice.
    """
    chosen: dict[str, tuple[str, list[str]]] = {}
    for lock in locks:
        for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            requirement, _, rest = line.partition(" --hash=")
            if not requirement.strip() or requirement.startswith("#"):
                continue
            found = _REQUIREMENT.match(requirement.strip())
            if found is None:
                raise LocksDisagreeError(
                    f"{lock.name}: a line that is not one pinned package: {requirement.strip()}"
                )
            if found["marker"] and not _applies(found["marker"], python, machine):
                continue
            pin = f"{found['name']}=={found['version']}"
            hashes = [f"--hash={part.strip()}" for part in rest.split("--hash=") if part.strip()]
            if chosen.setdefault(found["name"].lower(), (pin, hashes))[0] != pin:
                raise LocksDisagreeError(f"{chosen[found['name'].lower()][0]} and {pin}: run `make lock`")
    return "".join(f"{pin} {' '.join(hashes)}\n" for _, (pin, hashes) in sorted(chosen.items()))


def _applies(marker: str, python: str, machine: str) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 -- only makers of bundles have it, hosts do not

    return Marker(marker).evaluate(
        {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": machine,
            "os_name": "posix",
            "platform_release": "",
            "platform_version": "",
            "implementation_version": f"{python}.0",
        }
    )


def platform_options(machine: str) -> list[str]:
    """What pip is given to find the wheels of Linux on that kind of machine, whatever it runs on."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 4, -1)]
    older = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
    tags += [f"{name}_{machine}" for name in older]
    return [part for tag in tags for part in ("--platform", tag)]


def download(pip: Sequence[str], lock: Path, wheels: Path, python: str, machine: str) -> None:
    """Fetch the locked wheels for that Python on Linux. Raises SystemExit where pip fails."""
    command = [*pip, "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp", *platform_options(machine)]
    command += ["--dest", str(wheels), "--requirement", str(lock)]
    done = subprocess.run(command, env=os.environ, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(
            f"The wheels for Python {python} on {machine} could not be fetched; pip has said why."
        )
