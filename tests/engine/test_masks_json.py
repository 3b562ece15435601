"""Masks at paths inside documents: any document in, a valid one out, and nothing else changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import set_json_loads

from appliance.masking.compiler import check_column
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, keyed_hash, make_lab, remove_lab, spec

MANY = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS, max_size=10)
)
KEYS = st.sampled_from(["a", "b", "list", "0", 'quo"te', "dot.ted", "ключ", ""])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
PATHS = {"a.b": ("a", "b"), "list[*].a": ("list", "a"), '"dot.ted"."0"': ("dot.ted", "0"), "b": ("b",)}


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    set_json_loads(json.loads, made.session())
    yield made
    remove_lab(made)


def hashed(value: Any) -> Any:
    """What ``hash`` makes of what stands at the end of a path."""
    if isinstance(value, list):
        return [None if isinstance(each, dict | list) else hashed(each) for each in value]
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, str):
        return keyed_hash(value).hex()[:32] if value else ""
    return "a number or a boolean"


def expected(document: Any, keys: tuple[str, ...]) -> Any:
    """The document with everything at a path hashed, lists on the way gone through once."""
    if not keys:
        return hashed(document)
    if isinstance(document, list):
        return [
            inside(each, keys) if isinstance(each, dict) else None if isinstance(each, list) else each
            for each in document
        ]
    return inside(document, keys) if isinstance(document, dict) else document


def inside(document: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """The same for what is an object."""
    if keys[0] not in document:
        return document
    return {**document, keys[0]: expected(document[keys[0]], keys[1:])}


def alike(masked: Any, wanted: Any) -> bool:
    """Equal, but for the text of numbers and booleans, which the server writes in its own way."""
    if wanted == "a number or a boolean":
        return isinstance(masked, str) and len(masked) == 32
    if isinstance(wanted, dict) and isinstance(masked, dict):
        return wanted.keys() == masked.keys() and all(alike(masked[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(masked, list):
        return len(wanted) == len(masked) and all(map(alike, masked, wanted))
    if isinstance(wanted, float):
        return float(masked) == wanted
    return bool(masked == wanted)


@pytest.mark.parametrize("column_type", ["jsonb", "json"])
@pytest.mark.parametrize("path", PATHS)
@MANY
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=12))
def test_what_stands_at_a_path_is_masked_and_the_rest_is_kept(
    lab: Lab, column_type: str, path: str, documents: list[Any]
) -> None:
    texts = [json.dumps(document) for document in documents]
    twin = lab.masked(column_type, texts, spec("json", paths={path: "hash"}), cast=column_type)
    for document, masked in zip(documents, twin, strict=True):
        wanted = expected(json.loads(json.dumps(document)), PATHS[path])
        assert alike(json.loads(masked), wanted), (document, masked, wanted)


def test_several_paths_with_several_masks(lab: Lab) -> None:
    document = {
        "contact": {"email": "ann@corp.test", "phone": "+49 170 1234567", "note": "call 0170-1234567"},
        "orders": [{"card": "4111111111111111", "total": 100.5}, {"card": None, "total": 0}],
        "secret": {"deep": [1, 2]},
        "flag": True,
        "kept": {"x": [1, {"y": None}]},
    }
    paths = {
        "contact.email": "email",
        "contact.phone": {"mask": "phone", "keep_prefix": 3},
        "contact.note": "text_scrub",
        "orders[*].card": {"mask": "partial", "keep_last": 4},
        "orders[*].total": "number_noise",
        "secret": {"mask": "constant", "value": "gone"},
        "flag": "null",
        "$.missing.path": "hash",
    }
    for column_type in ("jsonb", "json"):
        texts = [json.dumps(document), None]
        masked, null = lab.masked(column_type, texts, spec("json", paths=paths), cast=column_type)
        assert null is None
        twin = json.loads(masked)
        assert twin["contact"]["email"].endswith("@example.com")
        assert twin["contact"]["phone"].startswith("+49 ") and len(twin["contact"]["phone"]) == 15
        assert twin["contact"]["note"] == "call [phone]"
        assert twin["orders"][0]["card"] == "************1111" and twin["orders"][1]["card"] is None
        assert 90 < twin["orders"][0]["total"] < 111 and twin["orders"][0]["total"] != 100.5
        assert (twin["secret"], twin["flag"], twin["kept"]) == ("gone", None, document["kept"])
        assert "missing" not in twin


def test_the_root_may_be_a_list_or_masked_as_a_whole(lab: Lab) -> None:
    masked = lab.masked(
        "jsonb", ['[{"e": "x"}, {"e": "x"}]'], spec("json", paths={"$[*].e": "hash"}), cast="jsonb"
    )
    assert json.loads(masked[0]) == [{"e": keyed_hash("x").hex()[:32]}] * 2
    scalar, null = lab.masked("jsonb", ['"x"', None], spec("json", paths={"$": "hash"}), cast="jsonb")
    assert json.loads(scalar) == keyed_hash("x").hex()[:32] and null is None


UNHOLDABLE = [
    r'{"a": "\u0000"}',
    r'{"a": "\ud83d"}',
    r'{"a": "\ude00\ud83d"}',
    r'{"\ud83dx": 1}',
    '{"a": 1e131072}',
    '{"a": 1e-16384}',
    '{"a": ' + "9" * 140000 + "}",
    '{"a": 0.' + "1" * 17000 + "}",
]
HOLDABLE = [
    r'{"a": "\ud83d\ude00 \u00e9 \\u0000 \\\\ud83d", "b": "kept"}',
    r'{"a": "abc", "b": "9e123456 hex-like 0e99999999"}',
    '{"a": "x", "b": [1e999, 1e-999, 12345678901234567890.123]}',
    '{"a": "x", "b": "' + "9" * 20000 + '"}',
]


def test_json_that_jsonb_cannot_hold_becomes_null_instead_of_an_error(lab: Lab) -> None:
    twin = lab.masked("json", UNHOLDABLE, spec("json", paths={"a": "hash"}), cast="json")
    assert twin == ["null"] * len(UNHOLDABLE)


def test_json_that_only_looks_unholdable_is_masked(lab: Lab) -> None:
    twin = lab.masked("json", HOLDABLE, spec("json", paths={"a": "hash"}), cast="json")
    for text, masked in zip(HOLDABLE, twin, strict=True):
        before, after = json.loads(text, parse_float=str), json.loads(masked, parse_float=str)
        assert after["a"] == keyed_hash(before["a"]).hex()[:32]
        assert after.get("b") is None or isinstance(after["b"], list) or after["b"] == before["b"]


@MANY
@given(document=DOCUMENTS)
def test_nothing_changes_where_no_path_leads(lab: Lab, document: Any) -> None:
    text = json.dumps(document)
    masked = lab.masked("jsonb", [text], spec("json", paths={"no.such.path": "email"}), cast="jsonb")
    same = lab.session().execute("SELECT %s::jsonb = %s::jsonb", (masked[0], text)).fetchall()
    lost = isinstance(document, list) and any(isinstance(each, list) for each in document)
    assert same == [(not lost,)]
    assert copy.deepcopy(document) == document


PEOPLE = {"people": {"ann": {"mail": "a@x.test", "age": 7}, "bob": {"mail": "b@x.test"}}, "note": "n", "n": 1}


@pytest.mark.parametrize("column_type", ["jsonb", "json"])
def test_a_star_stands_for_every_key(lab: Lab, column_type: str) -> None:
    paths = {"people.*.mail": "hash"}
    (masked,) = lab.masked(column_type, [json.dumps(PEOPLE)], spec("json", paths=paths), cast=column_type)
    wanted = copy.deepcopy(PEOPLE)
    for person in wanted["people"].values():  # type: ignore[attr-defined]
        person["mail"] = keyed_hash(person["mail"]).hex()[:32]
    assert json.loads(masked) == wanted


@pytest.mark.parametrize("column_type", ["jsonb", "json"])
def test_what_is_deleted_is_gone_with_its_key(lab: Lab, column_type: str) -> None:
    paths = {"people.*.mail": "delete", "note": "delete", "missing.too": "delete", "n": "hash"}
    texts = [json.dumps(each) for each in (PEOPLE, [PEOPLE], {}, 5, None)]
    whole, listed, *rest = map(
        json.loads, lab.masked(column_type, texts, spec("json", paths=paths), cast=column_type)
    )
    assert whole == {"people": {"ann": {"age": 7}, "bob": {}}, "n": keyed_hash("1").hex()[:32]}
    assert listed == [whole] and rest == [{}, 5, None]


@pytest.mark.parametrize("column_type", ["jsonb", "json"])
def test_what_is_not_named_goes_where_the_others_are_deleted(lab: Lab, column_type: str) -> None:
    chosen = spec("json", paths={"people.*.age": "keep", "note": "hash"}, others="delete")
    texts = [json.dumps(each) for each in (PEOPLE, [1, PEOPLE, [2]], "x", {"n": 1})]
    whole, listed, scalar, empty = map(json.loads, lab.masked(column_type, texts, chosen, cast=column_type))
    assert whole == {"people": {"ann": {"age": 7}, "bob": {}}, "note": keyed_hash("n").hex()[:32]}
    assert listed == [None, whole, None] and scalar is None and empty == {}


@pytest.mark.parametrize("column_type", ["jsonb", "json"])
@MANY
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=12))
def test_what_is_proven_of_deleted_and_kept_paths_holds_in_the_twin(
    lab: Lab, column_type: str, documents: list[Any]
) -> None:
    texts = [json.dumps(document) for document in documents]
    ends = {"a.*.b": "delete", "list[*].a": "keep", "b.a": "hash"}
    chosen = spec("json", paths=ends, others="delete")
    twin = lab.masked(column_type, texts, chosen, cast=column_type)
    assert (
        lab.masked(
            column_type,
            twin,
            spec("json", paths={"list.a": "keep", "b.a": "keep", "a.*.x": "keep"}, others="delete"),
            cast=column_type,
        )
        == twin
    )
    table, session = lab.table_of(column_type), lab.session()
    lab.masked(column_type, texts, chosen, cast=column_type)
    facets = {facet.label: facet for facet in lab.shapes(column_type, chosen).proved()}
    rows = f"FROM lab.{table.name}_twin WHERE"
    assert session.execute(f"SELECT {rows} {facets['all else'].leak_sql}".encode()).fetchall() == []
    gone = facets["a.*.b"].value_sql
    assert session.execute(f"SELECT {rows} ({gone}) IS NOT NULL".encode()).fetchall() == []
    raw = session.execute(f"SELECT {facets['all else'].leak_sql} FROM lab.{table.name} ORDER BY id".encode())
    for document, (leaks,) in zip(documents, raw.fetchall(), strict=True):
        if isinstance(document, dict) and set(document) - {"a", "b", "list"}:
            assert leaks


def test_what_cannot_stand_at_a_path_is_said(lab: Lab) -> None:
    wrong = [
        ({"a": "keep"}, "kept already"),
        ({"$": "delete"}, "the mask null"),
        ({"*.a": "hash", "b": "hash"}, "no other key"),
        ({"a": {"mask": "delete", "length": 3}}, "no parameters"),
    ]
    for paths, said in wrong:
        problems = check_column(lab.table_of("jsonb"), lab.column("jsonb"), spec("json", paths=paths))
        assert len(problems) == 1 and said in problems[0], problems
