"""The demo's containers: built, started, looked into, removed. Everything goes through `docker compose`."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from appliance.errors import WorkFailedError
from compose.demo.one_build import one_build

FOLDER = Path(__file__).resolve().parents[1]
COMPOSE_FILE = FOLDER / "compose.yaml"
COMPOSE = ("docker", "compose", "--ansi", "never")
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
NETWORK_OF_STEPS = "data"
ROW_COUNT_IMAGE = "shop.example/row-count:1"
"""As the workflow and the policy name the container's image; compose.yaml builds it."""
START_WITHIN_S = 600
"""A limit for what hangs; what has failed for good is shown at once."""
ENDS_BY_ITSELF = ("prepare", "parquet", "row-count", "migrate", "sample")
"""Services that do their work once and end; of two of them only the image is wanted."""
PORTS = {
    "APPLIANCE_STATUS_PORT": ("status", 8642, 8642),
    "APPLIANCE_DASHBOARD_PORT": ("dashboard", 8650, 8650),
    "APPLIANCE_PRODUCTION_PORT": ("production", 5432, 54321),
    "APPLIANCE_STAGING_PORT": ("staging", 5432, 54322),
}
"""Variable → service, its port in the container, and the port on this machine if that is free."""
PAGES = {"status": 8642, "dashboard": 8650}
"""Service → its port in the container, for those with something to look at."""


class Stack:
    """One demo on this machine; ``project`` distinguishes it from others."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.project = environment.get("APPLIANCE_DEMO") or "appliance-demo"
        self._environment = dict(environment)
        self._environment.setdefault("EXTRA_CA", str(HOST_CA) if HOST_CA.exists() else os.devnull)
        docker_socket = Path(self._environment.get("DOCKER_SOCK") or "/var/run/docker.sock")
        if "DOCKER_GID" not in self._environment:
            there = docker_socket.exists()
            self._environment["DOCKER_GID"] = str(docker_socket.stat().st_gid) if there else "0"

    def command(self, *arguments: str) -> str:
        """What a person types to do the same, from anywhere."""
        return shlex.join(["docker", "compose", "--project-name", self.project, *arguments])

    def compose(self, *arguments: str, check: bool = True, given: str = "") -> str:
        """Run `docker compose …` and return its output. Raises WorkFailedError with the end of what it said.

        ``given`` is its standard input.
        """
        done = subprocess.run(
            [*COMPOSE, "--project-name", self.project, "--file", str(COMPOSE_FILE), *arguments],
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
            raise WorkFailedError(
                f"`docker compose {arguments[0]}` failed.", said, "read what it says, and run it again"
            )
        return done.stdout

    def build(self) -> None:
        """Build the images; what has not changed since the last time comes from the engine's cache."""
        services = json.loads(self.compose("config", "--format", "json"))["services"]
        for name, service in services.items():
            if "build" in service:
                self.build_image_of(name)

    def build_image_of(self, service: str) -> None:
        """Build the image of one service."""
        with one_build():
            self.compose("--progress", "plain", "build", service)

    def start(self, tell: Callable[[str], None]) -> None:
        """Start everything and wait until all of it works; ``tell`` hears what is still missing."""
        self._choose_ports()
        # Not `up --wait`: it takes a container that has done its work and ended for one that failed.
        self.compose("up", "--detach", "--no-build", "--remove-orphans")
        give_up = time.monotonic() + START_WITHIN_S
        while missing := self._missing():
            tell(f"still to come: {', '.join(missing)}")
            if time.monotonic() > give_up:
                self._give_up(f"Not ready after {START_WITHIN_S} s: {', '.join(missing)}.", missing)
            time.sleep(0.5)

    def remove(self) -> None:
        """Remove containers (steps that still run among them), volumes, networks and images."""
        self.compose("stop", "--timeout", "5", check=False)
        # A step that has ended is in no network any more; its image's label stays with it.
        network = f"network={self.project}_{NETWORK_OF_STEPS}"
        steps: set[str] = set()
        for wanted in (network, f"label=com.docker.compose.project={self.project}"):
            listed = ["docker", "ps", "--all", "--quiet", "--filter", wanted]
            steps.update(subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split())
        if steps:
            subprocess.run(["docker", "rm", "--force", *steps], capture_output=True, check=False)
        self.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "5")
        # Its second name. Another demo has recorded by its digest what it means, and keeps the image.
        subprocess.run(["docker", "image", "rm", ROW_COUNT_IMAGE], capture_output=True, check=False)

    def execute(self, service: str, *command: str, check: bool = True, given: str = "") -> str:
        """Run a command inside a service's container and return what it prints."""
        return self.compose("exec", "--no-TTY", service, *command, check=check, given=given)

    def address(self, service: str) -> str:
        """Where this machine's browser finds a service that has pages."""
        return f"http://127.0.0.1:{self.port(service, PAGES[service])}"

    def query(self, server: str, database: str, sql: str) -> list[dict[str, Any]]:
        """The rows of a query on one of the sample's servers, as its administrator."""
        wrapped = f"SELECT row_to_json(_row) FROM ({sql}) AS _row"
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", database]
        printed = self.execute(server, "psql", *options, "--command", wrapped)
        return [json.loads(line) for line in printed.splitlines() if line]

    def port(self, service: str, inside: int) -> int:
        """The port of this machine under which a service's port is published; 0 where it is not."""
        _, _, port = self.compose("port", service, str(inside), check=False).strip().rpartition(":")
        return int(port) if port.isdigit() else 0

    def _choose_ports(self) -> None:
        """Keep the ports of a demo that runs; else the usual ones, or others where those are taken."""
        for variable, (service, inside, usual) in PORTS.items():
            if variable not in self._environment:
                self._environment[variable] = str(self.port(service, inside) or _free(usual))

    def _missing(self) -> list[str]:
        """The services that are not as they should be yet.

        Raises WorkFailedError for one that failed for good.
        """
        missing = self.compose("config", "--services").split()
        for line in self.compose("ps", "--all", "--format", "json").splitlines():
            container = json.loads(line)
            name, state, code = container["Service"], container["State"], container["ExitCode"]
            if name in ENDS_BY_ITSELF and state == "exited":
                if code != 0:
                    self._give_up(f"The service {name} ended with {code}.", [name])
                missing.remove(name)
            elif state == "running" and container["Health"] in ("", "healthy"):
                missing.remove(name)
        return missing

    def _give_up(self, what: str, services: list[str]) -> NoReturn:
        logs = self.compose("logs", "--no-color", "--tail", "15", *services, check=False)
        raise WorkFailedError(what, logs.strip(), self.command("logs", *services))


def _free(port: int) -> int:
    """The port, or one that the system picks where something else listens on it."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return port
