"""A real PgBouncer in front of a cluster, with a pool of one session that every client is lent."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.engine.breakable_proxy import wait_until
from tests.engine.clusters import Cluster, free_port, new_folder

PGBOUNCER = "/usr/sbin/pgbouncer"
LEFT_BEHIND = (
    "SELECT current_setting('default_transaction_read_only'), current_setting('search_path'),"
    " current_setting('statement_timeout'), current_setting('jit'), current_setting('appliance.direct', true)"
)


@dataclass
class Bouncer:
    """A running PgBouncer."""

    cluster: Cluster
    port: int
    folder: Path = field(repr=False)

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def connection(self, dbname: str, user: str) -> dict[str, Any]:
        """An entry of connections.yaml that leads here."""
        return self.cluster.connection(dbname, user, port=self.port)

    def next_client_finds(self, dbname: str, user: str) -> tuple[Any, ...]:
        """The settings in the session that an application is lent, which asks for none."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=dbname,
            user=user,
            password=self.cluster.passwords[user],
            autocommit=True,
        ) as client:
            found = client.execute(LEFT_BEHIND).fetchone()
        assert found is not None
        return tuple(found)


@contextmanager
def gateway(cluster: Cluster) -> Iterator[int]:
    """The port of something that passes on everything but the process that answers, as some gateways do."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", cluster.port))
            threading.Thread(target=_forward, args=(client, server), daemon=True).start()
            threading.Thread(target=_forward, args=(server, client), daemon=True).start()

    threading.Thread(target=pass_on, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _forward(one: socket.socket, other: socket.socket) -> None:
    key_data = b"K\x00\x00\x00\x0c"
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            before, found, after = data.partition(key_data)
            other.sendall(before + found + (b"\x00\x00\x00\x01" + after[4:] if found else after))
        other.shutdown(socket.SHUT_RDWR)


@contextmanager
def bouncer(cluster: Cluster, **settings: str) -> Iterator[Bouncer]:
    """A PgBouncer with these settings for the length of a block."""
    folder, port = new_folder("pgbouncer"), free_port()
    users = "".join(f'"{user}" "{password}"\n' for user, password in cluster.passwords.items())
    (folder / "users").write_text(users)
    wanted = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(folder / "users"),
        "logfile": str(folder / "log"),
        "default_pool_size": "1",
        **settings,
    }
    lines = "".join(f"{key} = {value}\n" for key, value in wanted.items())
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n[pgbouncer]\n{lines}")
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
    process = subprocess.Popen(
        [*as_user, PGBOUNCER, "-q", str(configuration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = Bouncer(cluster, port, folder)
    try:
        wait_until(lambda: (folder / "log").exists() and "listening on" in made.log)
        yield made
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
