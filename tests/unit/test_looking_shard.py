"""Which shard has the source look for originals in kept columns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from appliance.steps.copy import _looking_shard


@pytest.mark.parametrize(("shards", "parallel", "looks"), [(6, 2, 0), (3, 2, 0), (2, 2, 1), (1, 4, 0)])
def test_others_are_copied_beside_the_look_where_there_are_others(
    shards: int, parallel: int, looks: int
) -> None:
    each = [SimpleNamespace(target=0, number=number) for number in range(shards)]
    plan: Any = SimpleNamespace(shards=[*each, SimpleNamespace(target=1, number=99)], parallel=parallel)
    looking: Any = _looking_shard(plan)
    assert looking.number == looks
