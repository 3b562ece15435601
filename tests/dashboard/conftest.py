"""A dashboard in this process, over SQLite and over a real PostgreSQL."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.datastructures import State
from starlette.testclient import TestClient

from appliance.dashboard.app import create_app
from appliance.dashboard.settings import Settings
from appliance.dashboard.store.access import people, tokens
from appliance.dashboard.web.context import Context
from tests.dashboard.running import PASSWORD
from tests.dashboard.simulated_appliance import SimulatedAppliance
from tests.engine.clusters import Cluster, start_cluster

_numbers = itertools.count(1)


@cache
def _hashed() -> str:
    """The hash of everybody's password: by a cheap measure, which is read from the hash at each sign-in."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


_applications: dict[tuple[str, bool], FastAPI] = {}


def application(given: Settings, context: Context) -> FastAPI:
    """What ``create_app`` makes, put together once for all that it depends on; its state is its own."""
    depends_on = (given.releases, given.secure)
    if depends_on not in _applications:
        _applications[depends_on] = create_app(given, context)
    made = copy(_applications[depends_on])
    made.state = State({"context": context})
    return made


class Dashboard:
    """One dashboard with an admin named ada; clients for its pages and its API."""

    def __init__(self, settings: Settings) -> None:
        self.context = Context.open(settings)
        self.app = application(settings, self.context)
        self.person("ada", "admin")
        self.api = self.api_as("admin")

    def client(self, **headers: str) -> TestClient:
        return TestClient(self.app, base_url="http://dashboard.test", headers=headers, follow_redirects=False)

    def api_as(self, role: str) -> TestClient:
        _, token = tokens.create_token(self.context.database, people.SYSTEM, f"as {role}", role)
        return self.client(authorization=f"Bearer {token}")

    def person(self, name: str, role: str) -> None:
        with self.context.database.write() as session:
            session.run(
                "INSERT INTO person (id, name, password, role, created_at) VALUES (?, ?, ?, ?, 1)",
                f"id-of-{name}",
                name,
                _hashed(),
                role,
            )

    def signed_in(self, name: str = "ada") -> Browser:
        browser = Browser(self.client())
        assert browser.sign_in(name, PASSWORD).status_code == 303
        return browser

    def enrolled(self, name: str = "Hospital West") -> tuple[str, SimulatedAppliance]:
        created = self.api.post("/v1/appliances", json={"name": name}).raise_for_status().json()
        simulated = SimulatedAppliance(self.client())
        simulated.enrol(created["enrolment_token"])
        return created["appliance_id"], simulated

    def audit(self) -> list[str]:
        return [entry["action"] for entry in self.api.get("/v1/audit").raise_for_status().json()]


class Browser:
    """What a browser does: keeps cookies, and sends a form with the token that the page has."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def csrf(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.client.get(path).text)
        return found[1] if found else ""

    def post(
        self, path: str, form: dict[str, str] | None = None, *, page: str = "/account"
    ) -> httpx.Response:
        return self.client.post(path, data={"csrf": self.csrf(page), **(form or {})})

    def sign_in(self, name: str, password: str) -> httpx.Response:
        return self.post("/sign-in", {"name": name, "password": password, "next": "/"}, page="/sign-in")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL for the stores of this folder's tests."""
    made = start_cluster(name="dashboard", settings={"fsync": "off"})
    yield made
    made.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/dashboard.db"
        return
    server: Cluster = request.getfixturevalue("cluster")
    name = f"dashboard_{next(_numbers)}"
    server.create_database(name)
    yield f"postgresql://postgres:{server.passwords['postgres']}@127.0.0.1:{server.port}/{name}"
    server.drop_database(name)


def settings(tmp_path: Path, database: str = "", **changes: str | int | bool) -> Settings:
    """Settings for a dashboard that lives in a test's folder."""
    return Settings(
        database=database or f"sqlite:///{tmp_path}/dashboard.db",
        secret_key_file=str(tmp_path / "secret.key"),
        public_url="http://dashboard.test",
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture
def stored(store_url: str, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard over each kind of store: for what depends on it."""
    made = Dashboard(settings(tmp_path, store_url))
    yield made
    made.context.database.close()


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard over SQLite: for what is the same whatever the store."""
    made = Dashboard(settings(tmp_path))
    yield made
    made.context.database.close()


@pytest.fixture
def make_dashboard(tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Dashboards with settings of their own."""
    made: list[Dashboard] = []

    def make(**changes: str | int | bool) -> Dashboard:
        folder = tmp_path / str(next(_numbers))
        folder.mkdir()
        made.append(Dashboard(settings(folder, **changes)))
        return made[-1]

    yield make
    for each in made:
        each.context.database.close()
