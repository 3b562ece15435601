"""What a rollout decides: whom each wave holds, when the next one begins, and when it stops."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.rollouts.waves import (
    SETTLED,
    TROUBLE,
    Outcome,
    Plan,
    Seen,
    next_move,
    outcome,
    share_out,
)

NOW = 1_000_000.0
PLAN = Plan("2.0.0", (5, 25, 100), stop_percent=20, watch_s=600)
SHARES = st.lists(st.integers(1, 99), unique=True, max_size=6).map(lambda found: (*sorted(found), 100))


def seen(**changes: object) -> Seen:
    given: dict[str, object] = {
        "wave": 0,
        "asked_at": NOW - 900,
        "last_seen": NOW - 10,
        "version": "1.0.0",
        "wish": "2.0.0",
        "update": None,
    }
    return Seen(**(given | changes))  # type: ignore[arg-type]


@given(st.sets(st.uuids().map(str), max_size=400), SHARES)
def test_every_appliance_is_in_one_wave_and_no_wave_before_it_is_empty(
    ids: set[str], shares: tuple[int, ...]
) -> None:
    waves = share_out(sorted(ids), shares, "seed")
    assert waves.keys() == ids
    used = sorted(set(waves.values()))
    assert used == list(range(len(used)))


@given(st.integers(1, 2000), SHARES)
def test_a_wave_holds_its_share_or_one_more_than_the_one_before(count: int, shares: tuple[int, ...]) -> None:
    waves = share_out([str(each) for each in range(count)], shares, "seed")
    begun = 0
    for wave, share in enumerate(shares):
        reached = sum(number <= wave for number in waves.values())
        assert reached == min(count, max(math.ceil(count * share / 100), begun + 1))
        begun = reached


def test_another_rollout_begins_with_other_appliances() -> None:
    ids = [str(each) for each in range(100)]
    first = {each for each, wave in share_out(ids, (5, 100), "a").items() if wave == 0}
    assert first != {each for each, wave in share_out(ids, (5, 100), "b").items() if wave == 0}


def test_an_appliance_is_as_it_reports() -> None:
    def of(**changes: object) -> Outcome:
        return outcome(seen(**changes), "2.0.0", NOW, silent_after_s=600)

    assert of(asked_at=None) == "asleep"
    assert of() == "waiting"
    assert of(update="waiting") == "waiting"
    assert of(version="2.0.0") == "moved"
    assert of(update="failed") == "failed"
    assert of(update="refused") == "refused"
    assert of(last_seen=NOW - 700) == "silent"
    assert of(wish="1.9.0") == "left"
    assert of(revoked=True) == "left"
    # It was away before it was asked, so it has not taken the wish yet.
    assert of(asked_at=NOW - 60, last_seen=NOW - 700) == "waiting"
    assert of(asked_at=NOW - 60, last_seen=None) == "waiting"


def test_the_next_wave_waits_for_all_of_this_one_and_for_the_watch() -> None:
    begun = NOW - 3600
    assert next_move(PLAN, 0, [(0, "waiting", begun), (1, "asleep", None)], NOW).kind == "none"
    assert next_move(PLAN, 0, [(0, "moved", NOW - 599), (1, "asleep", None)], NOW).kind == "none"
    assert next_move(PLAN, 0, [(0, "moved", NOW - 601), (1, "asleep", None)], NOW).kind == "next"
    assert next_move(PLAN, 1, [(0, "moved", begun), (1, "moved", begun)], NOW).kind == "done"


def test_it_stops_above_its_share_of_trouble_and_not_at_it() -> None:
    four: list[tuple[int, Outcome, float | None]] = [(0, "moved", NOW - 1)] * 4
    assert next_move(PLAN, 0, [*four, (0, "failed", NOW)], NOW).kind == "none"
    stopped = next_move(PLAN, 0, [*four[1:], (0, "failed", NOW), (0, "silent", NOW)], NOW)
    assert stopped.kind == "stop"
    assert stopped.why == "Of 5 asked, 1 went back and 1 fell silent."


def test_trouble_in_an_earlier_wave_stops_a_later_one() -> None:
    later: list[tuple[int, Outcome, float | None]] = [(1, "waiting", NOW)] * 3
    assert next_move(PLAN, 1, [(0, "silent", NOW), *later], NOW).kind == "stop"


def test_a_wave_that_policy_refuses_everywhere_ends_it() -> None:
    refused = next_move(PLAN, 0, [(0, "refused", NOW - 9999), (1, "asleep", None)], NOW)
    assert refused.kind == "stop" and "policies" in refused.why


OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    ["waiting", "moved", "refused", "left", "failed", "silent"]
)


@given(st.lists(OUTCOMES, min_size=1, max_size=60), st.integers(0, 100))
def test_no_wave_begins_while_too_many_are_in_trouble(found: list[Outcome], stop_percent: int) -> None:
    plan = Plan("2.0.0", (50, 100), stop_percent, 0)
    members: list[tuple[int, Outcome, float | None]] = [(0, each, NOW - 10) for each in found]
    move = next_move(plan, 0, [*members, (1, "asleep", None)], NOW)
    trouble = sum(each in TROUBLE for each in found)
    if trouble * 100 > stop_percent * len(found):
        assert move.kind == "stop"
    elif move.kind == "next":
        assert all(each in SETTLED | TROUBLE for each in found)
