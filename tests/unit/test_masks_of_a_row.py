"""Masks that write other columns of the row: compiled after those, refused where they say too much."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import yaml

from appliance.documents import strict_yaml
from appliance.masking.reading_order import reading_order
from appliance.masking.registry import parameter_models
from appliance.postgres.planning.columns import CompiledTables, compile_tables
from appliance.workflow.catalog import Catalog
from appliance.workflow.conditions.alternatives import judged_patterns
from appliance.workflow.loading import parse_workflow
from appliance.workflow.mask_check import check_masks
from appliance.workflow.matching.rules import match_rules
from tests.unit.masking_columns import column, table

PERSON = table(
    column("id", "integer", not_null=True),
    column("first_name"),
    column("last_name"),
    column("email"),
    column("shown_as"),
    column("photo", "bytea"),
    column("tags", "text[]"),
    column("words", "tsvector"),
    column("size", generated=True),
    name="person",
)
CATALOG = Catalog(
    server_version=150000, database="shop", encoding="UTF8", locale_provider="libc", collate="C", ctype="C",
    tables=(PERSON,),
)  # fmt: skip


def planned(masks: dict[str, Any], **changes: Any) -> CompiledTables:
    """The table of persons, all columns kept but for these masks."""
    kept = [f"public.person.{each.name}" for each in PERSON.columns if each.name not in masks]
    data = {
        "id": "w",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "masks": {f"public.person.{name}": mask for name, mask in masks.items()},
        "keep": kept,
        "deliver": [{"twin": {"connection": "staging"}}],
        **changes,
    }
    loaded = parse_workflow(yaml.safe_dump(data), "w.yaml")
    matching = match_rules(loaded.workflow, CATALOG, loaded.document.places())
    judged = judged_patterns(loaded.workflow, local=True)
    return compile_tables(matching.tables, loaded.document.places(), "UTF8", judged=judged)


def said(masks: dict[str, Any], **changes: Any) -> list[str]:
    return [f"{each.what}; expected {each.expected}" for each in planned(masks, **changes).problems]


def written(text: str) -> dict[str, Any]:
    return {"mask": "template", "text": text}


def test_a_column_is_compiled_after_those_that_it_writes_and_stays_in_its_place() -> None:
    masks = {
        "email": written("{shown_as}@example.com"),
        "shown_as": written("{first_name} {last_name} {id}"),
        "first_name": "first_name",
        "last_name": "hash",
    }
    (columns,) = planned(masks).columns.values()
    assert [each.name for each in columns] == [each.name for each in PERSON.columns if not each.generated]
    by_name = {each.name: each for each in columns}
    assert (
        by_name["last_name"].sql in by_name["shown_as"].sql
        and by_name["shown_as"].sql in by_name["email"].sql
    )
    settings = {each.setting for each in by_name["email"].bindings}
    assert {each.setting for each in by_name["last_name"].bindings} <= settings


def test_a_kept_column_that_looks_personal_is_written_nowhere_unless_someone_says_why() -> None:
    masks = {"shown_as": written("{first_name} {last_name}"), "last_name": "last_name"}
    (problem,) = said(masks)
    assert (
        "public.person.shown_as: it writes the column `first_name`, which is kept and looks like a first name"
        in problem
    )
    assert "a column that is masked" in problem
    because = [{"column": "public.person.first_name", "because": "stage names"}]
    others = [f"public.person.{each}" for each in ("id", "email", "photo", "tags", "words")]
    assert said(masks, keep=[*because, *others]) == []


def test_a_search_vector_is_not_made_of_kept_people() -> None:
    (problem,) = said({"words": {"mask": "search_vector", "columns": ["email"]}})
    assert "`email`, which is kept and looks like an e-mail address" in problem


def test_a_circle_is_said_once_and_whole() -> None:
    masks = {
        "first_name": written("{last_name}"),
        "last_name": written("{email}"),
        "email": written("{first_name}"),
    }
    (problem,) = said(masks)
    assert "in a circle: " in problem
    around = problem.partition("circle: ")[2].partition(";")[0].split(" → ")
    assert around[0] == around[-1] and len(around) == 4
    follows = {"first_name": "last_name", "last_name": "email", "email": "first_name"}
    assert all(follows[one] == next_one for one, next_one in pairwise(around))
    assert all("circle" in each for each in said({**masks, "shown_as": written("{email}")}))


def test_what_cannot_be_written_is_said() -> None:
    masks = {"shown_as": written("{frist_name}{photo}{shown_as}{tags}{size}"), "first_name": "first_name"}
    problems = said({**masks, "photo": "blank", "tags": "hash"})
    assert any("`frist_name`; did you mean first_name?" in each for each in problems)
    assert any("`photo` is bytea, which has no short text" in each for each in problems)
    assert any("`tags` is text[]" in each for each in problems)
    assert any("`shown_as` is the column itself" in each for each in problems)
    assert any("`size`, which the twin computes" in each for each in problems)


def test_a_problem_stands_at_the_line_of_its_mask() -> None:
    (problem,) = planned({"shown_as": written("{email}")}).problems
    assert problem.path == ("masks", "public.person.shown_as") and problem.line


def test_a_template_that_is_none_is_refused_before_there_is_a_source() -> None:
    wrong = {
        "no column": "names no column",
        "{first_name": "a brace stands alone at character 1",
        "a}": "a brace stands alone at character 2",
        "{id|lowr}": "`lowr` is no form; did you mean lower?",
        "{id}" * 17: "names 17 columns",
    }
    for text, why in wrong.items():
        document = strict_yaml.load(f'masks:\n  a.b.c:\n    mask: template\n    text: "{text}"\n', "w.yaml")
        (problem,) = check_masks(document, parameter_models())
        assert why in problem.text() and problem.path[:2] == ("masks", "a.b.c") and problem.line


def test_every_column_is_ordered_or_goes_round() -> None:
    order, circles = reading_order(
        {"a": ("b",), "b": ("c", "x"), "c": (), "d": ("e",), "e": ("d",), "f": ("f",)}
    )
    assert order.index("c") < order.index("b") < order.index("a")
    assert {frozenset(each) for each in circles} == {frozenset("de"), frozenset("f")}


def test_a_column_that_is_kept_in_some_rows_is_not_written_without_a_reason() -> None:
    some: dict[str, Any] = {"first_name": [{"when": "id < 5", "mask": "keep"}, "first_name"]}
    assert len(said({**some, "shown_as": written("{first_name}")})) == 1
    some["first_name"][0]["because"] = "our own people"
    assert said({**some, "shown_as": written("{first_name}")}) == []
