"""Branches of the bench's twin, and what watching costs a migration.

``python -m bench.branches --scale 0.1`` measures this section alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance.branches.opening import server_of
from appliance.branches.server import Asked, BranchServer
from appliance.connections.file import load_connections
from appliance.policy.branches import BranchPolicy
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import MIGRATES, Rehearser, read_script
from appliance.workflow.rehearsal import RehearsalLimits
from bench.engine import appliance_run
from bench.servers import DATABASE, Servers, running_servers

TWIN = "bench_branched"
MIGRATION = """
ALTER TABLE event ADD COLUMN source text DEFAULT 'web';
ALTER TABLE event ALTER COLUMN amount TYPE numeric(14, 3);
CREATE INDEX event_amount ON event (amount);
UPDATE customer SET tier = 1 WHERE id % 2 = 0;
"""


@dataclass(frozen=True, repr=False)
class Metered(Login):
    """A login whose migrating session says at its end how long it was on a processor."""

    spent: list[float] = field(default_factory=list)

    def open(self, database: str | None, application: str) -> psycopg.Connection[TupleRow]:
        """The session, metered where it is the migration's."""
        session = super().open(database, application)
        if application == MIGRATES:
            close = session.close

            def metered() -> None:
                if not session.closed:
                    self.spent.append(on_processor(session))
                close()

            setattr(session, "close", metered)  # noqa: B010 - an instance's own
        return session


def on_processor(session: psycopg.Connection[TupleRow]) -> float:
    """Seconds that its server process was on a processor: what else the machine does is not in it."""
    return int(Path(f"/proc/{session.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def branches_section(servers: Servers, folder: Path, rounds: int, parallel: int) -> None:
    """A branch made, and the same migration performed in one with and without the watch, in turn."""
    appliance_run(servers, folder, DATABASE, TWIN, parallel)
    known = load_connections(folder / "connections.yaml")["target"]
    server = server_of("target", known, BranchPolicy(), "bench")
    file = folder / "migration.sql"
    file.write_text(MIGRATION)
    script = read_script([file])
    twin = Metered(known.name, Login.of(known).parameters)
    rehearser = Rehearser(
        server=server,
        twin=twin,
        migrator=None,
        limits=RehearsalLimits(),
        make_branch=lambda make: make(),
        source_rows=lambda _: {},
    )
    made: list[float] = []
    alone: list[float] = []
    watched: list[float] = []
    processor: list[float] = []
    for number in range(rounds):
        # In turn, each first as often: what warms up is warm for both.
        for is_alone in (number % 2 == 0, number % 2 != 0):
            if not is_alone:
                watched.append(rehearser.rehearse(script).up.seconds)
                continue
            seconds, bare, spent = _alone(server, twin, [each.text for each in script.statements])
            made.append(seconds)
            alone.append(bare)
            processor.append(spent)
    size = servers.target.value(TWIN, f"SELECT pg_size_pretty(pg_database_size('{TWIN}'))")
    print(f"| a twin of {size} | seconds |\n| --- | --- |")
    print(f"| a branch of it, the median | {statistics.median(made):.1f} |")
    print(f"| a migration in one, the best | {min(alone):.2f} |")
    print(f"| the same, rehearsed, the best | {min(watched):.2f} ({min(watched) / min(alone) - 1:+.1%}) |")
    cost = min(twin.spent) / min(processor) - 1
    print(f"| the migration's processor time, the best | {min(processor):.2f} |")
    print(f"| the same, rehearsed, with its looks | {min(twin.spent):.2f} ({cost:+.1%}) |\n")


def _alone(server: BranchServer, twin: Metered, statements: list[str]) -> tuple[float, float, float]:
    """Seconds for the branch, for the migration in it without a watch, and of those on a processor."""
    branch = server.create("alone", Asked())
    with closing(twin.open(branch.branch.database.name, "alone")) as session:
        session.execute("RESET ALL")
        began = time.monotonic()
        for statement in statements:
            session.execute(statement.encode())
        seconds = time.monotonic() - began
        spent = on_processor(session)
    server.drop("alone")
    return branch.seconds, seconds, spent


def main() -> int:
    """This section alone."""
    parser = argparse.ArgumentParser(prog="bench.branches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many")
    parser.add_argument("--scale", type=float, default=0.2, help="1 is 5.6 million rows")
    options = parser.parse_args()
    with running_servers(options.scale) as servers, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        branches_section(servers, Path(folder), options.rounds, 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
