"""One of a list: as often as the weights say, and always a value of the column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script("CREATE TYPE lab.plan AS ENUM ('basic', 'plus', 'pro')")
    yield made
    remove_lab(made)


def test_weights_hold_over_many_rows(lab: Lab) -> None:
    chosen = spec("choice", values=["basic", "plus", "pro"], weights=[70, 25, 5], subject="id")
    counts = Counter(lab.masked("text", ["gold"] * 2000, chosen))
    assert set(counts) == {"basic", "plus", "pro"}
    for value, share in (("basic", 0.7), ("plus", 0.25), ("pro", 0.05)):
        assert abs(counts[value] / 2000 - share) < 0.05


def test_equal_values_get_the_same_one(lab: Lab) -> None:
    chosen = spec("choice", values=["basic", "pro"])
    assert len(set(lab.masked("text", ["gold"] * 20, chosen))) == 1
    for column_type in ("lab.plan", "varchar(5)", "char(5)"):
        twin = lab.masked(column_type, ["basic", "pro", "plus", None], chosen, cast=column_type)
        assert {each.strip() for each in twin[:3]} <= {"basic", "pro"} and twin[3] is None
    assert set(lab.masked("integer", list(range(99)), spec("choice", values=[1, 2, 3]))) == {1, 2, 3}
    assert set(lab.masked("boolean", [True] * 30, spec("choice", values=[True, False], subject="id"))) == {
        True,
        False,
    }


def test_what_is_no_value_of_the_column_is_said_before_a_row_is_read(lab: Lab) -> None:
    for column_type, params, message in (
        ("integer", {"values": ["many", 2]}, "is not a whole number"),
        ("varchar(3)", {"values": ["basic", "pro"]}, "has 5 characters, and 3 fit"),
        ("lab.plan", {"values": ["gold", "pro"]}, "is not a label of"),
        ("text", {"values": ["a", "b"], "weights": [1]}, "there are 1 weights for 2 values"),
        ("text", {"values": ["a"]}, "at least 2"),
    ):
        with pytest.raises(Exception, match=message):
            lab.shapes(column_type, spec("choice", **params))
