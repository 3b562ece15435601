"""The real dashboard in a process of its own, appliances' halves beside it, and a breakable way there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.dashboard.running import RunningDashboard, running_dashboard
from tests.engine.breakable_proxy import BreakableProxy, breakable_proxy
from tests.engine.clusters import Cluster, start_cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def state_cluster() -> Iterator[Cluster]:
    """The PostgreSQL that holds the appliances' own databases."""
    made = start_cluster(name="cloud-state", settings={"fsync": "off"})
    yield made
    made.remove()


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """One dashboard over SQLite for all tests; each has an appliance of its own there."""
    folder = tmp_path_factory.mktemp("dashboard")
    with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="3") as running:
        yield running


@pytest.fixture(scope="session")
def api_token(dashboard: RunningDashboard) -> str:
    return dashboard.command("create-token", "tests", "--role", "admin").splitlines()[-1]


@pytest.fixture
def cloud(dashboard: RunningDashboard, api_token: str) -> Iterator[CloudSide]:
    """A new appliance on the dashboard, not enrolled yet."""
    with dashboard.client(api_token) as api:
        made = (
            api.post("/v1/appliances", json={"name": f"Hospital {next(_numbers)}"}).raise_for_status().json()
        )
        store = dashboard.environment["DASHBOARD_DATABASE"].removeprefix("sqlite:///")
        yield CloudSide(api, made["appliance_id"], made["enrolment_token"], Path(store))


@pytest.fixture
def rig(state_cluster: Cluster, tmp_path: Path) -> Iterator[ApplianceRig]:
    """An appliance that is not enrolled yet."""
    name = f"cloud_{next(_numbers)}"
    state_cluster.create_database(name)
    password = state_cluster.passwords["postgres"]
    url = f"postgresql://postgres:{password}@127.0.0.1:{state_cluster.port}/{name}"
    made = ApplianceRig(tmp_path / "appliance", url)
    yield made
    made.reporter.background.stop()
    made.db.close()
    made.store.close()
    state_cluster.drop_database(name)


@pytest.fixture
def proxy(dashboard: RunningDashboard) -> Iterator[BreakableProxy]:
    """The way to the dashboard, which can be cut and stalled."""
    with breakable_proxy(int(dashboard.url.rsplit(":", 1)[1])) as made:
        yield made


@pytest.fixture
def enrolled(rig: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy) -> ApplianceRig:
    """An appliance that has enrolled by way of the proxy and was heard of once."""
    rig.enrol(f"http://127.0.0.1:{proxy.port}", cloud.enrolment_token)
    rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
    return rig
