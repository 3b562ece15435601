"""pydantic's complaints in our words, at their place in the document."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, StringConstraints

from appliance.documents.model import StrictModel, model_at, validate
from appliance.documents.problems import WrongDocumentError
from appliance.documents.strict_yaml import load


class Inner(StrictModel):
    """A section."""

    size: int = Field(strict=True, gt=0, lt=10, examples=[3])
    word: Annotated[str, StringConstraints(pattern="^[a-z]+$")] = "a"


class Outer(StrictModel):
    """A document."""

    inner: Inner | None = None
    many: tuple[Inner, ...] = Field(default=(), max_length=2)
    some: tuple[Inner, ...] | None = Field(default=None, min_length=2)
    named: dict[str, Inner] = Field(default_factory=dict)
    either: str | tuple[str, ...] = "x"
    flag: bool = Field(default=False, strict=True)
    share: float = Field(default=0.0, ge=0, le=1)


def problems(text: str) -> list[str]:
    with pytest.raises(WrongDocumentError) as caught:
        validate(Outer, load(text, "d"))
    return [problem.text() for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("inner: {}", ["d:1: inner.size: is missing; expected for example 3"]),
        ("inner: {size: 0}", ["d:1: inner.size: `0` is out of range; expected more than 0"]),
        ("inner: {size: 10}", ["d:1: inner.size: `10` is out of range; expected less than 10"]),
        ("inner: {size: 1, word: A}", [
            "d:1: inner.word: `A` is not allowed; expected text of the form ^[a-z]+$"
        ]),
        ("inner: []", ["d:1: inner: a list is not a mapping; expected a mapping"]),
        ("many:\n- {size: 1}\n- {sise: 1}", [
            "d:3: many[1].size: is missing; expected for example 3",
            "d:3: many[1].sise: is not a known key (did you mean size?); expected one of: size, word",
        ]),
        ("many: [{size: 1}, {size: 1}, {size: 1}]", ["d:1: many: is too long; expected at most 2"]),
        ("some: [{size: 1}]", ["d:1: some: has 1; expected at least 2"]),
        ("some: []", ["d:1: some: is empty; expected something"]),
        ("some: [{size: 1}, {size: 0}]", ["d:1: some[1].size: `0` is out of range; expected more than 0"]),
        ("named: {'a.b': {size: x}}", [
            'd:1: named."a.b".size: `x` is not a whole number; expected a whole number, for example 3'
        ]),
        ("either: 5", [
            "d:1: either: `5` is not text; expected text",
            "d:1: either: `5` is not a list; expected a list",
        ]),
        ("either: [a, 5]", [
            "d:1: either[1]: `5` is not text; expected text",
        ]),
        ("flag: 'true'", ['d:1: flag: `"true"` is not true or false; expected true or false']),
        ("share: .nan", ["d:1: share: `.nan` is not a number; expected a number"]),
        (f"share: {'x' * 100}", [f"d:1: share: `{'x' * 60}…` is not a number; expected a number"]),
    ],
)  # fmt: skip
def test_each_error_says_where_what_and_what_was_expected(text: str, found: list[str]) -> None:
    assert problems(text) == found


def test_a_model_is_found_by_the_path_of_its_keys() -> None:
    assert model_at(Outer, ()) is Outer
    assert model_at(Outer, ("inner",)) is Inner
    assert model_at(Outer, ("many", 3)) is Inner
    assert model_at(Outer, ("named", "any")) is Inner
    assert model_at(Outer, ("flag",)) is None
    assert model_at(Outer, ("nothing", "here")) is None
