"""Paths into XML documents: what they are, and what is said of those that are none or that meet."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.masking.compiler import check_column, compile_column
from appliance.masking.xml.paths import WrongPathError, parse_xml_path
from tests.unit.masking_columns import column, mask, table


def problems(kind: str = "xml", others: str = "keep", **paths: Any) -> str:
    """Everything said of a mask with these paths, in one text."""
    found = column("v", kind)
    return "\n".join(check_column(table(found), found, mask("xml", paths=paths, others=others)))


@pytest.mark.parametrize(
    "path", ["/a", "//a", "/a/b-c/d.e", "/a//b/c", "/*/a", "//*", "/a/@b", "//a/@*", "/person/ключ"]
)
def test_a_path_is_shown_as_it_is_written(path: str) -> None:
    assert str(parse_xml_path(path)) == path


def test_any_prefix_and_none_are_the_same() -> None:
    assert parse_xml_path("//*:a/@*:b") == parse_xml_path("//a/@b")
    assert parse_xml_path("//@id") == parse_xml_path("//*/@id")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/b", "a path is written like"),
        ("/", "a path is written like"),
        ("", "a path is written like"),
        ("/a/", "a path is written like"),
        ("/a b", "a path is written like"),
        ("/1a", "a path is written like"),
        ("/a/b[1]", "a single element"),
        ("/a/text()", "a single element"),
        ("//a//b", "// may stand in a path once"),
        ("///a", "// may stand in a path once"),
        ("/@a", "a document itself has no attributes"),
        ("/@a/b", "a path is written like"),
        ("/p:a", "write a"),
        ("/a/@p:b", "write b"),
        ("//@xmlns", "a namespace declaration"),
        ("/a/@xmlns:p", "a namespace declaration"),
        ("/a" * 13, "deeper than 12"),
    ],
)
def test_what_is_no_path_is_refused_with_how_one_is_written(path: str, why: str) -> None:
    with pytest.raises(WrongPathError, match=why.replace("(", r"\(")):
        parse_xml_path(path)
    assert f"paths: `{path}`: is no path to mask: " in problems(**{path: "hash"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/b", "//b"), ("/a/*", "/a/b"), ("//b", "//a/b"), ("/a//b", "//c/b"), ("//*", "/a"),
        ("/a/@b", "//@b"), ("/a/@b", "/a/@*"), ("//a", "//*:a"), ("/a/*/c", "//b/c"),
    ],
)  # fmt: skip
def test_two_paths_that_may_lead_to_the_same_are_refused(one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        assert f"paths: `{second}`: is no path to mask: `{first}` may lead to the same" in problems(
            **{first: "hash", second: "email"}
        )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/b", "/a/c"), ("/a/b", "//c"), ("/a/b", "/a/b/@c"), ("/a/b/c", "/a/b/@c"), ("/a/@b", "/a/@c"),
        ("/a/*/c", "/a/c"), ("//b/c", "//d/c"), ("/a//b", "/a/c"),
    ],
)  # fmt: skip
def test_two_paths_that_lead_to_different_things_go_together(one: str, other: str) -> None:
    assert problems(**{one: "hash", other: "email"}) == ""


def test_a_path_through_one_that_is_masked_as_a_whole_is_refused() -> None:
    assert "it leads through `/a`" in problems(**{"/a": "hash", "/a/b": "email"})
    assert "it leads through `/a`" in problems(**{"/a/b/@c": "hash", "/a": "delete"})
    assert "it leads through `/a`" in problems(**{"/a/@c": "hash", "/a": "delete"})
    assert "it leads through `//b`" in problems(**{"/a/b/c": "hash", "//b": "null"})
    assert problems(others="delete", **{"/a": "keep", "/a/b": "email"}) == ""


def test_the_words_at_a_path_are_those_of_the_mask_json() -> None:
    assert "kept already" in problems(**{"/a": "keep"})
    assert problems(others="delete", **{"/a": "keep"}) == ""
    assert problems(**{"/a": "hash", "/a/@b": "keep"}) == ""
    assert "kept already" in problems(**{"/a": "delete", "/c/@b": "keep"})
    assert "delete has no parameters" in problems(**{"/a": {"mask": "delete", "now": True}})


def test_a_mask_that_does_not_go_with_a_text_is_refused() -> None:
    assert "there is no mask 'json'" in problems(**{"/a": {"mask": "json", "paths": {"b": "hash"}}})
    assert "the mask 'range_shift' does not fit a text; these do: null, constant, hash" in problems(
        **{"/a": "range_shift"}
    )
    assert "never NULL" in problems(**{"/a": {"mask": "constant", "value": "x", "keep_null": True}})
    assert "is not text" in problems(**{"/a": {"mask": "constant", "value": [1]}})


def test_names_in_the_sql_are_none_that_a_column_has() -> None:
    found, other = column("v", "xml"), column("appliance_x_tok", "text")
    made = compile_column(table(found, other), found, mask("xml", paths={"//a": "hash"}))
    assert "appliance_x_" not in made.sql and "appliance_xx_tok" in made.sql
