"""What the status service takes until it answers: ``python -m bench.status_start`` prints one line.

Everything that it would ask is away, and nothing is enrolled. Where the machine does other work as well,
processor time says more than a clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from bench.processes import cpu_seconds, pss_mib
from tests.engine.clusters import free_port

ROUNDS = 5
NO_SERVER = "host=127.0.0.1 port=9 dbname=none"


class Start(NamedTuple):
    """One start: seconds by the clock and of the processor until the first answer, then its memory."""

    seconds: float
    cpu_seconds: float
    pss_mib: float


def start_once(folder: Path) -> Start:
    """Start it, ask until it answers, then look at its memory once everything is loaded."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APPLIANCE_")} | {
        "APPLIANCE_CONFIG_DIR": str(folder),
        "APPLIANCE_STATE_DIR": str(folder),
        "APPLIANCE_DATABASE_URL": NO_SERVER,
        "APPLIANCE_AIRFLOW_DATABASE_URL": NO_SERVER,
        "APPLIANCE_STATUS_PORT": str(port),
    }
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-I", "-m", "appliance.status"], env=environment)
    try:
        while not _answers(f"http://127.0.0.1:{port}/page.js"):
            time.sleep(0.01)
        seconds, cpu = time.monotonic() - began, cpu_seconds([process.pid])
        _answers(f"http://127.0.0.1:{port}/status")
        time.sleep(5)
        return Start(seconds, cpu, pss_mib([process.pid]))
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return bool(answer.read())
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def main() -> int:
    """Print the medians of a few starts."""
    with tempfile.TemporaryDirectory(prefix="bench-status-") as folder:
        starts = [start_once(Path(folder)) for _ in range(ROUNDS)]
    seconds, cpu, pss = (statistics.median(each) for each in zip(*starts, strict=True))
    print(
        f"Status service: first answer after {seconds:.1f} s ({cpu:.2f} s of processor), {pss:.0f} MiB (PSS)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
