"""Schedules: what is accepted really comes, and Airflow's own reader agrees with ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.workflow.cron import CronError, parse_cron


@pytest.mark.parametrize(
    "text",
    [
        "0 2 * * *",
        "*/15 * * * *",
        "0 0-23/2 * * *",
        "30 2 1,15 * *",
        "0 0 * jan,Jul mon-FRI",
        "0 0 * * 0",
        "0 0 * * 7",
        "0 0 * * 5-7",
        "0 0 * * mon-sun",
        "0 0 29 2 *",
        "0 0 31 2,12 *",
        "0 0 31 2 mon",
        "0 0 28-31/3 * *",
        "59 23 31 12 *",
    ],
)
def test_a_schedule_that_comes_is_accepted(text: str) -> None:
    parse_cron(text)
    assert croniter(text, datetime(2024, 1, 1, tzinfo=UTC)).get_next(datetime)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields"),
        ("0 2 * *", "has 4 fields"),
        ("0 0 2 * * *", "has 6 fields"),
        ("@daily", "is a nickname"),
        ("nightly", "has 1 field"),
        ("60 * * * *", "the minute 60 is out of range"),
        ("* 24 * * *", "the hour 24 is out of range"),
        ("* * 0 * *", "the day of the month 0 is out of range"),
        ("* * 32 * *", "the day of the month 32 is out of range"),
        ("* * * 13 *", "the month 13 is out of range"),
        ("* * * * 8", "the day of the week 8 is out of range"),
        ("* * * janu *", "the month `janu` is not understood"),
        ("* * * * monday", "the day of the week `monday` is not understood"),
        ("mon * * * *", "the minute `mon` is not understood"),
        ("5-1 * * * *", "the minute `5-1` runs backwards"),
        ("* * * * fri-mon", "runs backwards"),
        ("*/0 * * * *", "has a step that does not fit"),
        ("*/61 * * * *", "has a step that does not fit"),
        ("5/15 * * * *", "steps from one value"),
        ("1,,2 * * * *", "is not understood"),
        ("*-5 * * * *", "is not understood"),
        ("-1 * * * *", "is not understood"),
        ("1.5 * * * *", "is not understood"),
        ("\u0663 * * * *", "is not understood"),
        ("99999999999 * * * *", "is out of range"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("0 0 L * *", "the day of the month `L` is not understood"),
        ("0 0 * * 1#2", "is not understood"),
    ],
)
def test_a_schedule_that_cannot_come_or_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(CronError, match=message) as caught:
        parse_cron(text)
    assert caught.value.expected


def test_sunday_is_both_ends_of_a_week() -> None:
    assert parse_cron("0 0 * * 7").weekdays == frozenset({0})
    assert parse_cron("0 0 * * sat-sun").weekdays == frozenset({6, 0})
    assert parse_cron("0 0 * * *").weekdays == frozenset(range(7))


def test_steps_and_lists_are_unrolled() -> None:
    cron = parse_cron("*/20 8-18/5 1,2 6-7 *")
    assert (cron.minutes, cron.hours) == (frozenset({0, 20, 40}), frozenset({8, 13, 18}))
    assert (cron.days, cron.months) == (frozenset({1, 2}), frozenset({6, 7}))


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    item = st.one_of(
        st.just("*"),
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.integers(1, high - low + 1).map(lambda step: f"*/{step}"),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


@settings(max_examples=200)
@given(st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 7)).map(" ".join))
def test_the_scheduler_understands_whatever_we_accept(text: str) -> None:
    try:
        parse_cron(text)
    except CronError as error:
        assert "never comes" in str(error)
    else:
        assert croniter(text, datetime(2024, 1, 1, tzinfo=UTC)).get_next(datetime)


@given(st.text(alphabet="0123456789*/-,janmo ", max_size=30))
def test_any_text_is_a_schedule_or_a_cron_error(text: str) -> None:
    try:
        parse_cron(text)
    except CronError as error:
        assert str(error)
