"""One appliance for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers.appliance_fixtures import TWINS
from tests.containers.appliance_host import GATEWAY, ApplianceHost
from tests.containers.shop import FAR, FAR_BYTES_PER_S
from tests.engine.breakable_proxy import BreakableProxy
from tests.engine.clusters import Cluster


@pytest.fixture(scope="package")
def appliance(step_image: str, databases: Cluster) -> Iterator[ApplianceHost]:
    """A running appliance that knows the shop as ``production`` and ``far``, and may write many twins.

    It ends with the folder's last test: Airflow keeps a part of a core busy also when it has nothing to do.
    """
    host = ApplianceHost(step_image)
    slow_line = BreakableProxy(databases.port, listen=GATEWAY, bytes_per_s=FAR_BYTES_PER_S)
    try:
        near = databases.connection("shop", "reader", host=GATEWAY)
        connections = {"production": near, FAR: near | {"port": slow_line.port}}
        for name in TWINS:
            connections[name] = databases.connection(f"twin_{name}", "twin_owner", host=GATEWAY)
        host.write_connections(connections)
        host.start()
        yield host
    finally:
        host.remove()
        slow_line.close()
