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
from pathlib import Path

from appliance.branches.opening import server_of
from appliance.branches.server import Asked, BranchServer
from appliance.connections.file import load_connections
from appliance.policy.branches import BranchPolicy
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import Rehearser, read_script
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


def branches_section(servers: Servers, folder: Path, rounds: int, parallel: int) -> None:
    """A branch made, and the same migration performed in one with and without the watch, in turn."""
    appliance_run(servers, folder, DATABASE, TWIN, parallel)
    known = load_connections(folder / "connections.yaml")["target"]
    server = server_of("target", known, BranchPolicy(), "bench")
    file = folder / "migration.sql"
    file.write_text(MIGRATION)
    script = read_script([file])
    rehearser = Rehearser(
        server=server,
        twin=Login.of(known),
        migrator=None,
        limits=RehearsalLimits(),
        make_branch=lambda make: make(),
        source_rows=lambda _: {},
    )
    made: list[float] = []
    alone: list[float] = []
    watched: list[float] = []
    for _ in range(rounds):
        seconds, bare = _alone(server, [each.text for each in script.statements])
        made.append(seconds)
        alone.append(bare)
        watched.append(rehearser.rehearse(script).up.seconds)
    size = servers.target.value(TWIN, f"SELECT pg_size_pretty(pg_database_size('{TWIN}'))")
    print(f"| a twin of {size} | seconds (median) |\n| --- | --- |")
    print(f"| a branch of it | {statistics.median(made):.1f} |")
    print(f"| a migration in one | {statistics.median(alone):.2f} |")
    cost = statistics.median(watched) / statistics.median(alone) - 1
    print(f"| the same, rehearsed | {statistics.median(watched):.2f} ({cost:+.1%}) |\n")


def _alone(server: BranchServer, statements: list[str]) -> tuple[float, float]:
    """Seconds for the branch, and for the migration in it in a session without a watch."""
    branch = server.create("alone", Asked())
    with closing(server.open_database(branch.branch.database.name)) as session:
        session.execute("RESET ALL")
        began = time.monotonic()
        for statement in statements:
            session.execute(statement.encode())
        seconds = time.monotonic() - began
    server.drop("alone")
    return branch.seconds, seconds


def main() -> int:
    """This section alone."""
    parser = argparse.ArgumentParser(prog="bench.branches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many")
    parser.add_argument("--scale", type=float, default=0.2, help="1 is 5.6 million rows")
    options = parser.parse_args()
    with running_servers(options.scale) as servers, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        branches_section(servers, Path(folder), options.rounds, 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
