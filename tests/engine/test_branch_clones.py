"""Branches by cloning files, on PostgreSQL 18 and a disk that shares blocks: see `conftest.py`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.branches.server import Asked, BranchServer
from appliance.policy.branches import BranchPolicy
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.template_copy import can_clone, copy_database
from tests.engine.clusters import CLONING_FOLDER, WHEEL_MAJOR, Cluster
from tests.engine.test_publish import Stage


@pytest.fixture(scope="module")
def cloning(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    mine = Path(os.environ[CLONING_FOLDER]) / f"cluster-{os.getpid()}"
    mine.mkdir()
    if os.geteuid() == 0:
        shutil.chown(mine, "postgres")
    cluster = new_cluster(name="cloning", folder=mine, major=WHEEL_MAJOR)
    cluster.role("twin_owner", "CREATEDB")
    yield cluster


def test_a_branch_is_a_clone_by_a_role_that_may_only_create_databases(cloning: Cluster) -> None:
    stage = Stage(cloning, twin_names("shop"))
    stage.finished_next()
    replace(stage.publisher(), golden="if_cloned").publish()
    assert stage.which(stage.names.golden) == "new"
    with closing(stage.admin()) as admin:
        assert can_clone(admin, stage.names.trial)
        assert copy_database(admin, stage.names.golden, "a_copy") == "clone"
    server = BranchServer("w", "shop", BranchPolicy(), stage.admin, stage.open)
    made = server.create("a", Asked())
    assert (made.method, made.branch.marker.copy_of) == ("clone", "golden")
    assert stage.which(made.branch.database.name) == "new"
