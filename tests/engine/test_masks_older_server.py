"""Every mask on every type that it takes, on PostgreSQL 13, and a run with the catalogue from 13 to 13."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.masking.registry import MASKS
from appliance.system.postgres_programs import PG_DUMP_VARIABLE
from tests.engine.clusters import WHEEL_MAJOR, Cluster, program
from tests.engine.masking_lab import Lab, make_lab, remove_lab
from tests.engine.test_masks_every_value import PAIRS, asked, hold_against_its_description, values_of
from tests.engine.test_verify_catalogue import columns_of, copied


@pytest.fixture(scope="module")
def lab(older: Callable[[int], Cluster]) -> Iterator[Lab]:
    made = make_lab(older(13))
    made.script("CREATE EXTENSION hstore WITH SCHEMA public")
    yield made
    remove_lab(made)


@pytest.mark.parametrize("name", [name for name in MASKS if any(name == each for each, _ in PAIRS)])
def test_a_mask_keeps_its_promises_on_the_oldest_server_too(lab: Lab, name: str) -> None:
    for each, column_type in PAIRS:
        values = values_of(13, column_type)
        if each == name and values:
            hold_against_its_description(lab, name, column_type, values, asked(name)[-1])


def test_what_the_masks_of_a_run_make_on_13_is_proven(
    older: Callable[[int], Cluster], run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PG_DUMP_VARIABLE, program(WHEEL_MAJOR, "pg_dump"))
    cluster = older(13)
    cluster.create_database("catalogue")
    try:
        run = copied(cluster, "catalogue", cluster, "catalogue_twin", run_folder)
        assert run.verify().masked_columns == len(columns_of(13))
    finally:
        cluster.drop_database("catalogue")
        cluster.drop_database("catalogue_twin__next")
