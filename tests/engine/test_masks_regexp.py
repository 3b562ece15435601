"""The mask ``regexp`` on a server: it finds what people mean, and proves what it has taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.masking.compiler import check_column
from appliance.masking.patterns.parsing import parse
from appliance.masking.patterns.writing import written
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec
from tests.unit.regexp_examples import PATTERNS

MADE = [
    ({"pattern": "[0-9]{3}-[0-9]{4}", "replace": "[n]"}, "call 555-0100 or 555-0199", "call [n] or [n]"),
    ({"pattern": "([0-9]+)-[0-9]+", "replace": "\\1-0 (\\\\&)"}, "5-6, 17-4", "5-0 (\\&), 17-0 (\\&)"),
    ({"pattern": "id=[^&]*", "replace": "id=0"}, "https://a/?id=17&x=1", "https://a/?id=0&x=1"),
    ({"pattern": "ann", "replace": "x", "ignore_case": True}, "ANN, Ann, anna", "x, x, xa"),
    ({"pattern": "^secret.*$", "replace": "-", "others": "blank"}, "nothing", ""),
    ({"pattern": "^secret.*$", "replace": "-", "others": "blank"}, "secret 'n", "-"),
    ({"pattern": "[äöü]", "replace": "ß"}, "Übermäßig", "Übermßßig"),
    ({"pattern": "x"}, "axbx", "ab"),
    ({"pattern": "x", "replace": "y"}, "", ""),
    ({"pattern": "x", "replace": "y" * 500}, "x" * 300_000, ""),
]


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


@pytest.mark.parametrize("number", range(len(MADE)))
def test_what_is_found_is_replaced(lab: Lab, number: int) -> None:
    params, text, wanted = MADE[number]
    assert lab.masked("text", [text, None], spec("regexp", **params)) == [wanted, None]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from("aAbcdz09 -.,^]@é\n\\'\"%"), max_size=7), min_size=1, max_size=20))
def test_the_source_reads_every_pattern_as_it_was_meant(lab: Lab, texts: list[str]) -> None:
    columns = ", ".join(f"v ~ E'{_quoted(written(parse(each)))}'" for each in PATTERNS)
    rows = ", ".join(["(%s)"] * len(texts))
    query = f"SELECT {columns.replace('%', '%%')} FROM (VALUES {rows}) AS t (v)".encode()
    found = lab.session().execute(query, texts).fetchall()
    for text, row in zip(texts, found, strict=True):
        for pattern, matched in zip(PATTERNS, row, strict=True):
            # Python's own $ matches before a line's end at the end of the text too.
            exact = re.sub(r"\$(?=$|[|)])", r"\\Z", pattern)
            assert matched == (re.search(exact, text, re.ASCII) is not None), (pattern, text)


def _quoted(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([each for each in PATTERNS if each not in ("[\\s\\S]", ".", "[^é]")]),
    st.lists(st.text(st.sampled_from("aAbcdz09 -.,@é\n\\"), max_size=9), min_size=10, max_size=10),
)
def test_masking_again_finds_nothing(lab: Lab, pattern: str, texts: list[str]) -> None:
    chosen = spec("regexp", pattern=pattern, replace="\u2588")
    compiled = lab.shapes("text", chosen)
    lab.masked("text", texts, chosen)
    twin = f"lab.{lab.table_of('text').name}_twin"
    if compiled.leak_sql is not None:
        query = f"SELECT v FROM {twin} WHERE {compiled.leak_sql}"
        assert lab.session().execute(query.encode()).fetchall() == []


def test_the_largest_pattern_that_is_taken_is_taken_by_the_source(lab: Lab) -> None:
    for pattern in (
        "([a-z]{250}x){7}",
        "(" + "|".join(f"k{n}[^z]*" for n in range(50)) + ")z",
        "([^ ]{255}.){7}",
    ):
        text = "ann lee " * 500
        assert lab.masked("text", [text], spec("regexp", pattern=pattern, replace="-")) == [text]


def test_a_pattern_that_the_column_cannot_hold_is_refused(lab: Lab) -> None:
    table, column = lab.table_of("varchar(5)"), lab.column("varchar(5)")
    (problem,) = check_column(table, column, spec("regexp", pattern="[0-9]{3}-[0-9]{4}"))
    assert "a match has at least 8 characters, and the column 5" in problem
    (problem,) = check_column(table, column, spec("regexp", pattern="é"), encoding="LATIN1")
    assert "the database's encoding is LATIN1" in problem
