"""What may stand as a row filter's SQL between our parentheses."""

from __future__ import annotations

import pytest

from appliance.postgres.planning.sql_condition import condition_problem


@pytest.mark.parametrize(
    "text",
    [
        "kind <> 'debug'",
        "(a = 1 OR b = 'it''s') AND c > (2)",
        r"a = E'\'' OR b = '\'",
        "a = $$)$$ AND b = $tag$ ) $$ ; $tag$",
        '"we)ird" = 1',
        "name = U&'d\\0061t\\+000061' AND a$1 = $1",
        "größe > 3",
    ],
)
def test_a_condition_is_let_through(text: str) -> None:
    assert condition_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("true) UNION ALL SELECT (1", "closes a parenthesis"),
        ("a = 1)", "closes a parenthesis"),
        ("(a = 1", "not closed"),
        ("a = 'x", "quote that is not closed"),
        ('"a = 1', "quote that is not closed"),
        (r"a = '\') OR (b = 'x'", "closes a parenthesis"),
        ("a = $$x", "dollar quote"),
        ("a = $a$ ) $b$", "dollar quote"),
        ("true -- )", "comment"),
        ("true /* ) */", "comment"),
        ("true; DROP TABLE x", "semicolon"),
        ("a = 'x\0'", "cannot store"),
    ],
)
def test_what_could_leave_the_parentheses_is_refused(text: str, problem: str) -> None:
    assert problem in (condition_problem(text) or "")
