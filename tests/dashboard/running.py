"""A dashboard that really runs: its own process, its own port, its own store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PASSWORD = "correct horse battery staple"


@dataclass
class RunningDashboard:
    """Where it is, and how to talk to it."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def command(self, *arguments: str, given: str = "") -> str:
        """Run one of its commands; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance.dashboard", *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def client(self, token: str = "") -> httpx.Client:
        """An HTTP client for its API."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A server may close an idle connection just as a slow test sends its next request on it.
        alone = httpx.Limits(max_keepalive_connections=0)
        # It stands here: to read the machine's certificates would take longer than to ask.
        return httpx.Client(base_url=self.url, headers=headers, timeout=300, limits=alone, verify=False)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_dashboard(
    folder: Path,
    database: str = "",
    host: str = "127.0.0.1",
    *,
    tls: tuple[Path, Path] | None = None,
    **settings: str,
) -> Iterator[RunningDashboard]:
    """Start one and wait until it answers; ended and waited for at the end. ``tls``: certificate and key."""
    port = free_port(host)
    url = f"{'https' if tls else 'http'}://{host}:{port}"
    if tls:
        settings |= {"DASHBOARD_TLS_CERTIFICATE": str(tls[0]), "DASHBOARD_TLS_KEY": str(tls[1])}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DASHBOARD_")} | {
        "DASHBOARD_DATABASE": database or f"sqlite:///{folder}/dashboard.db",
        "DASHBOARD_SECRET_KEY_FILE": str(folder / "secret.key"),
        "DASHBOARD_BIND": f"{host}:{port}",
        "DASHBOARD_PUBLIC_URL": url,
        **settings,
    }
    with (folder / "dashboard.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.dashboard"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(url, process, folder / "dashboard.log")
        yield RunningDashboard(url, environment, process)
    finally:
        process.terminate()
        process.wait(300)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """A limit for hanging, not for slowness."""
    deadline = time.monotonic() + 300
    with httpx.Client(verify=False, timeout=20) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if client.get(f"{url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise RuntimeError(f"The dashboard did not start:\n{log.read_text()}")
