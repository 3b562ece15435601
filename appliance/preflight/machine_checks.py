"""Checks of the machine itself: system, processor, memory, kernel, disks, ports, clock."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.preflight.check import Check, adding_to, look, stop, well
from appliance.preflight.facts import Disk, Facts
from appliance.releases.repository.contents import ARCHITECTURES, as_machines_call_it
from appliance.system.disk import INSTALL_MB, UPGRADE_MB
from appliance.system.findings import Finding

SUPPORTED = {("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")}
SUPPORTED_NAMES = "Debian 12, Debian 13 or Ubuntu 24.04"
MEMORY_MB = 1800
"""A VM sold as 2 GB shows a little less."""
MEMORY_MB_PARALLEL = 3600
FSYNC_SLOW_MS = 50.0
KERNEL = (5, 4)
CLOCK_S = 30

CHECKS: list[Check] = []
check = adding_to(CHECKS)


@check("system")
def _system(facts: Facts) -> Finding:
    """The distribution is one that the appliance is tested on."""
    system = facts.system
    if (system.os_id, system.os_version) not in SUPPORTED:
        return stop(f"This is {system.os_name or 'an unknown system'}.", f"Use {SUPPORTED_NAMES}.")
    return well(f"{system.os_name}.")


@check("cpu")
def _cpu(facts: Facts) -> Finding:
    """Releases are built for two architectures; the services and one step want a core each."""
    machine = as_machines_call_it(facts.system.machine)
    if machine not in ARCHITECTURES:
        return stop(f"The processor is {machine}.", f"Use one of {' or '.join(ARCHITECTURES)}.")
    if facts.system.cores < 2:
        return look("The VM has one core: copying will be slow.", "Give the VM two cores or more.")
    return well(f"{facts.system.cores} cores of {machine}.")


@check("memory")
def _memory(facts: Facts) -> Finding:
    """The services need about 1 GB, and each step 0.5 GB beside them."""
    found = facts.system.memory_mb
    if found < MEMORY_MB:
        return stop(
            f"There are {found} MB of memory, and {MEMORY_MB} are needed.", "Give the VM 2 GB or more."
        )
    if found < MEMORY_MB_PARALLEL:
        return look(
            f"There are {found} MB of memory: one step at a time.", "Give it 4 GB to copy in parallel."
        )
    return well(f"{found} MB.")


@check("init")
def _init(facts: Facts) -> Finding:
    """systemd starts, watches and limits everything."""
    if not facts.system.systemd:
        return stop("systemd is not this machine's init.", "Boot the VM with systemd.")
    return well("systemd is the init.")


@check("kernel")
def _kernel(facts: Facts) -> Finding:
    """Containers need overlayfs and seccomp."""
    system = facts.system
    lacking = []
    if _release(system.kernel) < KERNEL:
        lacking.append(f"a release of at least {KERNEL[0]}.{KERNEL[1]}")
    if "overlay" not in system.filesystems and not system.overlay_module:
        lacking.append("the overlay file system")
    if not system.seccomp:
        lacking.append("seccomp")
    if lacking:
        what = f"The kernel {system.kernel} lacks {', '.join(lacking)}."
        return stop(what, "Use the distribution's own kernel: apt-get install linux-image-amd64")
    return well(f"Linux {system.kernel}, with overlayfs and seccomp.")


@check("cgroups")
def _cgroups(facts: Facts) -> Finding:
    """Ceilings of memory and CPU hold through control groups."""
    lacking = {"memory", "cpu", "pids"} - facts.system.controllers
    if lacking:
        return stop(
            f"The control groups lack {', '.join(sorted(lacking))}.",
            "Start the kernel with cgroup_enable=memory, and without cgroup_disable.",
        )
    return well(f"Control groups version {facts.system.cgroups}, with memory, cpu and pids.")


@check("disk space")
def _space(facts: Facts) -> Finding:
    """Packages, a release, its images, logs and runs take room."""
    least = UPGRADE_MB if facts.installed else INSTALL_MB
    short = [disk for disk in facts.disks if disk.free_mb < least]
    if short:
        what = f"{_places(short)}, and {least} MB are needed."
        return stop(what, "Make the disk larger, or look at what fills it: du -xh / | sort -h | tail -30")
    crowded = [disk for disk in facts.disks if disk.free_files_percent < 5]
    if crowded:
        what = f"Few inodes are free at {', '.join(crowded[0].paths)}."
        return look(what, "Look at what holds very many small files: df -i")
    return well(f"{_places(facts.disks)}.")


@check("disk speed")
def _fsync(facts: Facts) -> Finding:
    """PostgreSQL and the outbox wait for the disk at every commit."""
    took = facts.fsync_ms
    if took is None:
        return look("How fast the disk is could not be measured.", "Run it as root: sudo appliance preflight")
    if took > FSYNC_SLOW_MS:
        return look(
            f"A write is on the disk after {took:.0f} ms.", "Use an SSD, or a volume with guaranteed I/O."
        )
    return well(f"A write is on the disk after {took:.1f} ms.")


@check("ports")
def _ports(facts: Facts) -> Finding:
    """The appliance listens on these, on loopback unless set otherwise."""
    for port in facts.ports:
        if not port.taken or (port.by is not None and port.by.startswith("appliance-")):
            continue
        if port.by is None and facts.installed:
            continue
        return stop(
            f"Port {port.number}, for {port.purpose}, is taken by {port.by or 'another program'}.",
            f"End that program, or {port.knob}.",
        )
    return well(f"Ports {', '.join(str(port.number) for port in facts.ports)} are the appliance's or free.")


@check("clock")
def _clock(facts: Facts) -> Finding:
    """Schedules, certificates and the age of rows depend on the time."""
    if facts.system.clock_synchronised is False:
        return look(
            "The clock follows no time server.",
            "apt-get install systemd-timesyncd; timedatectl set-ntp true",
        )
    seen = facts.dashboard
    if seen is not None and seen.its_time is not None:
        off = (seen.our_time - seen.its_time).total_seconds()
        if abs(off) > CLOCK_S:
            return look(
                f"The clock and the dashboard's differ by {off:+.0f} s.", "timedatectl timesync-status"
            )
    if facts.system.clock_synchronised is None:
        return look("Whether the clock follows a time server is not known.", "timedatectl")
    return well("The clock follows a time server.")


@check("randomness")
def _entropy(facts: Facts) -> Finding:
    """Keys are made from the kernel's random numbers."""
    if facts.system.entropy is not None and facts.system.entropy < 128:
        return look(f"The kernel has {facts.system.entropy} bits of entropy.", "apt-get install rng-tools5")
    return well("The kernel has enough entropy.")


def _release(text: str) -> tuple[int, int]:
    parts = text.split("-", maxsplit=1)[0].split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (IndexError, ValueError):
        return 0, 0


def _places(disks: Iterable[Disk]) -> str:
    return "; ".join(
        f"{disk.free_mb} MB of {disk.total_mb} are free at {', '.join(disk.paths)}" for disk in disks
    )
