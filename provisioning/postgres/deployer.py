"""A PostgreSQL cluster of the appliance's own, reached over its Unix socket by peer authentication alone."""

from __future__ import annotations

from io import StringIO

from pyinfra.operations import files

from provisioning.knobs import Knobs
from provisioning.operations import ensured, unit
from provisioning.preflight.deployer import distribution
from provisioning.stages import Deployer

CLUSTER = "appliance"
DATABASES = ("appliance", "airflow")
SOCKET_FOLDER = "/run/postgresql"

HBA = """\
# Written by the appliance's deploy. Only these, over the Unix socket, as whom the kernel says they are.
local  all                postgres   peer
local  appliance,airflow  appliance  peer map=appliance
local  appliance,airflow  appliance_status  peer map=appliance
"""
STATUS_ROLE = "appliance_status"
"""The status service's; what it may do is granted when the tables are made."""

IDENT = """\
# Written by the appliance's deploy. root is who runs `sudo appliance ...`.
appliance  appliance  appliance
appliance  root       appliance
appliance  appliance-status  appliance_status
"""

RESTART = """\
# Written by the appliance's deploy. A full disk ends the server. With room again, it starts by itself.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=10
"""

_ROLES = "SELECT rolname FROM pg_roles"
_ALL = "SELECT datname FROM pg_database"
_CLOSED = "SELECT datname FROM pg_database WHERE NOT has_database_privilege('public', oid, 'CONNECT')"


class Postgres(Deployer):
    """The distribution's server, with a cluster beside any that the operator has."""

    def install(self) -> None:
        """A fresh cluster is made by us, not by the package: the package's would listen on TCP."""
        files.put(
            name="Make no PostgreSQL cluster but the appliance's",
            src=StringIO("create_main_cluster = false\n"),
            dest="/etc/postgresql-common/createcluster.d/appliance.conf",
            mode="644",
        )

    def configure(self) -> None:
        """Make the cluster, then write what its server reads."""
        major = distribution().postgres
        ensured(
            name="Make the PostgreSQL cluster",
            commands=[
                f"pg_createcluster {major} {CLUSTER} --port {self.knobs.postgres_port} "
                f"--socketdir {SOCKET_FOLDER} --encoding UTF8 --locale C.UTF-8 --start-conf auto "
                "-- --data-checksums --auth-local=peer"
            ],
            unless=f"test -e {folder(major)}/postgresql.conf",
        )
        self.config = [
            files.put(
                name=f"Write {name}",
                src=StringIO(text),
                dest=f"{folder(major)}/{name}",
                user="postgres",
                group="postgres",
                mode="640",
            )
            for name, text in (
                ("conf.d/appliance.conf", settings(self.knobs)),
                ("pg_hba.conf", HBA),
                ("pg_ident.conf", IDENT),
            )
        ]

        self.config.append(
            files.put(
                name="Restart the PostgreSQL server when it ends by itself",
                src=StringIO(RESTART),
                dest=f"/etc/systemd/system/postgresql@{major}-{CLUSTER}.service.d/restart.conf",
                mode="644",
            )
        )

    def activate(self) -> None:
        """Start the server; make the role and its databases."""
        major = distribution().postgres
        unit(
            name="Start the PostgreSQL server",
            unit_name=f"postgresql@{major}-{CLUSTER}.service",
            enabled=None,
            reads=[folder(major)],
            restart_after=self.config,
        )
        ensured(
            name="Make the role of the appliance",
            commands=[self._psql("CREATE ROLE appliance LOGIN")],
            unless=f"{self._psql(_ROLES)} | grep -qx appliance",
        )
        ensured(
            name="Make the role of the status service",
            commands=[self._psql(f"CREATE ROLE {STATUS_ROLE} LOGIN")],
            unless=f"{self._psql(_ROLES)} | grep -qx {STATUS_ROLE}",
        )
        for database in DATABASES:
            ensured(
                name=f"Make the database {database}",
                commands=[self._psql(f"CREATE DATABASE {database} OWNER appliance")],
                unless=f"{self._psql(_ALL)} | grep -qx {database}",
            )
            ensured(
                name=f"Close the database {database} to others",
                commands=[self._psql(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")],
                unless=f"{self._psql(_CLOSED)} | grep -qx {database}",
            )

    def _psql(self, sql: str) -> str:
        where = f"-h {SOCKET_FOLDER} -p {self.knobs.postgres_port} -d postgres"
        return f'cd / && runuser -u postgres -- psql -XAtq {where} -c "{sql}"'


def folder(major: int) -> str:
    """Where Debian keeps the cluster's configuration."""
    return f"/etc/postgresql/{major}/{CLUSTER}"


def settings(knobs: Knobs) -> str:
    """Tuned for a few small, busy tables beside which memory belongs to the steps."""
    return f"""\
# Written by the appliance's deploy. No TCP: the Unix socket is the only way in.
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 60
shared_buffers = {knobs.postgres_shared_buffers_mb}MB
work_mem = 4MB
maintenance_work_mem = 32MB
max_parallel_workers_per_gather = 0
jit = off
wal_buffers = 1MB
min_wal_size = 80MB
max_wal_size = 256MB
checkpoint_completion_target = 0.9
random_page_cost = 1.1
idle_in_transaction_session_timeout = 10min
log_destination = 'stderr'
logging_collector = off
log_line_prefix = ''
log_min_duration_statement = -1
log_parameter_max_length_on_error = 0
"""
