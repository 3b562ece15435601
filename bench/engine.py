"""`appliance run` on the same data: the same copy, masked, verified and swapped in."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

import appliance
from bench.servers import Servers

WORKFLOW = Path(__file__).with_name("workflow.yaml")
CODE = Path(appliance.__file__).parent


@dataclass(frozen=True)
class Timed:
    """One run: seconds in all, and by step."""

    seconds: float
    steps: dict[str, float]
    shards: int


def write_documents(
    folder: Path, servers: Servers, source: str, name: str, *, parallel: int, host: str
) -> tuple[Path, Path]:
    """A workflow and its connections.yaml, for servers that are reached under ``host``."""
    document = yaml.safe_load(WORKFLOW.read_text())
    document["limits"]["parallel"] = parallel
    workflow = folder / "bench.yaml"
    workflow.write_text(yaml.safe_dump(document))
    return workflow, write_connections(folder, servers, source, name, host=host)


def write_connections(folder: Path, servers: Servers, source: str, name: str, *, host: str) -> Path:
    """The connections.yaml alone."""
    connections = folder / "connections.yaml"
    connections.touch(mode=0o600)
    entries = {
        "source": servers.source.connection(source, "reader", host=host),
        "target": servers.target.connection(name, "twin_owner", host=host),
    }
    connections.write_text(yaml.safe_dump(entries))
    return connections


def appliance_run(servers: Servers, folder: Path, source: str, name: str, parallel: int) -> Timed:
    """From the command to its end, the interpreter's start included, into a server without the twin."""
    workflow, _ = write_documents(folder, servers, source, name, parallel=parallel, host="127.0.0.1")
    return run_workflow(servers, folder, workflow, source, name)


def run_workflow(servers: Servers, folder: Path, workflow: Path, source: str, name: str) -> Timed:
    """The same for any workflow between the connections ``source`` and ``target``."""
    servers.fresh_target(name)
    servers.target.drop_database(name)
    connections = write_connections(folder, servers, source, name, host="127.0.0.1")
    # As it is installed on a host and in images; a checkout may compile everything anew each time.
    compileall.compile_dir(CODE, quiet=2)
    command = [str(Path(sys.executable).with_name("appliance")), "run", "--json", str(workflow)]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--connections", str(connections), "--state", str(folder / "state")],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        raise RuntimeError(f"appliance run ended with {done.returncode}: {lines[-1:]} {done.stderr}")
    return Timed(
        seconds, lines[-1]["seconds"], next(each["shards"] for each in lines if each["type"] == "planned")
    )
