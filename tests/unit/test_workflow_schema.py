"""The JSON Schema: valid, complete, and of one mind with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from appliance.workflow.schema import DIALECT, workflow_schema
from tests.unit.example_documents import MASK_MODELS, WHOLE_WORKFLOW

TWIN = {"twin": {"connection": "staging"}}
SCHEMA = workflow_schema(MASK_MODELS)


def keys(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a document may have, wherever the schema describes it."""
    if isinstance(node, dict):
        for name, described in (
            node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ()
        ):
            yield f"{path}.{name}", described
        for name, inner in node.items():
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from keys(inner, f"{path}[{index}]")


ALL_KEYS = dict(keys(SCHEMA))


def accepts(document: Any) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(document))


def test_the_schema_is_valid_in_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DIALECT
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", sorted(ALL_KEYS))
def test_every_key_has_a_description_and_an_example(path: str) -> None:
    assert ALL_KEYS[path].get("description"), path
    assert ALL_KEYS[path].get("examples"), path


def test_the_walk_finds_keys_at_every_depth_and_the_masks_parameters() -> None:
    names = {path.rpartition(".")[2] for path in ALL_KEYS}
    assert {"id", "include", "last_days", "connection", "retries", "unlisted", "mask", "keep_prefix"} <= names


@pytest.mark.parametrize("path", sorted(ALL_KEYS))
def test_every_example_is_valid_where_it_stands(path: str) -> None:
    validator = Draft202012Validator({**ALL_KEYS[path], "$defs": SCHEMA["$defs"]})
    for example in ALL_KEYS[path]["examples"]:
        validator.validate(example)


def test_a_whole_workflow_fits() -> None:
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(WHOLE_WORKFLOW))


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({"unlisted": None}, True),
        ({"unlisted": "null"}, True),
        ({"unlisted": "maybe"}, False),
        ({"schedule": None}, True),
        ({"masks": {"a.b.c": None}}, True),
        ({"masks": {"a.b.c": "hash"}}, True),
        ({"masks": {"a.b.c": {"mask": "phone", "keep_prefix": 3}}}, True),
        ({"masks": {"a.b.c": {"mask": "phone", "keep_prefx": 3}}}, False),
        ({"masks": {"a.b.c": {"mask": "email", "keep_prefix": 3}}}, False),
        ({"masks": {"a.b.c": "no"}}, False),
        ({"titel": "x"}, False),
        ({"id": "A"}, False),
        ({"deliver": []}, False),
        ({"deliver": [{"files": {}}]}, False),
        ({"deliver": [TWIN, {"files": {"format": "csv"}}]}, True),
        ({"deliver": [TWIN, {"files": {"format": "xlsx"}}]}, False),
        ({"deliver": [{**TWIN, "files": {"format": "csv"}}]}, False),
        ({"deliver": [{"twin": None}]}, False),
        ({"deliver": [{}]}, False),
        ({"limits": {"parallel": 0}}, False),
    ],
)
def test_the_schema_says_what_the_models_say(change: dict[str, Any], valid: bool) -> None:
    assert accepts({**yaml.safe_load(WHOLE_WORKFLOW), **change}) is valid
