"""Branches by cloning files: PostgreSQL 18 on a disk that shares blocks, where this machine has both."""

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
from appliance.postgres.twin.template_copy import can_clone, copy_database, copy_statement
from tests.engine.clusters import Cluster, majors_present
from tests.engine.test_publish import Stage

FOLDER = "APPLIANCE_TEST_CLONING_FOLDER"
"""A folder on such a disk, as root makes one with mkfs.xfs in a file and mount -o loop."""


def test_before_18_no_clone_is_asked_for_and_before_15_no_way_of_copying() -> None:
    assert "STRATEGY" not in copy_statement(140012)
    assert "STRATEGY FILE_COPY" in copy_statement(150001)


def test_where_files_are_not_cloned_it_is_found_out_and_nothing_is_left(target: Cluster) -> None:
    with closing(target.connect("postgres", "twin_owner")) as admin:
        there = target.databases()
        assert not (can_clone(admin, "clones__try") and target.major < 18)
        assert target.databases() == there


@pytest.fixture(scope="module")
def cloning(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    folder = os.environ.get(FOLDER)
    if max(majors_present()) < 18 or folder is None:
        pytest.skip(f"needs PostgreSQL 18, and in {FOLDER} a folder on a disk that clones files")
    mine = Path(folder) / f"cluster-{os.getpid()}"
    mine.mkdir()
    if os.geteuid() == 0:
        shutil.chown(mine, "postgres")
    cluster = new_cluster(name="cloning", folder=mine)
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
