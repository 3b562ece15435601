"""The OpenID Connect provider of the tests, as a process, and a browser that goes there and back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.running import free_port

MODULES = Path(__file__).parents[2] / "build" / "tools" / "oidc-provider" / "node_modules"
PROGRAM = Path(__file__).with_suffix(".mjs")
CLIENT_SECRET = "a secret: with %, + and /"
DASHBOARD = "http://dashboard.test"


@dataclass
class OpenIDProvider:
    """One provider, and what a test says of it."""

    issuer: str
    secret_file: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def set(self, **changes: Any) -> None:
        """Who signs in and with which claims; other keys; another clock; a status instead of any answer."""
        httpx.put(f"{self.issuer}/control", json=changes, timeout=300).raise_for_status()

    def settings(self, **changes: str | bool) -> dict[str, str | bool]:
        """What the dashboard's settings say of it."""
        return {
            "openid_issuer": self.issuer,
            "openid_client_id": "dashboard",
            "openid_client_secret_file": str(self.secret_file),
            "openid_label": "Example Corp",
            "openid_viewers": "staff",
            "openid_editors": "data-team; cn=data,ou=groups",
            "openid_admins": "data-admins",
            **changes,
        }


@contextmanager
def running_provider(
    folder: Path, secret: str = CLIENT_SECRET, back: str = DASHBOARD
) -> Iterator[OpenIDProvider]:
    """Start one and wait until it answers; skips where there is none."""
    node = shutil.which("node")
    if node is None or not (MODULES / "oidc-provider").is_dir():
        pytest.skip("there is no oidc-provider: scripts/node-server.sh oidc-provider installs it")
    port = free_port()
    secret_file = folder / "client-secret"
    secret_file.write_text(secret, encoding="utf-8")
    with (folder / "provider.log").open("wb") as log:
        process = subprocess.Popen(
            [node, str(PROGRAM), str(MODULES), str(port), f"{back}/sign-in/openid/callback", secret],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        issuer = f"http://127.0.0.1:{port}"
        _wait(f"{issuer}/.well-known/openid-configuration", process, folder / "provider.log")
        yield OpenIDProvider(issuer, secret_file, process)
    finally:
        process.terminate()
        process.wait(300)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=20).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"The provider did not start:\n{log.read_text()}")


class Traveller:
    """A browser that follows the way to the provider and back, and stops wherever a test wants to look."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.here = Browser(dashboard.client())
        self.there = httpx.Client(timeout=300)

    def begin(self, target: str = "/") -> str:
        """The address that the dashboard sends the browser to."""
        response = self.here.client.get("/sign-in/openid", params={"next": target})
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    def through(self, address: str) -> str:
        """The path and query that the provider sends the browser back to."""
        for _ in range(12):
            response = self.there.get(address)
            assert response.is_redirect, response.text
            address = urljoin(address, response.headers["location"])
            parts = urlsplit(address)
            if parts.netloc == urlsplit(DASHBOARD).netloc:
                return f"{parts.path}?{parts.query}"
        raise AssertionError("The provider does not send the browser back.")

    def sign_in(self, target: str = "/") -> httpx.Response:
        """All of it; what the dashboard answers at the end."""
        return self.here.get(self.through(self.begin(target)))
