"""What the shared appliance needs, and tests beside it: a source and a target, the step image."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from compose.demo.stack import Stack
from tests.containers.shop import CUSTOMERS, make_shop
from tests.engine.clusters import Cluster, start_cluster

IMAGE_VARIABLE = "APPLIANCE_TEST_STEP_IMAGE"
TWINS = (
    "main",
    "moved",
    "slow",
    "kept",
    "hiccup",
    "exporting",
    "cloud",
    "asks",
    "removed",
    "handing",
    "live",
    "good",
    "gone",
    "spare",
    "fresh",
    "beside",
)
"""A connection for each workflow, since a twin has one owner."""


@pytest.fixture(scope="session")
def step_image() -> Iterator[str]:
    """The image of steps, built from this checkout (from the engine's cache, mostly)."""
    if named := os.environ.get(IMAGE_VARIABLE):
        yield named
        return
    project = f"appliance-test-{secrets.token_hex(4)}"
    Stack({**os.environ, "APPLIANCE_DEMO": project}).build_image_of("prepare")
    yield f"{project}-step"
    subprocess.run(["docker", "image", "rm", f"{project}-step"], check=False, capture_output=True)


@pytest.fixture(scope="session")
def databases() -> Iterator[Cluster]:
    """A cluster that containers reach over Docker's bridge, with the shop to copy and a role to own twins."""
    cluster = start_cluster(name="data", listen="*")
    try:
        cluster.role("reader")
        cluster.role("twin_owner", "CREATEDB")
        make_shop(cluster)
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def customers() -> int:
    """How many customers the shop has."""
    return CUSTOMERS
