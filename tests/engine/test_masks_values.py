"""Masks of numbers, dates, identifiers and addresses, over every value of their types."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.clusters import Cluster
from tests.engine.masking_lab import KEY, Lab, bind, keyed_hmac, make_lab, remove_lab, spec

MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RANGES = {"smallint": 15, "integer": 31, "bigint": 63}


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def whole_numbers(bits: int) -> st.SearchStrategy[int]:
    """Any number of so many bits, the ends and the smallest ones often."""
    ends = [-(1 << bits), (1 << bits) - 1, -1, 0, 1, 2, -2, 10]
    return st.sampled_from(ends) | st.integers(-(1 << bits), (1 << bits) - 1) | st.integers(-100, 100)


@pytest.mark.parametrize("column_type", RANGES)
@MANY
@given(data=st.data())
def test_noise_in_percent_keeps_the_sign_and_zero_and_is_never_nothing(
    lab: Lab, column_type: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | whole_numbers(RANGES[column_type]), min_size=1, max_size=25))
    for value, masked in zip(
        values, lab.masked(column_type, values, spec("number_noise", percent=10)), strict=True
    ):
        if not value:
            assert masked == value
            continue
        assert masked != value
        assert (masked > 0) == (value > 0)
        # A tenth, rounded: 17 may become 15.
        farthest = max(1, abs(value) // 9, (abs(value) + 5) // 10)
        assert abs(masked - value) <= farthest + 1024 * (abs(value) > 1 << 52)


@pytest.mark.parametrize("column_type", RANGES)
@MANY
@given(data=st.data())
def test_noise_by_an_amount_moves_every_number(lab: Lab, column_type: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(whole_numbers(RANGES[column_type]), min_size=1, max_size=25))
    for value, masked in zip(
        values, lab.masked(column_type, values, spec("number_noise", amount=5)), strict=True
    ):
        assert masked != value
        assert abs(masked - value) <= 6 + 1024 * (abs(value) > 1 << 52)


NUMERICS = {
    "numeric": st.decimals("-1e900", "1e900", allow_nan=False)
    | st.sampled_from([Decimal("NaN"), Decimal("-0.000001"), Decimal("9e131000"), Decimal("1e-16000")]),
    "numeric(10,2)": st.decimals("-99999999.99", "99999999.99", places=2)
    | st.sampled_from([Decimal("99999999.99"), Decimal("-99999999.99"), Decimal("0.01"), Decimal("NaN")]),
    "numeric(1,0)": st.decimals("-9", "9", places=0),
    "numeric(2,2)": st.decimals("-0.99", "0.99", places=2),
    "numeric(4,-2)": st.integers(-9999, 9999).map(lambda number: Decimal(number * 100)),
}


@pytest.mark.parametrize("column_type", NUMERICS)
@pytest.mark.parametrize("limit", [{"percent": 10}, {"amount": 3}])
@MANY
@given(data=st.data())
def test_noise_on_numeric_fits_its_precision(
    lab: Lab, column_type: str, limit: dict[str, Any], data: st.DataObject
) -> None:
    values = data.draw(st.lists(NUMERICS[column_type], min_size=1, max_size=20))
    for value, masked in zip(
        values, lab.masked(column_type, values, spec("number_noise", **limit)), strict=True
    ):
        if value.is_nan():
            assert masked.is_nan()
        elif value == 0 and "percent" in limit:
            assert masked == 0
        else:
            assert masked != value
            assert "amount" in limit or (masked > 0) == (value > 0) or abs(value) < Decimal("1e-1000")


def test_noise_moves_the_smallest_numerics_too(lab: Lab) -> None:
    smallest = ["1e-16383", "-1e-16383", "3e-16383", "1e-16380", "0"]
    twin = lab.masked("numeric", smallest, spec("number_noise", percent=10), cast="numeric")
    for value, masked in zip(map(Decimal, smallest), map(Decimal, twin), strict=True):
        assert (masked == 0) if value == 0 else masked != value and (masked > 0) == (value > 0)


def test_noise_leaves_infinite_numerics(lab: Lab) -> None:
    twin = lab.masked("numeric", ["Infinity", "-Infinity", "NaN"], spec("number_noise"), cast="numeric")
    assert twin == ["Infinity", "-Infinity", "NaN"]


@pytest.mark.parametrize("column_type", ["real", "double precision"])
@pytest.mark.parametrize("limit", [{"percent": 90}, {"percent": 0.1}, {"amount": 0.5}, {"amount": 1e15}])
@MANY
@given(data=st.data())
def test_noise_on_floats_never_overflows_and_never_underflows(
    lab: Lab, column_type: str, limit: dict[str, float], data: st.DataObject
) -> None:
    width = 32 if column_type == "real" else 64
    special = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan]
    values = data.draw(
        st.lists(st.sampled_from(special) | st.floats(width=width), min_size=1, max_size=25)  # type: ignore[arg-type]
    )
    for value, masked in zip(
        values, lab.masked(column_type, values, spec("number_noise", **limit)), strict=True
    ):
        if math.isnan(value):
            assert math.isnan(masked)
        elif math.isinf(value) or (value == 0 and "percent" in limit):
            assert masked == value
        else:
            assert masked != value and math.isfinite(masked)


DATES = st.sampled_from(
    [
        *("infinity", "-infinity", "5874897-12-31", "5874897-01-01", "4713-11-24 BC", "0001-01-01 BC"),
        *("0001-01-01", "2024-02-29", "1582-10-10", "1970-01-01", "9999-12-31"),
    ]
) | st.dates().map(str)
TIMES = st.sampled_from(
    [
        *("infinity", "-infinity", "294276-12-31 23:59:59.999999", "4713-11-24 00:00:00 BC"),
        *("2024-03-31 02:30:00", "1883-11-18 12:00:00", "0044-03-15 10:00:00 BC"),
    ]
) | st.datetimes().map(str)


@pytest.mark.parametrize(
    ("column_type", "values"), [("date", DATES), ("timestamp", TIMES), ("timestamptz", TIMES)]
)
@MANY
@given(data=st.data())
def test_dates_move_by_whole_days_and_never_by_none(
    lab: Lab, column_type: str, values: st.SearchStrategy[str], data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(st.none() | values, min_size=1, max_size=20))
    lab.masked(column_type, drawn, spec("date_shift", max_days=30), cast=column_type)
    table = lab.table_of(column_type)
    days = "s.v - t.v" if column_type == "date" else "extract(epoch FROM s.v - t.v) / 86400"
    rows = (
        lab.session()
        .execute(
            f"SELECT isfinite(s.v), s.v = t.v, CASE WHEN isfinite(s.v) THEN ({days})::numeric END"
            f" FROM lab.{table.name} AS s JOIN lab.{table.name}_twin AS t USING (id) ORDER BY id".encode()
        )
        .fetchall()
    )
    for value, (finite, same, moved) in zip(drawn, rows, strict=True):
        if value is None:
            assert finite is None
        elif not finite:
            assert same
        else:
            assert moved == int(moved) and 1 <= abs(moved) <= 30


def test_dates_of_one_subject_keep_their_intervals_across_tables_and_types(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.stay (n int PRIMARY KEY, patient bigint, came date, went timestamptz);"
        "CREATE TABLE lab.bill (n int PRIMARY KEY, patient int, sent timestamp);"
        "INSERT INTO lab.stay SELECT n, n % 7, date '2020-01-01' + n, '2020-01-01 10:00+00'::timestamptz"
        " + make_interval(hours => 24 * (n + 3)) FROM generate_series(1, 40) AS g (n);"
        "INSERT INTO lab.bill SELECT n, n % 7, timestamp '2020-01-01' + make_interval(days => n + 30)"
        " FROM generate_series(1, 40) AS g (n);"
    )
    shifts: dict[int, set[int]] = {}
    for table_name, column_name in (("stay", "came"), ("stay", "went"), ("bill", "sent")):
        table = lab.catalog_table(table_name)
        column = next(column for column in table.columns if column.name == column_name)
        from appliance.masking.compiler import compile_column

        compiled = compile_column(table, column, spec("date_shift", subject="patient"))
        session = lab.session()
        with session.transaction():
            session.execute("SET LOCAL timezone = 'Europe/Vienna'")
            bind(session, [compiled], KEY)
            moved = f"{compiled.sql}::timestamp - {column_name}::timestamp"
            query = f"SELECT patient, round(extract(epoch FROM {moved}) / 86400)::int FROM lab.{table_name}"
            for patient, days in session.execute(query.encode()):
                shifts.setdefault(patient, set()).add(days)
    assert all(len(found) == 1 for found in shifts.values())
    assert len({next(iter(found)) for found in shifts.values()}) > 3


@pytest.mark.parametrize("column_type", RANGES)
@MANY
@given(data=st.data())
def test_a_hashed_number_stays_one_of_its_type_with_its_sign(
    lab: Lab, column_type: str, data: st.DataObject
) -> None:
    numbers = whole_numbers(RANGES[column_type])
    values = data.draw(st.lists(numbers, min_size=1, max_size=30, unique=True))
    twin = lab.masked(column_type, values, spec("hash"))
    assert len(set(twin)) == len(values)
    assert all((masked < 0) == (value < 0) for value, masked in zip(values, twin, strict=True))


def test_hashing_whole_numbers_is_a_permutation(lab: Lab) -> None:
    compiled = lab.shapes("smallint", spec("hash"))
    with lab.session().transaction():
        bind(lab.session(), [compiled], KEY)
        query = (
            f"SELECT count(DISTINCT {compiled.sql}), count(*) FILTER (WHERE {compiled.sql} = v),"
            " corr(v, " + compiled.sql + ") FROM (SELECT n::smallint AS v"
            " FROM generate_series(-32768, 32767) AS g (n)) AS everything WHERE v >= 0"
        )
        distinct, fixed, correlation = lab.session().execute(query.encode()).fetchall()[0]
    assert distinct == 32768
    assert fixed < 12
    assert abs(correlation) < 0.05


def test_a_hashed_uuid_is_a_random_uuid(lab: Lab) -> None:
    values = [uuid.UUID(int=number) for number in range(200)]
    twin = lab.masked("uuid", [*values, None], spec("hash"))
    assert twin[-1] is None and len(set(twin)) == 201
    assert all(each.version == 4 and each.variant == uuid.RFC_4122 for each in twin[:-1])


@MANY
@given(values=st.lists(st.none() | st.binary(max_size=80), min_size=1, max_size=20))
def test_hashed_bytes_are_pythons_own_hmac(lab: Lab, values: list[bytes | None]) -> None:
    twin = lab.masked("bytea", values, spec("hash"))
    for value, masked in zip(values, twin, strict=True):
        assert masked == (None if value is None else keyed_hmac(value, b"b"))


def test_a_hashed_address_is_a_private_one_of_its_family(lab: Lab) -> None:
    addresses = ["192.0.2.7", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", None]
    twin = lab.masked("inet", addresses, spec("hash"), cast="inet")
    assert twin[0].startswith("10.") and twin[1].endswith("/24") and twin[1].startswith("10.")
    assert twin[2].startswith("fd00:") and twin[3].endswith("/32")
    assert twin[4] is None
