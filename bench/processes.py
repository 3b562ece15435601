"""What processes take of memory and processor, from /proc."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType

from appliance.system.container_labels import STEP, shown

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def pss_mib(pids: list[int]) -> float:
    """Proportional set size: memory that processes share is counted once among them."""
    return sum(_field(pid, "smaps_rollup", "Pss:") for pid in pids) / 1024


def own_bytes(pid: int) -> float:
    """Memory that is a process's alone, whatever else runs: no page of a file, which the kernel may drop."""
    return _field(pid, "smaps_rollup", "Anonymous:") * 1024


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that the processes have used so far, with their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


class StepMemory:
    """Watches the step containers of a block; the most memory that each kind of step has taken."""

    def __init__(self, label: str) -> None:
        self.peak_mib: dict[str, float] = {}
        self._label = label
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> StepMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        form = f"{{{{.ID}}}} {shown(STEP)}"
        listed = ["docker", "ps", "--filter", f"label={self._label}", "--format", form]
        while not self._stop.wait(0.2):
            for line in _output(listed).splitlines():
                container, _, step = line.partition(" ")
                pids = _output(["docker", "top", container, "-o", "pid"]).split()[1:]
                peak = sum(_field(int(pid), "status", "VmHWM:") for pid in pids) / 1024
                self.peak_mib[step] = max(peak, self.peak_mib.get(step, 0.0))


def _field(pid: int, file: str, name: str) -> int:
    """A number of kB out of one of a process's files; 0 when the process is gone."""
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
