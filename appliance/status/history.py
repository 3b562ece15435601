"""A week of the machine's room and memory, a sample a minute, in one small file: for diagnostics."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from appliance.durable import append_line, write_file
from appliance.system.disk import Space

FILE = "history.jsonl"
SAMPLE_EVERY_S = 60.0
KEPT_SAMPLES = 7 * 24 * 60
SURPLUS = 24 * 60
"""The file is written anew once a day, not once a minute."""
_CGROUPS = Path("/sys/fs/cgroup")
SLICES = {"services": "appliance-services.slice", "steps": "appliance-steps.slice"}


class History:
    """Appends samples to ``<state_dir>/history.jsonl``. One process writes it."""

    def __init__(self, state_dir: Path, *, kept: int = KEPT_SAMPLES, surplus: int = SURPLUS) -> None:
        self._path = state_dir / FILE
        self._kept, self._surplus = kept, surplus
        self._count: int | None = None
        self._next = 0.0

    def look(self, space: Space) -> None:
        """Take a sample if it is time. Raises OSError: a sample that does not fit is no loss."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SAMPLE_EVERY_S
            self.add(sample(space))

    def add(self, line: str) -> None:
        """Append one line, and forget the oldest when there are too many."""
        if self._count is None:
            self._count = len(self._lines())
        append_line(self._path, line, durable=False, mode=0o600)
        self._count += 1
        if self._count > self._kept + self._surplus:
            kept = self._lines()[-self._kept :]
            write_file(self._path, "".join(each + "\n" for each in kept), durable=False, mode=0o600)
            self._count = len(kept)

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            return []


def sample(space: Space) -> str:
    """One line of JSON: bytes, and the load of the last minute. What this host does not tell is left out."""
    taken = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "disk_free": space.free,
        "disk_total": space.total,
        "memory_free": os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load": round(os.getloadavg()[0], 2),
    }
    for name, slice_name in SLICES.items():
        if (used := _memory_of(slice_name)) is not None:
            taken[f"{name}_memory"] = used
    return json.dumps(taken)


def _memory_of(slice_name: str) -> int | None:
    """By cgroups of version 2 or 1, where appliance-x.slice lies in appliance.slice."""
    for place in (
        _CGROUPS / "appliance.slice" / slice_name / "memory.current",
        _CGROUPS / "memory" / "appliance.slice" / slice_name / "memory.usage_in_bytes",
    ):
        try:
            return int(place.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None
