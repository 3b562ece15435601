"""A whole appliance for tests: real Airflow processes, real PostgreSQL for its state, the real Docker engine.

Everything lies in one temporary folder; containers carry its instance's label, so no other's are touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from appliance.settings.settings import Settings, load_settings
from tests.engine.clusters import Cluster, free_port, start_cluster

PROCESSES = ("status", "api-server", "scheduler", "dag-processor")
GATEWAY = "172.17.0.1"
"""Docker's default bridge: how a container reaches a server on this machine."""


def wait_for(what: str, check: Callable[[], Any], *, seconds: float = 180, every: float = 0.2) -> Any:
    """Wait until ``check`` gives something true, and return it. A limit for hanging, not for slowness."""
    give_up = time.monotonic() + seconds
    while True:
        if value := check():
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


class ApplianceHost:
    """One appliance in a folder."""

    def __init__(self, image: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="appliance-host-"))
        self.state_cluster: Cluster = start_cluster(name="state")
        for name in ("appliance", "airflow"):
            self.state_cluster.create_database(name)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.status_port, self.api_port = free_port(), free_port()
        for name in ("etc/workflows", "state", "run", "log"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "run").chmod(0o700)
        secret = self.folder / "jwt"
        secret.write_text(secrets.token_urlsafe(48))
        secret.chmod(0o600)
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("AIRFLOW", "APPLIANCE"))
            },
            "APPLIANCE_CONFIG_DIR": str(self.folder / "etc"),
            "APPLIANCE_STATE_DIR": str(self.folder / "state"),
            "APPLIANCE_RUNTIME_DIR": str(self.folder / "run"),
            "APPLIANCE_LOG_DIR": str(self.folder / "log"),
            "APPLIANCE_DATABASE_URL": self.database_url("appliance"),
            "APPLIANCE_AIRFLOW_DATABASE_URL": self.database_url("airflow"),
            "APPLIANCE_AIRFLOW_EXECUTION_API_URL": f"http://127.0.0.1:{self.api_port}/execution/",
            "APPLIANCE_AIRFLOW_JWT_SECRET_FILE": str(secret),
            "APPLIANCE_STATUS_PORT": str(self.status_port),
            "APPLIANCE_STEPS_IMAGE": image,
        }
        config = self.folder / "appliance.yaml"
        config.write_text("{}\n")
        self.environment["APPLIANCE_CONFIG"] = str(config)
        self.write_connections({})

    @property
    def settings(self) -> Settings:
        """What this appliance's processes read."""
        return load_settings(environment=self.environment)

    def database_url(self, name: str) -> str:
        """A libpq URL into the state cluster."""
        password = self.state_cluster.passwords["postgres"]
        return f"postgresql://postgres:{password}@127.0.0.1:{self.state_cluster.port}/{name}"

    def write_connections(self, connections: dict[str, dict[str, Any]]) -> None:
        """Write connections.yaml."""
        path = self.folder / "etc" / "connections.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(connections))

    def write_workflow(self, name: str, document: dict[str, Any] | str) -> Path:
        """Write a workflow file at once, as an editor that renames does."""
        path = self.folder / "etc" / "workflows" / name
        unfinished = path.with_name(f".{name}")
        unfinished.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        unfinished.replace(path)
        return path

    def start(self) -> None:
        """Migrate, then start everything."""
        self.command("migrate")
        for name in PROCESSES:
            self.start_process(name)
        wait_for("everything works", lambda: self.status("/healthz")[0] == 200, seconds=180, every=0.5)

    def command(self, name: str) -> None:
        """Run ``launch NAME`` to its end."""
        subprocess.run(self._launch(name), env=self.environment, check=True, cwd=self.folder)

    def start_process(self, name: str) -> None:
        """Start one of Airflow's processes in its own process group."""
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._launch(name),
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_process(self, name: str, *, whole_group: bool = True) -> None:
        """kill -9, with all that the process has forked by default."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            if whole_group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def pids(self, name: str) -> int:
        """The main process's id."""
        return self._processes[name].pid

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / "log" / f"{name}.log").read_text(errors="replace")

    def change_connection(self, name: str, connection: dict[str, Any]) -> None:
        """Change one entry of connections.yaml."""
        path = self.folder / "etc" / "connections.yaml"
        self.write_connections({**yaml.safe_load(path.read_text()), name: connection})

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``appliance …`` as an operator of this appliance."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance.cli.main", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done
        return done

    def status(self, path: str) -> Any:
        """(HTTP status, JSON) of the status service."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, None

    def run(self, run_id: str) -> dict[str, Any] | None:
        """A run as /runs/{id} has it; None while it is not known."""
        code, found = self.status(f"/runs/{run_id}")
        return found if code == 200 else None

    def start_run(self, workflow: str) -> str:
        """Start a workflow as an operator does; returns the run's id."""
        return self.cli("workflow", "start", workflow).stdout.strip()

    def wait_for_end(self, run_id: str, *, seconds: float = 600) -> dict[str, Any]:
        """Wait for a run's end, and return it."""
        over = ("succeeded", "failed", "refused", "cancelled")

        def ended() -> dict[str, Any] | None:
            run = self.run(run_id)
            return run if run and run["state"] in over else None

        try:
            found: dict[str, Any] = wait_for(f"{run_id} ends", ended, seconds=seconds, every=0.5)
        except AssertionError as error:
            logs = "\n".join(f"--- {name}\n{self.log(name)[-6000:]}" for name in PROCESSES)
            raise AssertionError(f"{error}\n{json.dumps(self.run(run_id), indent=1)}\n{logs}") from None
        return found

    def run_to_end(self, workflow: str) -> dict[str, Any]:
        """Start a workflow and wait for its end."""
        return self.wait_for_end(self.start_run(workflow))

    def remove(self) -> None:
        """End everything and delete the folder."""
        for name in list(self._processes):
            self.kill_process(name)
        self.state_cluster.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _launch(self, name: str) -> list[str]:
        if name == "status":
            return [sys.executable, "-m", "appliance.status"]
        return [sys.executable, "-m", "appliance.orchestration.airflow.launch", name]
