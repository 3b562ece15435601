"""A source and a target server, and the database that is copied from one to the other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engine.clusters import Cluster, new_folder, program, start_cluster

SAMPLE = Path(__file__).with_name("sample.sql")
DATABASE = "bench"
SETTINGS = {
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "fsync": "on",
    # As by default: from it follows how many tables can be locked at once.
    "max_connections": "100",
}


@dataclass(frozen=True)
class Servers:
    """Both servers are of the same version, on this machine, with the same settings."""

    source: Cluster
    target: Cluster

    def psql(self, server: Cluster, database: str, *arguments: str) -> list[str]:
        """A psql command line on one of them, as its superuser."""
        return [program(server.major, "psql"), *self._where(server), "--dbname", database, *QUIET, *arguments]

    def program(self, server: Cluster, name: str, *arguments: str) -> list[str]:
        """A command line of pg_dump or pg_restore on one of them."""
        return [program(server.major, name), *self._where(server), *arguments]

    def environment(self) -> dict[str, str]:
        """Both superusers have the same password, so that one environment serves a pipe's two ends."""
        return {**os.environ, "PGPASSWORD": self.source.passwords["postgres"]}

    def run(self, command: list[str]) -> str:
        """Run one of the command lines and return what it prints."""
        done = subprocess.run(command, env=self.environment(), check=True, capture_output=True, text=True)
        return done.stdout

    def fresh_target(self, name: str) -> None:
        """An empty database on the target, and both servers idle: no measurement pays for another."""
        for database in (name, f"{name}__next", f"{name}__prev"):
            self.target.drop_database(database)
        self.target.create_database(name, "OWNER twin_owner")
        for server in (self.source, self.target):
            server.sql("postgres", "CHECKPOINT")

    def make_sample(self, name: str, scale: float) -> None:
        """A database in the source with so many times 5.6 million rows."""
        self.source.create_database(name)
        self.run(self.psql(self.source, name, "--set", f"scale={scale}", "--file", str(SAMPLE)))

    def _where(self, server: Cluster) -> list[str]:
        return ["--host", server.host, "--port", str(server.port), "--username", "postgres"]


QUIET = ("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1")


@contextmanager
def running_servers(scale: float) -> Iterator[Servers]:
    """Start both, make the sample in the source, and remove everything at the end."""
    # Containers reach them too, by the address of Docker's bridge.
    source, target = (
        start_cluster(listen="*", settings=SETTINGS, folder=new_folder(f"bench-{name}", on_disk=True))
        for name in ("source", "target")
    )
    try:
        servers = Servers(source, target)
        with target.connect() as connection:
            password = source.passwords["postgres"]
            connection.execute(f"ALTER ROLE postgres PASSWORD '{password}'")
            target.passwords["postgres"] = password
        source.role("reader")
        target.role("twin_owner", "CREATEDB")
        servers.make_sample(DATABASE, scale)
        yield servers
    finally:
        source.remove()
        target.remove()
