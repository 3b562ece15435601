"""Waiting after failures: longer each time, never for ever, and never all appliances at once."""

from __future__ import annotations

import pytest

from appliance.cloud.backoff import FIRST_WAIT_S, LONGEST_WAIT_S, Backoff


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still unless it is moved."""
    now = [1000.0]
    monkeypatch.setattr("appliance.cloud.backoff.time.monotonic", lambda: now[0])
    return now


def test_each_failure_doubles_the_wait_up_to_a_bound(clock: list[float]) -> None:
    backoff = Backoff()
    assert backoff.is_over
    expected = FIRST_WAIT_S
    for _ in range(60):
        backoff.failed()
        assert expected / 2 <= backoff.remaining_s <= expected
        expected = min(expected * 2, LONGEST_WAIT_S)
    assert expected == LONGEST_WAIT_S


def test_no_two_appliances_wait_the_same_time(clock: list[float]) -> None:
    waits = set()
    for _ in range(50):
        backoff = Backoff()
        for _ in range(8):
            backoff.failed()
        waits.add(backoff.remaining_s)
    assert len(waits) == 50 and max(waits) - min(waits) > 20, "spread over half of the wait"


def test_it_is_over_when_its_time_has_come_and_success_begins_anew(clock: list[float]) -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed()
    assert not backoff.is_over
    clock[0] += LONGEST_WAIT_S
    assert backoff.is_over
    backoff.succeeded()
    backoff.failed()
    assert backoff.remaining_s <= FIRST_WAIT_S


def test_what_the_dashboard_asks_for_is_waited_at_least(clock: list[float]) -> None:
    backoff = Backoff()
    backoff.failed(at_least_s=120)
    assert backoff.remaining_s == 120
