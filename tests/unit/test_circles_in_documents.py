"""Templates that write each other's columns are found in a document, before a source is asked."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.documents import strict_yaml
from appliance.masking.document_check import mask_problems
from appliance.masking.reading_order import columns_read
from appliance.workflow.loading import document_yaml
from appliance.workflow.mask_spec import MaskSpec


def template(text: str) -> dict[str, str]:
    return {"mask": "template", "text": text}


def said(masks: dict[str, Any], **more: Any) -> list[str]:
    document = strict_yaml.load(document_yaml({"masks": masks, **more}), "shop.yaml")
    return [problem.text() for problem in mask_problems(document)]


def test_a_circle_is_said_once_with_its_first_line_and_the_way_around() -> None:
    (line,) = said({"a.b.x": template("{y}"), "a.b.y": template("{z}!"), "a.b.z": template("{x}")})
    assert line.startswith('shop.yaml:2: masks."a.b.x": masks write each other\'s columns in a circle: ')
    assert "x → y → z → x; expected a mask that writes none of them" in line


@pytest.mark.parametrize(
    "masks",
    [
        {"a.b.x": template("{x}")},
        {"*.*.x": template("{y}"), "*.*.y": template("{x}")},
        {"a.b.x": [{"when": "n = 1", "mask": "hash"}, template("{y}")], "a.b.y": template("{x}")},
        {"a.b.x": {"mask": "search_vector", "columns": ["y"]}, "a.b.y": template("{x}")},
        {"a.b.x": template("{y}"), "a.b.y": template("{x}"), "a.*.x": "hash"},
    ],
)
def test_a_circle_is_found_whatever_closes_it(masks: dict[str, Any]) -> None:
    assert len(said(masks)) == 1


@pytest.mark.parametrize(
    ("masks", "more"),
    [
        ({"a.b.x": template("{y}"), "a.b.y": "hash"}, {}),
        ({"a.b.x": template("{y}"), "a.c.y": template("{x}")}, {}),
        ({"a.*.x": template("{y}"), "a.*.y": template("{x}"), "a.b.x": "hash"}, {}),
        ({"*.*.x": template("{y}"), "*.*.y": template("{x}")}, {"keep": ["public.b.x"]}),
    ],
)
def test_what_the_catalog_may_decide_otherwise_is_left_to_the_plan(
    masks: dict[str, Any], more: dict[str, Any]
) -> None:
    assert said(masks, **more) == []


def test_a_circle_within_a_preset_is_found_unless_the_workflow_may_replace_it() -> None:
    rules = {"*.*.x": template("{y}"), "*.*.y": template("{x}")}
    use = [{"name": "names", "masks": rules}]
    (line,) = said({}, use=use)
    assert 'use[0].masks."*.*.x"' in line
    assert said({"*.*.x": "hash"}, use=use) == []


@pytest.mark.parametrize(
    "inside",
    [
        {"mask": "composite", "fields": {"a": {"mask": "choice", "values": ["x"]}}},
        {"mask": "json", "paths": {"a": {"mask": "choice", "values": ["x"]}}},
        {"mask": "xml", "paths": {"/a": {"mask": "choice", "values": ["x"]}}},
        {"mask": "hstore", "keys": {"a": {"mask": "choice", "values": ["x"]}}},
    ],
)
def test_a_wrong_mask_inside_another_one_is_said_where_it_stands(inside: dict[str, Any]) -> None:
    (line,) = said({"a.b.x": [{"when": "n = 1", **inside}, "null"]})
    assert "values: has 1; expected at least 2" in line
    assert columns_read(MaskSpec.model_validate(inside)) == ()
