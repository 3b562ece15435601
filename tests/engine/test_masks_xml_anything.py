"""Anything that may stand in a text, and documents that hide a name in every place there is: none is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, keyed_hash, make_lab, remove_lab, spec

MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SECRET = "Ann"
BROKEN = st.lists(
    st.sampled_from(
        [
            *(
                "<name>",
                "</name>",
                "<q:name>",
                "</q:name>",
                "<name/>",
                "<a>",
                "</a>",
                "<a x='",
                "'>",
                '"',
                "/>",
            ),
            *("<!--", "-->", "<![CDATA[", "]]>", "<?p ", "?>", "&#65;nn", "&amp;", "&", ";"),
            *("<!DOCTYPE a>", "/>"),
            *(" id='Ann'", SECRET, SECRET, "\n", "]", "-", ">", "<", "=", "<?xml version='1.0'?>", "\ufeff"),
        ]
    ),
    max_size=14,
).map("".join)
WORDS = st.sampled_from(
    [SECRET, "&#65;nn", "<![CDATA[Ann]]>", "&#x41;nn &amp; x", "<!-- Ann -->", "<?go Ann?>", "A"]
)
NAMES = st.sampled_from(["name", "q:name", "a", "names", "q:a", "NAME"])
ATTRIBUTES = st.sampled_from(
    ["", " id='Ann'", ' q:id="Ann"', " a='>' id = 'Ann'", " xmlns='urn:x'", ' b="\'"']
)


def _element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, attributes, inside: (
            f"<{name}{attributes}>{''.join(inside)}</{name}>" if inside else f"<{name}{attributes} />"
        ),
        NAMES,
        ATTRIBUTES,
        st.lists(inner, max_size=4),
    )


DOCUMENTS = _element(st.recursive(WORDS, _element, max_leaves=12))


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


@MANY
@given(texts=st.lists(BROKEN | DOCUMENTS, min_size=20, max_size=20))
def test_nothing_is_left_of_any_text_where_all_else_is_deleted(lab: Lab, texts: list[str]) -> None:
    paths = {"//name": "hash", "/a//a/@id": "hash", "/a/*/names": "null"}
    for made in lab.masked("text", texts, spec("xml", paths=paths, others="delete"), cast="text"):
        assert SECRET not in made


@MANY
@given(texts=st.lists(DOCUMENTS | BROKEN, min_size=20, max_size=20))
def test_no_parser_finds_a_value_at_a_path(lab: Lab, texts: list[str]) -> None:
    chosen = spec("xml", paths={"//name": "hash", "//@id": "hash"})
    again = lab.shapes("text", chosen)
    for made in lab.masked("text", texts, chosen, cast="text"):
        for value in values_in(made):
            assert re.fullmatch("[0-9a-f]{32}|", value), (made, value)
        assert "<!" not in made.replace("<![CDATA[", "") and "<?" not in made
    table = lab.table_of("text").name
    (facet,) = (each for each in again.facets if each.label == "all else")
    left = lab.session().execute(f"SELECT v FROM lab.{table}_twin WHERE {facet.leak_sql}".encode()).fetchall()
    assert left == []


@MANY
@given(texts=st.lists(DOCUMENTS, min_size=20, max_size=20))
def test_a_kept_element_stays_and_what_a_path_masks_in_it_is_masked(lab: Lab, texts: list[str]) -> None:
    chosen = spec("xml", paths={"/a": "keep", "//name": "hash"}, others="delete")
    for before, made in zip(texts, lab.masked("text", texts, chosen, cast="text"), strict=True):
        assert all(re.fullmatch("[0-9a-f]{32}|", value) for value in values_in(made, attributes=False))
        if re.match("<(q:)?a[ >]", before) and "name" not in before:
            assert made == re.sub(r"<!--.*?-->|<\?.*?\?>", "", before)


def test_a_hash_of_the_secret_is_what_comes_out(lab: Lab) -> None:
    (made,) = lab.masked("text", ["<a><name>&#65;nn</name></a>"], spec("xml", paths={"//name": "hash"}))
    assert made == f"<a><name>{keyed_hash(SECRET).hex()[:32]}</name></a>"


def values_in(document: str, *, attributes: bool = True) -> list[str]:
    """What Python's parser finds in elements and attributes of the paths; it knows nothing of namespaces."""
    found: list[str] = []
    depth = 0

    def begun(name: str, values: dict[str, str]) -> None:
        nonlocal depth
        if attributes:
            found.extend(value for key, value in values.items() if key.rpartition(":")[2] == "id")
        if depth or name.rpartition(":")[2] == "name":
            depth += 1
            assert depth == 1, document
            found.append("")

    def ended(name: str) -> None:
        nonlocal depth
        depth = max(depth - 1, 0)

    def said(text: str) -> None:
        if depth:
            found[-1] += text

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begun, ended, said
    parser.Parse(f"<r>{document}</r>", True)
    return found
