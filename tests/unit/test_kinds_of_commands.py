"""On a split machine each command of the dashboard is worked off by exactly one of the two services."""

from __future__ import annotations

from typing import get_args

from appliance.cloud.reporter import STATUS_KINDS
from appliance.contract.commands import Command
from appliance.dashboard.store.appliances.commands import LIFETIME_SECONDS
from appliance.status.keeping import RUNS


def test_no_kind_of_command_is_left_to_neither_service_or_to_both() -> None:
    union = get_args(Command.model_fields["request"].annotation)
    kinds = sorted(each.model_fields["kind"].default for each in union)
    assert sorted((*STATUS_KINDS, *RUNS)) == kinds == sorted(LIFETIME_SECONDS)
