"""Patterns over names: exact, quotable, and comparable by how much they say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.workflow.matching.patterns import PatternError, literal_pattern, parse_pattern, quote_name


@pytest.mark.parametrize(
    ("pattern", "names", "matches"),
    [
        ("public.customer.email", ("public", "customer", "email"), True),
        ("public.customer.email", ("public", "customer", "Email"), False),
        ("public.Customer.EMail", ("public", "Customer", "EMail"), True),
        ("*.*.ssn", ("crm", "person", "ssn"), True),
        ("*.*.ssn", ("crm", "person", "ssn2"), False),
        ("public.audit_*.*", ("public", "audit_", "x"), True),
        ("public.*_log_*.*", ("public", "web_log_2024", "x"), True),
        ("public.*_log_*.*", ("public", "weblog", "x"), False),
        ("public.a*a.x", ("public", "a", "x"), False),
        ("public.a*a.x", ("public", "aa", "x"), True),
        ("public.a**b.x", ("public", "a__b", "x"), True),
        ("public.größe.straße", ("public", "größe", "straße"), True),
        ('public."Order.Lines".email', ("public", "Order.Lines", "email"), True),
        ('public."a*".x', ("public", "a*", "x"), True),
        ('public."a*".x', ("public", "ab", "x"), False),
        ('public."say ""hi""".x', ("public", 'say "hi"', "x"), True),
        ('public."My.Log_"*.x', ("public", "My.Log_2024", "x"), True),
        ('public.*"."*.x', ("public", "a.b", "x"), True),
        ('public.*"."*.x', ("public", "ab", "x"), False),
        ("a$b.c-d.e/f", ("a$b", "c-d", "e/f"), True),
    ],
)
def test_a_pattern_matches_names_as_they_are_stored(
    pattern: str, names: tuple[str, ...], matches: bool
) -> None:
    assert parse_pattern(pattern, 3).matches(*names) is matches


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "has an empty part"),
        ("public..email", "has an empty part"),
        (".a.b", "has an empty part"),
        ("a.b.", "has an empty part"),
        ("customer", "has 1 part"),
        ("public.customer", "has 2 parts"),
        ("a.b.c.d", "has 4 parts"),
        ("public.order lines.x", "has white space outside double quotes"),
        (" a.b.c", "has white space outside double quotes"),
        ('public."order.x', "has a double quote that is not closed"),
        ('public."".x', "has a double quote that is not closed"),
    ],
)
def test_what_is_not_a_pattern_is_refused_with_an_example(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=message) as caught:
        parse_pattern(pattern, 3)
    assert "public.customer.email" in caught.value.expected


def test_the_more_specific_pattern_is_greater() -> None:
    ascending = [
        "*.*.*",
        "public.*.*",
        "*.c*.*",
        "*.cust*.*",
        "*.customer.*",
        "public.customer.*",
        "*.*.e*",
        "public.customer.*mail",
        "*.*.email",
        "public.*.email",
        "*.customer.email",
        "pub*.customer.email",
        "public.customer.email",
    ]
    specificities = [parse_pattern(text, 3).specificity for text in ascending]
    assert specificities == sorted(specificities)
    assert len(set(specificities)) == len(specificities)


def test_patterns_that_say_the_same_amount_are_equal() -> None:
    for one, other in (("*.*.pass*", "*.*.*word"), ("a.b.c", '"a"."b"."c"'), ("*.x.y", "**.x.y")):
        assert parse_pattern(one, 3).specificity == parse_pattern(other, 3).specificity


NAMES = st.text(min_size=1, max_size=12)


@given(NAMES, NAMES, NAMES)
def test_the_literal_pattern_of_any_names_matches_them_and_is_literal(
    schema: str, table: str, column: str
) -> None:
    pattern = parse_pattern(literal_pattern(schema, table, column), 3)
    assert pattern.literal
    assert pattern.matches(schema, table, column)
    assert pattern.names == (schema, table, column)


@given(st.text(alphabet="ab*", min_size=1, max_size=10), st.text(alphabet="ab", max_size=12))
def test_wildcards_mean_what_a_regular_expression_says(part: str, name: str) -> None:
    expression = re.sub(r"\*+", ".*", part)
    assert parse_pattern(f"s.{part}", 2).matches("s", name) == bool(re.fullmatch(expression, name))


def test_a_pattern_full_of_wildcards_is_matched_without_backtracking() -> None:
    hostile = "s." + "*a" * 30 + "*b"
    assert not parse_pattern(hostile, 2).matches("s", "a" * 63)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_pattern_error(text: str) -> None:
    try:
        parse_pattern(text, 2)
    except PatternError as error:
        assert error.expected


def test_names_are_quoted_only_where_they_must_be() -> None:
    assert [quote_name(name) for name in ("a", "Ä$-1", "a.b", "a b", 'a"b', "a*")] == [
        "a",
        "Ä$-1",
        '"a.b"',
        '"a b"',
        '"a""b"',
        '"a*"',
    ]
