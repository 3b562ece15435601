"""The cloud may ask for so much and no more: how often, how long, how many at a time."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.policy.policy import Policy, check_workflow
from appliance.workflow.cron import parse_cron
from appliance.workflow.cron_interval import least_interval_min
from tests.unit.example_documents import workflow

FROM_CLOUD = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}


def rules(policy: dict[str, Any], *, origin: Any = "cloud", **changes: Any) -> list[str]:
    found = check_workflow(Policy.model_validate(FROM_CLOUD | policy), workflow(**changes), origin=origin)
    return [each.rule for each in found]


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("* * * * *", 1),
        ("*/15 * * * *", 15),
        ("0,50 * * * *", 10),
        ("0 * * * *", 60),
        ("30 2 * * *", 1_440),
        ("0 0,23 * * *", 60),
        ("0 2 * * 0", 7 * 1_440),
        ("0 2 * * 1,2", 1_440),
        ("0 2 1 * *", 28 * 1_440),
        ("0 2 1 * 1", 1_440),
        ("0 0 1 1 *", 365 * 1_440),
        ("59 23 31 12 *", 365 * 1_440),
        ("0 2 29 2 *", 4 * 365 * 1_440 + 1_440),
    ],
)
def test_the_shortest_time_between_two_moments_of_a_schedule(schedule: str, minutes: int) -> None:
    assert least_interval_min(parse_cron(schedule)) == minutes


def test_the_cloud_may_not_schedule_more_often_than_the_owner_allows() -> None:
    assert rules({"min_interval_min": 60}, schedule="*/15 * * * *") == ["min_interval_min"]
    assert rules({"min_interval_min": 60}, schedule="0 * * * *") == []
    assert rules({"min_interval_min": 60}, schedule=None) == []
    assert rules({"min_interval_min": 60}, schedule="* * * * *", origin="local") == []


def test_the_cloud_may_not_copy_more_at_a_time() -> None:
    assert rules({"max_parallel": 2}, limits={"parallel": 3}) == ["max_parallel"]
    assert rules({"max_parallel": 2}, limits={"parallel": 2}) == []
    assert rules({"max_parallel": 2}, limits={"parallel": 64}, origin="local") == []


def test_the_cloud_may_not_hold_a_snapshot_longer() -> None:
    assert rules({"snapshot_max_min": 60}, limits={"run_timeout_min": 240}) == ["snapshot_max_min"]
    assert rules({"snapshot_max_min": 60}, limits={"run_timeout_min": 60}) == []
    assert rules({"snapshot_max_min": 60}, limits={"run_timeout_min": 240}, origin="local") == []


def test_a_refusal_says_what_was_asked_for_and_what_may_be() -> None:
    policy = Policy.model_validate(FROM_CLOUD | {"max_parallel": 2, "min_interval_min": 1_440})
    asked = workflow(limits={"parallel": 8}, schedule="0 */6 * * *")
    parallel, interval = check_workflow(policy, asked, origin="cloud")
    assert "8" in parallel.what and "at most 2" in parallel.what
    assert "360 minutes" in interval.what and "1440" in interval.what
