"""``appliance masks``, and examples wherever they are shown: from the options that are written."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from appliance.cli.work.workflows.mask_options import wanted_mask
from appliance.cli.workflows.masks import app
from appliance.dashboard.web.masks import explain
from appliance.errors import WrongRequestError
from appliance.masking.examples.shown import examples_of
from appliance.masking.registry import MASKS


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_every_mask_is_listed_with_one_line() -> None:
    lines = printed().splitlines()
    for mask in MASKS.values():
        assert sum(line.startswith(f"{mask.name} ") and mask.summary in line for line in lines) == 1


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_explained_whole(name: str) -> None:
    text, mask = printed(name), MASKS[name]
    for wanted in ("types", "unique", "hides", "lets through", *mask.params.model_fields):
        assert wanted in text
    assert all(after in text for _, after in mask.examples(mask.plain_params()))
    assert json.loads(printed(name, "--json"))["name"] == name


@given(st.integers(1, 3650))
def test_a_date_is_moved_by_no_more_days_than_are_written(days: int) -> None:
    (before, after), _ = examples_of("date_shift", {"max_days": days})
    assert 1 <= abs((date.fromisoformat(after) - date.fromisoformat(before)).days) <= days


@given(st.integers(0, 30))
def test_a_prefix_that_is_kept_is_shown_as_kept(characters: int) -> None:
    ((before, after),) = examples_of("phone", {"keep_prefix": characters})
    assert before != after
    assert len(before) == len(after)
    kept = min(characters, len(before) - 4)
    assert before[:kept] == after[:kept]


@given(st.floats(0.1, 90))
def test_a_number_moves_by_no_more_than_is_written(percent: float) -> None:
    (before, after), _ = examples_of("number_noise", {"percent": percent})
    assert 0 < abs(float(after) - float(before)) <= float(before) * percent / 100 + 0.005


def test_the_dashboard_shows_what_the_document_says() -> None:
    rows = explain(
        {
            "a.b.phone": {"mask": "phone", "keep_prefix": 3},
            "a.b.born": {"mask": "date_shift", "max_days": 60},
            "a.b.mail": "email",
            "a.b.wrong": {"mask": "phone", "keep_prefix": "many"},
            "a.b.unknown": "nothing_like_it",
        }
    )
    phone, born, mail, wrong, unknown = (row.examples for row in rows)
    assert phone[0][1].startswith("+49")
    assert phone != examples_of("phone", {})
    assert born == examples_of("date_shift", {"max_days": 60})
    assert mail[0][1].endswith("@example.com")
    assert wrong == unknown == ()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["phne"], "Did you mean phone?"),
        (["phone", "keep_prefix"], "OPTION=VALUE"),
        (["phone", "keep_prefix=many"], "keep_prefix"),
        (["phone", "prefix=3"], "did you mean"),
        (["json", "paths={a: date_shift}"], "nothing"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], says: str) -> None:
    with pytest.raises(WrongRequestError) as wrong:
        wanted_mask(arguments[0], arguments[1:])
    assert says in wrong.value.text()
