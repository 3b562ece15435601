"""Branches where files are not cloned: it is found out, and nothing is left of the trial."""

from __future__ import annotations

from contextlib import closing

from appliance.postgres.twin.template_copy import can_clone, copy_statement
from tests.engine.clusters import Cluster


def test_before_18_no_clone_is_asked_for_and_before_15_no_way_of_copying() -> None:
    assert "STRATEGY" not in copy_statement(140012)
    assert "STRATEGY FILE_COPY" in copy_statement(150001)


def test_where_files_are_not_cloned_it_is_found_out_and_nothing_is_left(target: Cluster) -> None:
    with closing(target.connect("postgres", "twin_owner")) as admin:
        there = target.databases()
        assert not (can_clone(admin, "clones__try") and target.major < 18)
        assert target.databases() == there
