"""Text letter for letter, names on the web, and places on the map."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from appliance.masking.compiler import compile_column
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, bind, make_lab, remove_lab, spec


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def form(text: str) -> str:
    return re.sub("[0-9]", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))


def test_letters_stay_letters_and_digits_digits_and_all_else_stays(lab: Lab) -> None:
    values = [f"AB-{number:04}/xy (Zq) {number}" for number in range(300)]
    twin = lab.masked("text", values, spec("format_preserving"))
    assert [form(each) for each in twin] == [form(each) for each in values]
    assert len(set(twin)) == 300 and not set(twin) & set(values)
    for place in (0, 3, 8):
        assert len({each[place] for each in twin}) > 9
    odd = "Ærø \u2013 naïve №5 ٣ 日本\n"
    (masked,) = lab.masked("text", [odd], spec("format_preserving"))
    assert len(masked) == len(odd) and masked.isascii() is False and masked[3:6] == " \u2013 "
    assert not set("Æøï№٣日本") & set(masked) and masked[-1] == "\n"


def test_ends_are_kept_only_where_enough_is_drawn(lab: Lab) -> None:
    long, short = lab.masked(
        "text", ["AB-123456-YZ", "AB1"], spec("format_preserving", keep_first=3, keep_last=3)
    )
    assert long[:3] == "AB-" and long[-3:] == "-YZ" and long != "AB-123456-YZ"
    assert form(short) == "AA0"


def test_a_postcode_keeps_its_region(lab: Lab) -> None:
    twin = lab.masked("text", ["90210", "SW1A 1AA"] * 3, spec("postcode"))
    assert all(re.fullmatch("90[0-9]{3}|SW[0-9][A-Z] [0-9][A-Z]{2}", each) for each in twin)


def test_lorem_has_the_length_of_the_text_and_nothing_of_it(lab: Lab) -> None:
    values = ["x" * length for length in range(1, 1200, 37)] + ["lorem ipsum", "🦊🦊"]
    for value, masked in zip(values, lab.masked("text", values, spec("lorem")), strict=True):
        assert len(masked) == len(value) and masked != value and re.fullmatch("[a-z ]*", masked)
    assert lab.masked("text", ["secret", "", None], spec("blank")) == ["", "", None]


def test_names_on_the_web_are_unique_and_reach_nobody(lab: Lab) -> None:
    values = [f"HTTP://shop{number}.test/ann?x=1" for number in range(200)] + [
        "ftp://a",
        "javascript:alert(1)",
    ]
    for mask, pattern in (
        ("url", r"(http|ftp|https)://example\.com/[0-9a-f]{16}"),
        ("domain", r"[0-9a-f]{16}\.example\.com"),
        ("username", r"[a-z]+\.[a-z]+\.[0-9a-f]{16}"),
    ):
        twin = lab.masked("text", values, spec(mask))
        assert len(set(twin)) == len(values) and all(re.fullmatch(pattern, each) for each in twin)
    assert lab.masked("text", values, spec("url"))[-2].startswith("ftp://")
    assert re.fullmatch("[0-9a-f]{16}", lab.masked("varchar(16)", ["ann"], spec("username"))[0])


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Between two places (latitude, longitude) near each other."""
    (north, east), (to_north, to_east) = one, other
    across = (to_east - east) * math.cos(math.radians(north))
    return math.hypot(to_north - north, across) * 111_320


def test_a_point_moves_within_the_radius_and_anywhere_in_it(lab: Lab) -> None:
    values = [f"({13.4 + number / 1e4},{52.5 + number / 1e4})" for number in range(300)]
    twin = lab.masked("point", values, spec("position", radius_m=500), cast="point")
    apart = []
    for value, masked in zip(values, twin, strict=True):
        (east, north), (to_east, to_north) = (
            map(float, each.strip("()").split(",")) for each in (value, masked)
        )
        apart.append(metres((north, east), (to_north, to_east)))
    assert max(apart) <= 501 and min(apart) > 0
    assert 300 < sum(apart) / len(apart) < 370  # Two thirds of the radius: each place is as likely.


def test_two_columns_move_together(lab: Lab) -> None:
    lab.script("CREATE TABLE lab.place (id int PRIMARY KEY, lat numeric(9,6), lon double precision)")
    lab.script("INSERT INTO lab.place SELECT i, 60 + i / 1000.0, 24 FROM generate_series(1, 200) AS i")
    table = lab.catalog_table("place")
    chosen = {
        "lat": spec("position", radius_m=1000, axis="latitude", other="lon", domain="p"),
        "lon": spec("position", radius_m=1000, axis="longitude", other="lat", domain="p"),
    }
    columns = [
        compile_column(table, each, chosen[each.name]) for each in table.columns if each.name in chosen
    ]
    session = lab.session()
    with session.transaction():
        bind(session, columns)
        shown = ", ".join(each.sql for each in columns)
        rows = session.execute(f"SELECT lat, lon, {shown} FROM lab.place".encode()).fetchall()
    apart = [metres((float(lat), lon), (float(to_lat), to_lon)) for lat, lon, to_lat, to_lon in rows]
    assert max(apart) <= 1001 and sum(apart) / len(apart) > 550
    with pytest.raises(Exception, match="no column `nothing`"):
        compile_column(table, table.columns[1], spec("position", axis="latitude", other="nothing"))
    with pytest.raises(Exception, match="latitude or the longitude"):
        compile_column(table, table.columns[1], spec("position"))
