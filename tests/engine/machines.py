"""Machines that an appliance could live on: folders and two databases each, one of them really Airflow's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from appliance.settings.settings import Settings, load_settings
from appliance.store.database import Connection, connect, migrate
from tests.engine.clusters import Cluster
from tests.engine.ready_commands import run_command
from tests.engine.scenario import Ended

PASSPHRASE = "a phrase of five words"
AWKWARD = "pa'ss \"w\\ord: #%/?&=@,ü "
AIRFLOW_MADE = "airflow_made"
OWNER = "keeper"


def make_airflow_template(cluster: Cluster, folder: Path) -> None:
    """Airflow's own migrations, once; every machine's database is a copy of what they made."""
    cluster.role(OWNER, "CREATEDB", password=AWKWARD.strip())
    cluster.create_database(AIRFLOW_MADE, f"OWNER {OWNER}")
    cluster.create_database("scratch", f"OWNER {OWNER}")
    made = Machine(cluster, folder, AIRFLOW_MADE, "scratch")
    launch = [sys.executable, "-m", "appliance.orchestration.airflow.launch", "migrate"]
    subprocess.run(launch, env=made.environment, check=True, capture_output=True, cwd=folder)


class Machine:
    """One machine. ``airflow`` and ``appliance`` are the names of its databases."""

    def __init__(self, cluster: Cluster, folder: Path, airflow: str, appliance: str) -> None:
        self.cluster, self.folder = cluster, folder
        self.airflow, self.appliance = airflow, appliance
        for name in ("etc/workflows", "state/keys", "run", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "etc" / "appliance.yaml").write_text("{}\n")
        jwt = folder / "state" / "keys" / "airflow-jwt"
        jwt.write_text("0" * 40)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "APPL"))},
            "APPLIANCE_CONFIG": str(folder / "etc" / "appliance.yaml"),
            "APPLIANCE_CONFIG_DIR": str(folder / "etc"),
            "APPLIANCE_STATE_DIR": str(folder / "state"),
            "APPLIANCE_RUNTIME_DIR": str(folder / "run"),
            "APPLIANCE_LOG_DIR": str(folder / "log"),
            "APPLIANCE_DATABASE_URL": self._url(appliance),
            "APPLIANCE_AIRFLOW_DATABASE_URL": self._url(airflow),
            "APPLIANCE_AIRFLOW_JWT_SECRET_FILE": str(jwt),
        }
        self.passphrase_file = folder / "passphrase"
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_text(PASSPHRASE + "\n")

    @property
    def settings(self) -> Settings:
        """What this machine's commands read."""
        return load_settings(environment=self.environment)

    def database(self) -> Connection:
        """The appliance's own."""
        return connect(self.settings.database_url)

    def airflow_database(self) -> Connection:
        """Airflow's."""
        return connect(self.settings.airflow_database_url)

    def prepare(self) -> None:
        """What a fresh machine has after its first start: the tables, and keys of its own."""
        migrate(self.settings.database_url)

    def write(self, name: str, content: str | bytes, mode: int = 0o640) -> Path:
        """A file below the machine's folder, as ``etc/policy.yaml``."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def write_connections(self, connections: object) -> None:
        """connections.yaml."""
        self.write("etc/connections.yaml", yaml.safe_dump(connections, allow_unicode=True), 0o600)

    def cli(self, *arguments: str | Path) -> Ended:
        """``appliance …`` on this machine."""
        done = self.process(arguments)
        return Ended(done.returncode, done.stdout, done.stderr)

    def backup(self, command: str, file: Path, *options: str | Path) -> Ended:
        """``appliance backup COMMAND FILE`` with the passphrase."""
        return self.cli("backup", command, file, "--passphrase-file", self.passphrase_file, *options)

    def process(self, arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return run_command([*map(str, arguments)], self.environment, self.folder)

    def files(self) -> dict[str, bytes]:
        """Everything below etc and state, by name."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for top in ("etc", "state")
            for path in sorted((self.folder / top).rglob("*"))
            if path.is_file()
        }

    def rows(self) -> dict[str, list[object]]:
        """What both databases say that a person would miss."""
        with self.database() as ours, self.airflow_database() as theirs:
            return {
                "runs": ours.execute(
                    "SELECT run_id, state, workflow FROM appliance.run ORDER BY 1"
                ).fetchall(),
                "events": ours.execute("SELECT event_id, kind FROM appliance.event ORDER BY seq").fetchall(),
                "variables": theirs.execute("SELECT key, val FROM variable ORDER BY 1").fetchall(),
            }

    def _url(self, database: str) -> str:
        where = f"host=127.0.0.1 port={self.cluster.port} user={OWNER} dbname={database}"
        password = AWKWARD.strip().replace("\\", "\\\\").replace("'", "\\'")
        return f"{where} password='{password}'"


NewMachine = Callable[[], Machine]
