"""Files beside what one does by hand: seconds, bytes, and the memory of what writes them.

``python -m bench.files --scale 0.1`` measures this section alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.by_hand import TABLES_BY_SIZE
from bench.servers import DATABASE, Servers, running_servers


@dataclass(frozen=True)
class Written:
    """One way, once."""

    seconds: float
    bytes: int
    peak_mib: float | None = None


def files_section(servers: Servers, rounds: int) -> None:
    """Each round measures all ways in turn; ratios are to the way by hand that each is held against."""
    ways: dict[str, tuple[str, Callable[[Path], Written]]] = {
        "`pg_dump -Fc`": ("", lambda folder: _dump(servers, folder)),
        "`COPY` to CSV": ("", lambda folder: _copy(servers, folder)),
        "`archive`": ("`pg_dump -Fc`", lambda folder: _ours(servers, "archive", folder)),
        "`parquet`": ("`COPY` to CSV", lambda folder: _ours(servers, "parquet", folder)),
        "`csv`": ("`COPY` to CSV", lambda folder: _ours(servers, "csv", folder)),
    }
    taken: dict[str, list[Written]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (_, way) in ways.items():
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                taken[name].append(way(Path(folder)))
    print("| files | seconds (median) | times by hand | MB | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    seconds = {name: statistics.median(each.seconds for each in runs) for name, runs in taken.items()}
    for name, (against, _) in ways.items():
        ratio = f"{seconds[name] / seconds[against]:.2f} of {against}" if against else ""
        peaks = [each.peak_mib for each in taken[name] if each.peak_mib is not None]
        peak = f"{max(peaks):.0f}" if peaks else ""
        print(f"| {name} | {seconds[name]:.1f} | {ratio} | {taken[name][0].bytes / 1e6:.0f} | {peak} |")
    print()


def _ours(servers: Servers, form: str, folder: Path) -> Written:
    source = servers.source
    conninfo = f"host={source.host} port={source.port} user=postgres dbname={DATABASE}"
    command = [sys.executable, "-m", "bench.write_files", form, str(folder), conninfo]
    said = json.loads(servers.run(command))
    return Written(said["seconds"], _size(folder), said["peak_mib"])


def _dump(servers: Servers, folder: Path) -> Written:
    began = time.monotonic()
    command = ["--format=custom", f"--file={folder / 'dump'}", DATABASE]
    servers.run(servers.program(servers.source, "pg_dump", *command))
    return Written(time.monotonic() - began, _size(folder))


def _copy(servers: Servers, folder: Path) -> Written:
    began = time.monotonic()
    for number, (table,) in enumerate(servers.source.rows(DATABASE, TABLES_BY_SIZE)):
        command = f"COPY {table} TO STDOUT (FORMAT csv, HEADER)"
        with (folder / f"{number}.csv").open("wb") as out:
            subprocess.run(
                servers.psql(servers.source, DATABASE, "--command", command),
                stdout=out,
                env=servers.environment(),
                check=True,
            )
    return Written(time.monotonic() - began, _size(folder))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """This section alone."""
    parser = argparse.ArgumentParser(prog="bench.files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 5.6 million rows")
    options = parser.parse_args()
    with running_servers(options.scale) as servers:
        files_section(servers, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
