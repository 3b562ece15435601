"""`make bench`: measures, and prints the tables that the README shows."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.branches import branches_section
from bench.by_hand import copy_pipe, dump_and_restore
from bench.engine import Timed, appliance_run
from bench.files import files_section
from bench.servers import DATABASE, Servers, running_servers
from bench.through_airflow import build_step_image, run_once, running_appliance
from bench.uploads import uploads_section

TWIN = "bench_twin"
EIGHT_SHARDS = 3
"""limits.parallel under which the smaller database, as big as it is by default, is cut into eight shards."""


def main() -> int:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="medians of so many")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 5.6 million rows")
    parser.add_argument("--small", type=float, default=0.165, help="the scale of the smaller database")
    parser.add_argument("--parallel", type=int, default=min(os.cpu_count() or 1, 4))
    options = parser.parse_args()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = f"Linux {platform.release()}, Python {platform.python_version()}"
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB, {versions}")

    with running_servers(options.scale) as servers, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = servers.source.value(
            DATABASE,
            "SELECT sum(reltuples)::bigint FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace",
        )
        size = servers.source.value(DATABASE, f"SELECT pg_size_pretty(pg_database_size('{DATABASE}'))")
        print(f"PostgreSQL {servers.source.major}, {rows:,} rows, {size}, {options.parallel} at a time\n")
        engine_section(servers, Path(folder), options.rounds, options.parallel)
        files_section(servers, options.rounds)
        uploads_section(options.rounds, max(16, int(512 * options.scale)))
        branches_section(servers, Path(folder), options.rounds, options.parallel)
        orchestration_section(servers, Path(folder), options)
    return 0


def engine_section(servers: Servers, folder: Path, rounds: int, parallel: int) -> None:
    """The engine beside what one does by hand; each round measures all of them in turn."""
    runs: list[Timed] = []

    def appliance() -> float:
        runs.append(appliance_run(servers, folder, DATABASE, TWIN, parallel))
        return runs[-1].seconds

    ways: dict[str, Callable[[], float]] = {
        "`COPY` binary piped into `COPY`, then indexes": lambda: copy_pipe(servers, TWIN, parallel),
        "`pg_dump -Fd -j` then `pg_restore -j`": lambda: dump_and_restore(servers, TWIN, parallel),
        "`appliance run`: masked, verified, swapped in": appliance,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    baseline = statistics.median(next(iter(taken.values())))
    print("| way | seconds (median) | least to most | times COPY |\n| --- | --- | --- | --- |")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(
            f"| {name} | {median:.1f} | {min(seconds):.1f} to {max(seconds):.1f} | {median / baseline:.2f} |"
        )
    steps = {step: statistics.median(run.steps[step] for run in runs) for step in runs[0].steps}
    print("\n" + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items()) + "\n")


def orchestration_section(servers: Servers, folder: Path, options: argparse.Namespace) -> None:
    """Through Airflow and Docker: the time it adds, and the memory of steps."""
    small = "bench_small"
    servers.make_sample(small, options.small)
    servers.make_sample("bench_tenth", options.scale / 10)
    build_step_image()
    with running_appliance() as host:
        run_once(host, servers, small, TWIN, EIGHT_SHARDS)
        through = [run_once(host, servers, small, TWIN, EIGHT_SHARDS) for _ in range(options.rounds)]
        tenth = run_once(host, servers, "bench_tenth", TWIN, options.parallel)
        large = run_once(host, servers, DATABASE, TWIN, options.parallel)
    alone = [appliance_run(servers, folder, small, TWIN, EIGHT_SHARDS) for _ in range(options.rounds)]
    print(f"| {alone[0].shards} shards | `appliance run` | through Airflow and Docker |\n| --- | --- | --- |")
    for step in through[0].steps:
        by_itself = [run.steps[step] for run in alone if step in run.steps]
        shown = f"{statistics.median(by_itself):.1f}" if by_itself else ""
        print(f"| {step} | {shown} | {statistics.median(run.steps[step] for run in through):.1f} |")
    first, second = (statistics.median(run.seconds for run in runs) for runs in (alone, through))
    print(f"| from trigger to success | {first:.1f} | {second:.1f} (+ {second - first:.1f}) |\n")
    print("| step | peak memory, MiB | with 10 times the rows |\n| --- | --- | --- |")
    for step, peak in tenth.peak_mib.items():
        print(f"| {step} | {peak:.0f} | {large.peak_mib.get(step, 0):.0f} |")


if __name__ == "__main__":
    sys.exit(main())
