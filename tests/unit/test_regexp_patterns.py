"""Regular expressions of the mask ``regexp``: what is refused, and what a pattern can match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.documents import strict_yaml
from appliance.masking.patterns.matching import can_hold, groups, shortest
from appliance.masking.patterns.parsing import WrongRegexpError, parse
from appliance.masking.patterns.writing import written
from appliance.masking.registry import parameter_models
from appliance.workflow.mask_check import check_masks
from tests.unit.regexp_examples import PATTERNS

REFUSED = {
    "a.*?b": "repeats as little as possible",
    "a*+": "repeats without giving back",
    "(a)\\1": "refers back",
    "(?=a)b": "looks around",
    "(?!a)b": "looks around",
    "(?<=a)b": "looks around",
    "\\bann": "looks at the edge of a word",
    "(?i)ann": "has flags in it",
    "(a": "is no regular expression",
    "[b-a]": "is no regular expression",
    "a{256}": "repeats more than 255 times",
    "(a{200}){200}": "repeats too much",
    "[^\\s\\S]": "no character is in",
    "x" * 501: "has 501 characters",
}
NEVER = ["a^b", "b$a", "($)a", "(a^)+", "x(a^|b$)y", "(^a){2}"]
EMPTY = ["a*", "(a|b?)", "^$", "^", "(a{0,3})"]


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_two_engines_would_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(WrongRegexpError, match=re.escape(REFUSED[pattern])) as refused:
        parse(pattern)
    assert refused.value.expected


@pytest.mark.parametrize("pattern", NEVER)
def test_a_pattern_that_can_match_nothing_is_known(pattern: str) -> None:
    assert shortest(parse(pattern)) is None


def test_the_shortest_match_is_known() -> None:
    lengths = {"a|bcd": 1, "[0-9]{3}-[0-9]{4}": 8, "^(ab)+$": 2, "(a|^)b": 1, "x{2,}y?": 2, "(a^|b)c": 2}
    assert {pattern: shortest(parse(pattern)) for pattern in lengths} == lengths
    assert all(shortest(parse(pattern)) == 0 for pattern in EMPTY)
    assert groups(parse("(a)(?:b)((c))")) == 3
    assert can_hold(parse("[^a]"), "é") and not can_hold(parse("[a-c]x"), "d")
    assert can_hold(parse("a", ignore_case=True), "A")


def test_what_is_wrong_is_said_where_the_mask_stands() -> None:
    for written_mask, why in {
        "{mask: regexp, pattern: 'a^b', replace: x}": "can match nothing",
        "{mask: regexp, pattern: 'a*', replace: x}": "matches an empty text too",
        "{mask: regexp, pattern: '(a', replace: x}": "is no regular expression",
        "{mask: regexp, pattern: '(a)', replace: '\\2'}": "`\\2` refers to no group",
        "{mask: regexp, pattern: 'a', replace: 'x\\'}": "refers to no group",
    }.items():
        document = strict_yaml.load(f"masks:\n  a.b.c: {written_mask}\n", "w.yaml")
        (problem,) = check_masks(document, parameter_models())
        assert why in problem.text() and problem.line == 2 and problem.expected


@given(st.sampled_from(PATTERNS), st.text(st.sampled_from("aAbz09 -.,é\n\\"), max_size=8))
def test_a_match_is_never_shorter_nor_of_other_characters_than_is_known(pattern: str, text: str) -> None:
    tree = parse(pattern)
    for found in re.finditer(pattern, text, re.ASCII):
        assert len(found[0]) >= (shortest(tree) or 0)
        assert all(can_hold(tree, sign) for sign in found[0])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nothing_is_written_that_quoting_could_miss(pattern: str) -> None:
    assert not set(written(parse(pattern))) & {"'", '"', "\0"}
