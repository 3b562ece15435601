"""What 500 appliances cost a dashboard: each calls every 30 s, a tenth of them report a run, people look on.

``python -m bench.dashboard_load`` prints one table; the store is SQLite unless ``--postgresql``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from appliance.dashboard.security import APPLIANCE_PREFIX, Actor, digest, new_token
from appliance.dashboard.store import saving, workflows
from appliance.dashboard.store.access import people
from appliance.dashboard.store.database import Database
from bench.processes import cpu_seconds, pss_mib, tree
from tests.dashboard.running import RunningDashboard, running_dashboard
from tests.dashboard.seeds import STAGING
from tests.dashboard.simulated_appliance import SimulatedAppliance
from tests.engine.clusters import start_cluster

HEARTBEAT_S = 30.0
PORTION_S = 2.0
"""A run in progress reports so often."""
LOOK_S = 3.0
"""An open page asks so often."""


class Load:
    """What was asked of the dashboard, and how long each answer took."""

    def __init__(self, url: str, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.failed = 0
        self._url = url
        self._tls = ssl.create_default_context()

    def caller(self, token: str) -> httpx.AsyncClient:
        """A client with a connection of its own, as each appliance has."""
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self._url, headers=headers, timeout=30, verify=self._tls)

    async def ask(
        self, client: httpx.AsyncClient, kind: str, method: str, path: str, body: str | None = None
    ) -> None:
        """One call."""
        begun = time.perf_counter()
        try:
            answer = await client.request(method, path, content=body)
            self.failed += answer.status_code >= 400
        except httpx.TransportError:
            self.failed += 1
        self.taken[kind].append(time.perf_counter() - begun)

    async def every(self, seconds: float, first: float) -> AsyncIterator[None]:
        """Moments at a fixed pace, from ``first`` on until the load is over."""
        at = time.monotonic() + first
        while at < self.until:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            yield
            at += seconds

    async def call_home(self, appliance: SimulatedAppliance) -> None:
        """One appliance's heartbeats, at its own place in the half minute."""
        async with self.caller(appliance.token) as client:
            async for _ in self.every(HEARTBEAT_S, random.uniform(0, HEARTBEAT_S)):
                body = appliance.report().to_wire()
                await self.ask(client, "heartbeat", "POST", "/v1/appliance/heartbeat", body)

    async def run(self, appliance: SimulatedAppliance) -> None:
        """One appliance's runs, one after the other."""
        running: Iterator[str] = iter(())
        async with self.caller(appliance.token) as client:
            async for _ in self.every(PORTION_S, random.uniform(0, PORTION_S)):
                if next(running, None) is None:
                    running = appliance.run("staging-twin", portions=8)
                    next(running)
                body, appliance.outbox = appliance.batch(appliance.outbox), []
                await self.ask(client, "batch of events", "POST", "/v1/appliance/events", body)

    async def look(self, kind: str, path: str, token: str) -> None:
        """One open page."""
        async with self.caller(token) as client:
            async for _ in self.every(LOOK_S, random.uniform(0, LOOK_S)):
                await self.ask(client, kind, "GET", path)


def furnish(url: str, count: int) -> tuple[list[SimulatedAppliance], str]:
    """A store with enrolled appliances that all have one workflow, and an API token."""
    database = Database(url)
    database.migrate()
    admin = Actor("bench", "admin")
    workflow_id = saving.save(database, admin, STAGING, second_person="no").workflow_id
    _, api_token = people.create_token(database, admin, "bench", "viewer")
    tokens = {str(uuid.uuid4()): new_token(APPLIANCE_PREFIX) for _ in range(count)}
    with database.write() as session:
        session.many(
            "INSERT INTO appliance (id, name, created_at, created_by, token_digest, token_at, enrolled_at)"
            " VALUES (?, ?, ?, 'bench', ?, ?, ?)",
            [
                (each, f"Site {number:03}", time.time(), digest(token), time.time(), time.time())
                for number, (each, token) in enumerate(tokens.items())
            ],
        )
    workflows.assign(database, admin, workflow_id, set(tokens))
    with database.read() as session:
        wanted = workflows.wanted_by(session, next(iter(tokens)))
    database.close()
    nowhere = httpx.Client()
    appliances = [SimulatedAppliance(nowhere, token) for token in tokens.values()]
    for appliance in appliances:
        appliance.workflows, appliance.etag = wanted, wanted.etag
    return appliances, api_token


@contextmanager
def furnished(
    folder: Path, count: int, postgresql: bool
) -> Iterator[tuple[RunningDashboard, list[SimulatedAppliance], str]]:
    """A running dashboard with so many appliances."""
    url, cluster = f"sqlite:///{folder}/dashboard.db", None
    if postgresql:
        cluster = start_cluster(name="bench-dashboard")
        cluster.create_database("dashboard")
        url = f"postgresql://postgres:{cluster.passwords['postgres']}@127.0.0.1:{cluster.port}/dashboard"
    try:
        appliances, token = furnish(url, count)
        with running_dashboard(folder, url) as dashboard:
            yield dashboard, appliances, token
    finally:
        if cluster is not None:
            cluster.remove()


async def put_under_load(url: str, appliances: list[SimulatedAppliance], token: str, seconds: float) -> Load:
    """All of them at once, for so long."""
    load = Load(url, seconds)
    async with asyncio.TaskGroup() as group:
        for number, appliance in enumerate(appliances):
            group.create_task(load.call_home(appliance))
            if number % 10 == 0:
                group.create_task(load.run(appliance))
        for _ in range(5):
            group.create_task(load.look("list of all appliances", "/v1/appliances", token))
            group.create_task(load.look("list of runs", "/v1/runs", token))
    return load


def main() -> int:
    """Print the table; 1 where a call failed."""
    parser = argparse.ArgumentParser(prog="bench.dashboard_load", description=__doc__)
    parser.add_argument("--appliances", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--postgresql", action="store_true", help="the store is a PostgreSQL of its own")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-dashboard-") as folder,
        furnished(Path(folder), options.appliances, options.postgresql) as (dashboard, appliances, token),
    ):
        pids = tree(dashboard.process.pid)
        cpu, begun = cpu_seconds(pids), time.monotonic()
        load = asyncio.run(put_under_load(dashboard.url, appliances, token, options.seconds))
        used = 100 * (cpu_seconds(pids) - cpu) / (time.monotonic() - begun)
        memory = pss_mib(pids)
    store = "PostgreSQL" if options.postgresql else "SQLite"
    print(f"{options.appliances} appliances for {options.seconds:.0f} s, store in {store}\n")
    print(
        "| call | how many a second | median, ms | p99, ms | longest, ms |\n| --- | --- | --- | --- | --- |"
    )
    for kind, taken in load.taken.items():
        longest, p99 = max(taken), statistics.quantiles(taken, n=100)[98]
        shown = " | ".join(f"{1000 * each:.0f}" for each in (statistics.median(taken), p99, longest))
        print(f"| {kind} | {len(taken) / options.seconds:.1f} | {shown} |")
    print(f"\nDashboard: {used:.0f} % of one core, {memory:.0f} MiB (PSS); {load.failed} calls failed")
    return 1 if load.failed else 0


if __name__ == "__main__":
    sys.exit(main())
