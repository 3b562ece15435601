"""PostgreSQL 17 in a container, for machines that do not have it: a server, its pg_dump, and a small disk."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from compose.demo.one_build import one_build
from tests.engine.clusters import SUPERUSER, VERSIONS, Cluster, new_folder

IMAGE = "appliance-test-postgres17"
MAJOR = 17
_FOLDER = Path(__file__).parent / "postgres17"
_START = r"""
umask 077 && printf %s "$SUPERUSER_PASSWORD" > /tmp/password
initdb -D /data/cluster -X /wal/cluster -U postgres -A scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 \
    --locale=C.UTF-8 --no-sync
echo 'host all all all scram-sha-256' >> /data/cluster/pg_hba.conf
exec postgres -D /data/cluster -c listen_addresses='*' -c fsync=off -c unix_socket_directories=/tmp \
    -c max_connections=60 -c timezone=UTC "$@"
"""


def has_postgres17() -> bool:
    """Whether this machine has PostgreSQL 17 itself."""
    return (VERSIONS / str(MAJOR) / "bin/initdb").exists()


def ensure_image() -> None:
    """Build the image unless it is there."""
    if docker("images", "-q", IMAGE) == "":
        with one_build():
            docker("build", "-q", "-t", IMAGE, str(_FOLDER))


def docker(*arguments: str) -> str:
    """Run docker; what it printed. A failure shows what docker said."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class ContainerCluster(Cluster):
    """A cluster whose server runs in a container; it is reached through a loopback port."""

    container: str = ""

    def stop(self, mode: str = "fast") -> None:
        """Stop the container."""
        docker("kill" if mode == "immediate" else "stop", self.container)

    def start(self) -> None:
        """Start it again and wait until it answers."""
        docker("start", self.container)
        self.wait()

    def remove(self) -> None:
        """Remove the container and its data."""
        docker("rm", "-f", "-v", self.container)
        self.folder.rmdir()

    def wait(self) -> None:
        """Wait until the server answers."""
        self.port = int(docker("port", self.container, "5432/tcp").splitlines()[0].rpartition(":")[2])
        until = time.monotonic() + 300
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until, docker("logs", self.container)
                time.sleep(0.2)


def start_container_cluster(
    *, disk_mb: int | None = None, settings: dict[str, str] | None = None
) -> ContainerCluster:
    """Start one; ``disk_mb`` gives it a disk of that size, to be filled."""
    ensure_image()
    password = secrets.token_urlsafe(18)
    # The log of changes stands on another disk, so that a full one fails a statement and not the server.
    size = f",size={disk_mb}m" if disk_mb else ""
    disk = ["--tmpfs", f"/data:rw,mode=1777{size}", "--tmpfs", "/wal:rw,mode=1777"]
    options = [part for key, value in (settings or {}).items() for part in ("-c", f"{key}={value}")]
    container = docker(
        *("run", "-d", "--name", f"{IMAGE}-{secrets.token_hex(4)}", "--user", "postgres", "--shm-size=256m"),
        *("-p", "127.0.0.1::5432", *disk, "-e", f"SUPERUSER_PASSWORD={password}", IMAGE),
        *("bash", "-ec", _START, "postgres", *options),
    )
    cluster = ContainerCluster(MAJOR, 0, new_folder("container"), container=container)
    cluster.passwords[SUPERUSER] = password
    cluster.wait()
    return cluster


def pg_dump_wrapper(folder: Path) -> Path:
    """A program that is PostgreSQL 17's pg_dump, run in a container with the caller's service file."""
    ensure_image()
    wrapper = folder / "pg_dump"
    wrapper.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then exec docker run --rm '
        f"{IMAGE} pg_dump --version; fi\n"
        'secrets=$(dirname "$PGSERVICEFILE")\n'
        f"exec docker run --rm -i --network host --user {os.getuid()} "
        '-v "$secrets:$secrets:ro" -e PGSERVICEFILE -e PGSERVICE -e PGAPPNAME -e PGCLIENTENCODING '
        f'-e PGOPTIONS {IMAGE} pg_dump "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper
