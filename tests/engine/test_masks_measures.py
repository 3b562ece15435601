"""Numbers, dates and times that say less, held against Python's own arithmetic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def test_a_number_is_rounded_to_the_nearest_multiple(lab: Lab) -> None:
    values = [Decimal(number) / 4 for number in range(-60, 60)]
    twin = lab.masked("numeric(6,2)", values, spec("round", to=2.5))
    step = Decimal("2.5")
    assert twin == [(each / step).quantize(Decimal(1), ROUND_HALF_UP) * step for each in values]


def test_a_bucket_has_one_number_for_all_of_it(lab: Lab) -> None:
    ages = list(range(-3, 100))
    assert lab.masked("smallint", ages, spec("bucket", size=10)) == [age // 10 * 10 for age in ages]
    middle = lab.masked("integer", ages, spec("bucket", size=10, show="middle"))
    assert middle == [age // 10 * 10 + 5 for age in ages]
    bands = lab.masked("integer", ages, spec("bucket", bounds=[0, 18, 30, 65]))
    assert bands == [max([low for low in (0, 18, 30, 65) if low <= age] or [0]) for age in ages]


def test_outliers_become_the_limit_and_all_else_stays(lab: Lab) -> None:
    assert lab.masked("integer", [-5, 3, 200], spec("clamp", min=0, max=90)) == [0, 3, 90]


@pytest.mark.parametrize(("column_type", "low", "high"), [("integer", 1, 5), ("numeric(6,2)", 0, 100)])
def test_noise_stays_between_its_bounds(lab: Lab, column_type: str, low: int, high: int) -> None:
    values = [low + number % (high - low + 1) for number in range(300)]
    chosen = spec("number_noise", amount=3, min=low, max=high)
    twin = lab.masked(column_type, values, chosen)
    assert all(low <= each <= high for each in twin)
    assert (
        all(value != masked for value, masked in zip(values, twin, strict=True)) or column_type != "integer"
    )


@pytest.mark.parametrize("column_type", ["integer", "numeric(8,2)", "double precision", "real"])
def test_a_random_number_is_between_its_ends_and_uses_all_of_them(lab: Lab, column_type: str) -> None:
    twin = lab.masked(column_type, list(range(600)), spec("random_number", min=-5, max=15))
    assert all(-5 <= each <= 15 for each in twin)
    assert len({int(each) for each in twin}) >= 19


def test_a_random_date_is_between_its_ends(lab: Lab) -> None:
    first, last = dt.date(1950, 1, 1), dt.date(1950, 1, 31)
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=number) for number in range(400)]
    twin = lab.masked("date", days, spec("random_date", earliest=str(first), latest=str(last)))
    assert {first + dt.timedelta(days=number) for number in range(31)} == set(twin)


def test_a_date_becomes_the_beginning_of_its_month(lab: Lab) -> None:
    days = [dt.date(1999, 12, 1) + dt.timedelta(days=number) for number in range(500)]
    assert lab.masked("date", days, spec("date_round")) == [day.replace(day=1) for day in days]
    moments = ["2024-03-01 00:30+02", "2024-02-29 23:30-02"]
    cut = lab.masked("timestamptz", moments, spec("date_round"), cast="timestamptz")
    assert [each[:10] for each in cut] == ["2024-02-01", "2024-03-01"]


def test_an_age_stays_in_its_band_and_another_person_gets_another_one(lab: Lab) -> None:
    twin = lab.masked("integer", [37] * 200, spec("age_band", years=5))
    assert set(twin) == {35, 36, 37, 38, 39}
    days = [dt.date(1984, 3, 5)] * 200
    births = lab.masked("date", days, spec("age_band", years=4))
    assert all(1984 <= each.year <= 1987 for each in births) and len(set(births)) > 150


def test_a_time_of_day_moves_and_its_date_stays(lab: Lab) -> None:
    moments = [dt.datetime(2024, 2, 29) + dt.timedelta(minutes=number) for number in range(0, 1440, 7)]
    for value, masked in zip(
        moments, lab.masked("timestamp", moments, spec("time_shift", max_minutes=90)), strict=True
    ):
        apart = abs((masked - value).total_seconds())
        assert masked.date() == value.date() and 0 < min(apart, 86_400 - apart) <= 5400


def test_what_does_not_fit_is_said_before_a_row_is_read(lab: Lab) -> None:
    with pytest.raises(Exception, match="out of range for smallint"):
        lab.shapes("smallint", spec("clamp", max=40_000))
    with pytest.raises(Exception, match="more digits after the point than integer keeps"):
        lab.shapes("integer", spec("round", to=0.5))
    with pytest.raises(Exception, match="would change nothing"):
        lab.shapes("date", spec("date_round", to="day"))
    with pytest.raises(Exception, match="min is not less than max"):
        lab.shapes("integer", spec("random_number", min=5, max=5))
    with pytest.raises(Exception, match="one of them"):
        lab.shapes("integer", spec("bucket"))


def test_the_ranges_of_a_multirange_move_together(lab: Lab) -> None:
    values = ["{[2024-01-01,2024-02-01),[2024-03-01,2024-03-05)}", "{}", "{(,)}", "{(,infinity]}", None]
    asked = spec("range_shift", max_days=400)
    moved, *others = lab.masked("datemultirange", values, asked, cast="datemultirange")
    assert others == values[1:]
    found = lab.session().execute(
        "SELECT upper(r) - lower(r), lower(r) - lag(upper(r)) OVER (ORDER BY r), lower(r) - date '2024-01-01'"
        " FROM unnest(%s::datemultirange) AS r",
        (moved,),
    )
    (first, _, shift), (second, gap, _) = found.fetchall()
    assert (first, gap, second) == (31, 29, 4) and 0 < abs(shift) <= 400
