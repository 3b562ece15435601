"""Many tables, partitions and columns: `appliance run`, masked, beside pg_dump and pg_restore.

Both run in turn on the same servers, with two jobs each; what counts is the ratio of the best rounds. The
processor time of programs and servers together stands beside it: other work on the machine changes it less.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from bench.by_hand import dump_and_restore
from bench.engine import run_workflow
from bench.processes import cpu_seconds, tree
from bench.servers import Servers, running_servers

TWIN = "bench_many_twin"
PARALLEL = 2


@dataclass(frozen=True)
class Scenario:
    """A database, what is masked in it, and what is wanted."""

    name: str
    sql: str
    masks: dict[str, str]
    goal: str


def tables(count: int) -> str:
    """So many tables of a few rows, with a key, an index, and a reference in every third."""
    return "\n".join(
        f"CREATE TABLE t{number} (id int PRIMARY KEY, email text, note text, n int"
        f"{f', ref int REFERENCES t{number - 1}' if number % 3 == 1 else ''});"
        f"CREATE INDEX ON t{number} (email);"
        f"INSERT INTO t{number} (id, email, note, n)"
        " SELECT i, 'p' || i || '@corp.example', 'note ' || i, i FROM generate_series(1, 20) AS i;"
        for number in range(count)
    )


def partitions(count: int) -> str:
    """One table of so many partitions, with a key and an index that all of them have."""
    parts = "\n".join(
        f"CREATE TABLE event_{number} PARTITION OF event"
        f" FOR VALUES FROM ({number * 20}) TO ({number * 20 + 20});"
        for number in range(count)
    )
    return (
        "CREATE TABLE event (id int PRIMARY KEY, email text, n int) PARTITION BY RANGE (id);"
        f"{parts} CREATE INDEX ON event (email);"
        "INSERT INTO event SELECT i, 'p' || i || '@corp.example', i"
        f" FROM generate_series(0, {count * 20 - 1}) AS i;"
    )


def rows(count: int) -> str:
    """One table of so many rows."""
    return (
        "CREATE TABLE person (id int PRIMARY KEY, email text UNIQUE, name text, born date, n numeric);"
        "INSERT INTO person SELECT i, 'p' || i || '@corp.example', 'Name ' || i,"
        f" date '1970-01-01' + i % 20000, i * 1.5 FROM generate_series(1, {count}) AS i;"
    )


def columns(count: int) -> str:
    """One table of 300 rows and so many columns beside its key."""
    names = ", ".join(f"c{number} smallint" for number in range(count))
    values = ", ".join(f"(i * 7 + {number}) % 30000" for number in range(count))
    return (
        f"CREATE TABLE wide (id int PRIMARY KEY, {names});"
        f"INSERT INTO wide SELECT i, {values} FROM generate_series(1, 300) AS i;"
    )


SCENARIOS = (
    Scenario("1,000 tables", tables(1000), {"*.*.email": "email"}, "1.2"),
    Scenario("5,000 tables", tables(5000), {"*.*.email": "email"}, "1.2"),
    Scenario("1,000 partitions", partitions(1000), {"*.*.email": "email"}, "1.2"),
    Scenario("300,000 rows", rows(300_000), {"*.person.email": "email", "*.person.name": "full_name"}, "1.5"),
    Scenario("1,599 masked columns", columns(1599), {"*.wide.c*": "hash"}, "20 s"),
    Scenario("nothing but a table", rows(1), {"*.person.email": "email"}, "1 s"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each scenario and print a line of the table."""
    parser = argparse.ArgumentParser(prog="bench.many", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args(arguments)
    print(
        "| database | pg_dump and pg_restore, s | `appliance run`, s | ratio | wanted | of processor time"
        " | steps |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with running_servers(0) as servers, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for scenario in SCENARIOS:
            if options.only in scenario.name:
                print(_measured(servers, Path(folder), scenario, options.rounds), flush=True)
    return 0


def _measured(servers: Servers, folder: Path, scenario: Scenario, rounds: int) -> str:
    source = "bench_many"
    servers.source.drop_database(source)
    servers.source.create_database(source)
    script = folder / "source.sql"
    script.write_text(scenario.sql)
    servers.run(servers.psql(servers.source, source, "--file", str(script)))
    # Not in one command: ANALYZE of a database in a transaction of others holds a lock on each of its tables.
    grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    servers.run(servers.psql(servers.source, source, "--command", grants, "--command", "ANALYZE"))
    workflow = folder / "many.yaml"
    workflow.write_text(yaml.safe_dump(_workflow(scenario)))
    by_hand, ours, cpu_by_hand, cpu_ours = [], [], [], []
    for _ in range(rounds):
        found, used = _with_cpu(servers, lambda: dump_and_restore(servers, TWIN, PARALLEL, source=source))
        by_hand.append(found)
        cpu_by_hand.append(used)
        run, used = _with_cpu(servers, lambda: run_workflow(servers, folder, workflow, source, TWIN))
        ours.append(run)
        cpu_ours.append(used)
    first, second = min(by_hand), min(run.seconds for run in ours)
    of_cpu = f"{min(cpu_ours):.1f} / {min(cpu_by_hand):.1f} = {min(cpu_ours) / min(cpu_by_hand):.2f}"
    steps = ", ".join(
        f"{step} {statistics.median(run.steps[step] for run in ours):.1f}" for step in ours[0].steps
    )
    ratio = f"{second / first:.2f}"
    return (
        f"| {scenario.name} | {first:.1f} | {second:.1f} | {ratio} | {scenario.goal} | {of_cpu} | {steps} |"
    )


Done = TypeVar("Done")


def _with_cpu(servers: Servers, work: Callable[[], Done]) -> tuple[Done, float]:
    """What it gives, and the processor time of the programs that it started and of both servers."""
    before = _cpu(servers)
    return work(), _cpu(servers) - before


def _cpu(servers: Servers) -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = used.ru_utime + used.ru_stime
    for server in (servers.source, servers.target):
        postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split(maxsplit=1)[0])
        total += cpu_seconds(tree(postmaster))
    return total


def _workflow(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": "many",
        "source": "source",
        "tables": {"include": ["public.*"]},
        "masks": scenario.masks,
        "keep": ["*.*.*"],
        "deliver": [{"twin": {"connection": "target"}}],
        "limits": {"parallel": PARALLEL},
    }


if __name__ == "__main__":
    sys.exit(main())
