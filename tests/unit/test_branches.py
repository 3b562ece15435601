"""Branches without a server: names, times, what is copied, and what policy says."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.branches.branch import NAME_LONGEST, branch_database
from appliance.branches.lifetime import lifetime
from appliance.branches.template import Candidate, choose
from appliance.errors import WrongRequestError
from appliance.postgres.twin.names import is_beside_a_twin, twin_names

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=NAME_LONGEST)
GOLDEN = Candidate("golden", "shop__golden", "run-2")
TWIN = Candidate("twin", "shop", "run-2", newest=True, users=("ann",))
FORMER = Candidate("former", "shop__prev", "run-1")


@given(NAMES, NAMES, st.sampled_from(["shop", "s" * 63, "ü" * 31, "shop-twin"]))
def test_every_name_has_a_database_of_its_own_that_can_be_written_without_quotes(
    one: str, other: str, twin: str
) -> None:
    database = branch_database(twin, one)
    assert len(database.encode()) <= 63
    assert re.search(r"__branch_[a-z0-9_]+$", database)
    assert is_beside_a_twin(database)
    assert database not in vars(twin_names(twin)).values()
    assert (database == branch_database(twin, other)) == (one == other)


def test_a_plain_name_is_kept_and_others_are_told_apart() -> None:
    assert branch_database("shop", "pay_123") == "shop__branch_pay_123"
    assert branch_database("shop", "feature/PAY-123").startswith("shop__branch_feature_pay_123_")
    for name in ("", "  ", "a\nb", "a\x00", "x" * (NAME_LONGEST + 1)):
        with pytest.raises(WrongRequestError):
            branch_database("shop", name)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_time_is_a_number_and_a_unit(text: str, time: timedelta) -> None:
    assert lifetime(text) == time


@pytest.mark.parametrize("text", ["", "3", "d", "0d", "-1d", "1.5d", "3 d", "3y", "٣d", "9999999d"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(WrongRequestError, match="no length of time"):
        lifetime(text)


def test_what_was_proven_comes_first_while_the_twin_is_of_its_run() -> None:
    assert choose([GOLDEN, TWIN, FORMER], "shop") == GOLDEN
    back = Candidate("twin", "shop", "run-1")
    assert choose([GOLDEN, back, Candidate("former", "shop__prev", "run-2", newest=True)], "shop") == back


def test_without_it_the_former_twin_unless_it_was_rolled_back_from_or_is_in_use() -> None:
    assert choose([TWIN, FORMER], "shop") == FORMER
    busy = Candidate("former", "shop__prev", "run-1", users=("ann",))
    free = Candidate("twin", "shop", "run-2", newest=True)
    assert choose([free, busy], "shop") == free
    with pytest.raises(WrongRequestError, match="ann"):
        choose([TWIN, busy], "shop")


def test_nothing_is_copied_that_is_not_there() -> None:
    for wanted in (None, "golden", "twin", "former"):
        with pytest.raises(WrongRequestError):
            choose([], "shop", wanted)  # type: ignore[arg-type]
