"""Every mask on every type that it takes, on PostgreSQL 13."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab
from tests.engine.test_masks_every_value import PAIRS, asked, hold_against_its_description, values_of


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
