"""What Linux says of itself under /proc. Where a hardened unit may not see it, it is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def read(name: str) -> str:
    """The text of ``/proc/<name>``; empty where it cannot be read."""
    try:
        return (PROC / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def processes() -> Iterator[Path]:
    """The folder of every process."""
    return PROC.glob("[0-9]*")


def memory_kb() -> dict[str, int]:
    """``MemTotal``, ``MemAvailable`` and the others of ``/proc/meminfo``, in kilobytes."""
    pairs = (line.split() for line in read("meminfo").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in pairs if len(words) > 1 and words[1].isdigit()}


def own_memory_bytes() -> int | None:
    """What of this process is in memory."""
    words = read("self/statm").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else None


def file_system_of(path: Path) -> str:
    """The kind of file system that holds ``path``, as ``ext4`` or ``tmpfs``; empty where it is not known."""
    best, kind = "", ""
    real = path.resolve()
    for line in read("self/mounts").splitlines():
        _, place, name, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if real.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, name
    return kind
