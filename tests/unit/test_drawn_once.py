"""A permutation that several columns share is drawn once in a statement."""

from __future__ import annotations

from appliance.masking.bindings import KeyName
from appliance.masking.expressions.permutation import drawn_once, permuted
from appliance.masking.scope import Scope
from tests.unit.example_documents import column as a_column
from tests.unit.example_documents import table as a_table


def _masked(column: str) -> str:
    number = a_column(column, "smallint")
    scope = Scope(a_table(column, [number]), number)
    return permuted(f'"{column}"', "smallint", "smallint", scope, KeyName("hash", "hash"))


def test_what_several_columns_draw_alike_stands_once() -> None:
    query = f"SELECT {_masked('a')} AS a, {_masked('b')} AS b FROM t"
    once = drawn_once(query)
    assert query.count("array_agg") == 2
    assert once.count("array_agg") == 1
    assert once.startswith("WITH appliance_drawn_0 AS MATERIALIZED (SELECT (SELECT array_agg(")
    assert once.count("(SELECT numbers FROM appliance_drawn_0)[1 + ") == 0
    assert once.count("((SELECT numbers FROM appliance_drawn_0))[1 + ") == 2


def test_a_query_that_draws_nothing_twice_stays_as_it_is() -> None:
    alone = f"SELECT {_masked('a')} AS a FROM t"
    assert drawn_once(alone) == alone
    assert drawn_once("SELECT 1") == "SELECT 1"


def test_a_query_with_a_with_of_its_own_keeps_it() -> None:
    query = f"WITH g AS MATERIALIZED (SELECT {_masked('a')} AS a, {_masked('b')} AS b FROM t) SELECT a FROM g"
    once = drawn_once(query)
    assert once.count("WITH ") == 1
    assert ", g AS MATERIALIZED (" in once
