"""Masks that give a column's own values back: how often each comes, and whose it never is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.errors import WrongRequestError
from appliance.masking.catalogue.sets.own_values import INVENTED_COLUMN, INVENTED_TABLE, DistributionParams
from appliance.masking.compiler import check_column, compile_column
from appliance.masking.examples.draw import EXAMPLE_KEY
from appliance.masking.mask import KeyedParams, Original
from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.masking_lab import OTHER_KEY, Lab, make_lab, remove_lab, spec
from tests.unit.masking_columns import column, table

ROWS = 1000


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def test_a_distribution_is_kept_and_rare_values_never_come_out(lab: Lab) -> None:
    values = ["often"] * 600 + ["seldom"] * 395 + [f"rare {n}" for n in range(5)]
    made = Counter(lab.masked("text", values, spec("distribution", subject="id")))
    assert set(made) == {"often", "seldom"}
    assert abs(made["often"] - 603) < 120
    again = Counter(lab.masked("text", values, spec("distribution")))
    assert set(again) <= {"often", "seldom"}


def test_what_no_value_is_frequent_enough_for_is_what_was_said(lab: Lab) -> None:
    values = [str(n) for n in range(5)]
    assert set(lab.masked("text", values, spec("distribution"))) == {None}
    assert set(lab.masked("text", values, spec("distribution", otherwise="x"))) == {"x"}
    must = column("v", not_null=True)
    (problem,) = check_column(table(must), must, spec("distribution"))
    assert "otherwise: the column is NOT NULL" in problem


@pytest.mark.parametrize(
    ("column_type", "values"),
    [
        ("integer", list(range(ROWS))),
        ("text", [f"émigré {n}" for n in range(ROWS)]),
        ("numeric(9,2)", [n / 4 for n in range(ROWS)]),
        ("uuid", [f"{n:032x}" for n in range(ROWS)]),
    ],
)
def test_every_value_comes_once_and_to_another_row(lab: Lab, column_type: str, values: list[Any]) -> None:
    gaps: list[Any] = [None if n % 100 == 7 else value for n, value in enumerate(values)]
    made = lab.masked(column_type, gaps, spec("shuffle"))
    kept = lab.session().execute(f"SELECT v FROM lab.{lab.table_of(column_type).name} ORDER BY id".encode())
    before = [value for (value,) in kept]
    assert [value is None for value in made] == [value is None for value in gaps]
    assert Counter(made) == Counter(before)
    assert sum(one == other for one, other in zip(made, before, strict=True) if one is not None) < 20
    assert lab.masked(column_type, gaps, spec("shuffle")) == made
    assert lab.masked(column_type, gaps, spec("shuffle"), key=OTHER_KEY) != made


def test_examples_are_what_the_source_makes_of_the_invented_rows(lab: Lab) -> None:
    shuffled, params = MASKS["shuffle"], KeyedParams()
    made = lab.masked("integer", INVENTED_TABLE, spec("shuffle"), key=EXAMPLE_KEY)
    shown = [shuffled.example(Original(str(each), "integer"), params) for each in INVENTED_TABLE]
    assert shown == [str(each) for each in made]
    column_of = [value for value, count in INVENTED_COLUMN for _ in range(count)]
    for asked in ({}, {"at_least": 400}, {"at_least": 1000, "otherwise": "x"}, {"domain": "crm"}):
        made = lab.masked("text", column_of, spec("distribution", **asked), key=EXAMPLE_KEY)
        for before, after in MASKS["distribution"].examples(DistributionParams.model_validate(asked)):
            assert made[column_of.index(before)] == after


def test_parts_of_a_table_are_shuffled_as_the_whole(lab: Lab) -> None:
    values = list(range(200))
    whole = lab.masked("bigint", values, spec("shuffle"))
    found, name = lab.table_of("bigint"), lab.table_of("bigint").name
    compiled = compile_column(found, lab.column("bigint"), spec("shuffle"))
    parts = [
        lab.copy_out(f"SELECT {compiled.sql} FROM lab.{name} WHERE id {which} 77 ORDER BY id", [compiled])
        for which in ("<", ">=")
    ]
    # Behind the header of 19 bytes each row has its 2 bytes, a length and the number; the end has 2.
    numbers = [
        part[19 + 14 * row + 6 : 19 + 14 * row + 14]
        for part in parts
        for row in range((len(part) - 21) // 14)
    ]
    assert [int.from_bytes(number, "big", signed=True) for number in numbers] == whole


def test_what_cannot_be_shuffled_is_said() -> None:
    key, value = column("id", "integer", not_null=True), column("v", "integer")
    big = table(key, value, primary_key=("id",), estimated_rows=300_001)
    assert "about 300,001 rows" in check_column(big, value, spec("shuffle"))[0]
    assert "no primary key" in check_column(table(key, value), value, spec("shuffle"))[0]
    small = table(key, column("doc", "jsonb"), column("tags", "text[]"), primary_key=("id",))
    inside = spec("json", paths={"a": "shuffle", "b": "distribution"})
    assert len(check_column(small, small.columns[1], inside)) == 2
    assert "inside an array" in check_column(small, small.columns[2], spec("distribution"))[0]


def test_no_value_of_a_row_that_is_left_out_is_given_to_another(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.pay (id int PRIMARY KEY, amount int); INSERT INTO public.pay"
        " SELECT n, n * 10 FROM generate_series(1, 20) AS n; GRANT SELECT ON public.pay TO reader",
    )
    whole = {
        "masks": {"public.pay.amount": "shuffle"},
        "keep": ["public.pay.id"],
        "rows": {"public.pay": {"where": "id < 10"}},
    }
    run = EngineRun(source, source_database, target, twin_database, run_folder, whole)
    with pytest.raises(
        WrongRequestError, match=r"public\.pay\.amount is shuffled, and rows of the table are left out"
    ):
        run.copied()
