"""The dashboard sees which numbers are missing, in whatever order the others come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.store.run_history.numbering import MAX_GAPS, Numbering

numbers = st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=10)


@given(numbers)
def test_what_is_missing_is_exactly_what_has_not_come(batches: list[list[int]]) -> None:
    numbering = Numbering()
    for batch in batches:
        numbering = numbering.receive(batch)
    come = {number for batch in batches for number in batch}
    assert numbering.highest == max(come, default=0)
    assert {n for n in range(1, 61) if numbering.has(n)} == come
    assert numbering.missing == numbering.highest - len(come)
    assert list(numbering.gaps) == sorted(numbering.gaps)


@given(numbers)
def test_order_and_repetition_make_no_difference(batches: list[list[int]]) -> None:
    there, back = Numbering(), Numbering()
    for batch in batches:
        there = there.receive(batch)
    for batch in reversed(batches):
        back = back.receive(batch).receive(batch)
    assert there == back


def test_a_stream_full_of_holes_is_bounded() -> None:
    numbering = Numbering().receive(range(2, 3 * MAX_GAPS, 2))
    assert len(numbering.gaps) == MAX_GAPS
    assert numbering.gaps[-1][1] == numbering.highest - 1
