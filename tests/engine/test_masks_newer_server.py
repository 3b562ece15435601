"""Every mask on every type that it takes, on PostgreSQL 17."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab
from tests.engine.test_masks_every_value import PAIRS, VALUES, asked, hold_against_its_description


@pytest.fixture(scope="module")
def lab(postgres17: Cluster) -> Iterator[Lab]:
    made = make_lab(postgres17)
    made.script("CREATE EXTENSION hstore WITH SCHEMA public")
    yield made
    remove_lab(made)


@pytest.mark.parametrize("name", [name for name in MASKS if any(name == each for each, _ in PAIRS)])
def test_a_mask_keeps_its_promises_on_a_newer_server_too(lab: Lab, name: str) -> None:
    for each, column_type in PAIRS:
        if each == name:
            hold_against_its_description(lab, name, column_type, VALUES[column_type], asked(name)[-1])
