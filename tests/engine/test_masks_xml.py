"""Masks at paths inside XML: what stands there is masked, and nothing that should go is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.workflow.document import MaskSpec
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, bind, keyed_hash, make_lab, remove_lab, spec

KINDS = ["xml", "text"]


@pytest.fixture(scope="module", params=["source", "postgres17"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = make_lab(request.getfixturevalue(request.param))
    yield made
    remove_lab(made)


def hashed(text: str) -> str:
    """What ``hash`` makes of a text."""
    return keyed_hash(text).hex()[:32]


def masked(lab: Lab, document: str, kind: str = "text", /, *, others: str = "keep", **paths: object) -> str:
    """A document in the twin."""
    given = paths.pop("paths", paths)
    (made,) = lab.masked(kind, [document], spec("xml", paths=given, others=others), cast=kind)
    return str(made)


@pytest.mark.parametrize("kind", KINDS)
def test_elements_and_attributes_are_masked_and_the_rest_is_kept(lab: Lab, kind: str) -> None:
    document = (
        "<person id='7'>\n  <name>Ann</name><contact><email>ann@corp.test</email></contact>"
        '<order customer="Ann" total = "5">kept &amp; so<br/></order><note>secret <b>x</b></note></person>'
    )
    paths = {"/person/name": "hash", "//email": "email", "//order/@customer": "hash", "/*/note": "delete"}
    made = masked(lab, document, kind, paths=paths)
    assert made.startswith(f"<person id='7'>\n  <name>{hashed('Ann')}</name><contact><email>")
    assert "ann@corp" not in made and "@example.com</email></contact>" in made
    assert made.endswith(f'<order customer="{hashed("Ann")}" total="5">kept &amp; so<br/></order></person>')


def test_only_what_the_paths_say_is_left_where_others_are_deleted(lab: Lab) -> None:
    document = (
        '<p:all xmlns:p="urn:secret" secret="1">secret<p:person kind="a" secret="2">'
        '<name lang="secret">Ann</name>'
        '<born at="x">2000<in>Rome</in></born><secret>s</secret></p:person><secret/></p:all>'
    )
    paths = {"//name": "hash", "//person/@kind": "keep", "/all/person/born": "keep"}
    made = masked(lab, document, others="delete", paths=paths)
    assert made == (
        f'<all><person kind="a"><name>{hashed("Ann")}</name>'
        '<born at="x">2000<in>Rome</in></born></person></all>'
    )


# Each holds something secret that no path leads to, in a place where nothing personal belongs.
HIDING = {
    "a closing tag that is none": "<a><name>x</name></a Ann Lee 555>",
    "a tag that is never closed": "<a><name>Ann Lee 555",
    "a text without elements": "Ann Lee 555",
    "a text beside the elements": "<a/>Ann Lee 555",
    "a document type": "<!DOCTYPE a [<!ENTITY e 'Ann Lee 555'>]><a>&e;</a>",
    "a document type that names a file": "<!DOCTYPE a SYSTEM 'Ann Lee 555'><a/>",
    "a document type beneath a comment": "<!-- <![CDATA[ --><!DOCTYPE a [<!ENTITY e 'Ann Lee 555'>]><a/>",
    "a comment": "<a><!-- Ann Lee 555 --></a>",
    "a comment in what is masked": "<a><name>x<!-- Ann Lee 555 --></name></a>",
    "a comment that hides a tag": "<a><!-- <name> --><name>Ann Lee 555</name><!-- </name> --></a>",
    "a processing instruction": "<a><?go Ann Lee 555?></a>",
    "a declaration": "<?xml version='1.0' encoding='AnnLee555'?><a/>",
    "a section of characters": "<a><name><![CDATA[Ann ]]>Lee<![CDATA[ 555]]></name></a>",
    "a section that looks like a tag": "<a><name><![CDATA[</name>]]>Ann Lee 555</name></a>",
    "an attribute that looks like a tag": "<a><name x='>'>Ann Lee 555</name><b y=\"/>\"/></a>",
    "an attribute of what is masked": "<a><name at='Ann Lee 555'>x</name></a>",
    "an element in what is masked": "<a><name><first>Ann Lee 555</first></name></a>",
    "a name in a name": "<a><name><name>Ann Lee 555</name></name></a>",
    "another prefix": "<a xmlns:q='urn:q'><q:name>Ann Lee 555</q:name></a>",
    "a default namespace": "<a xmlns='urn:q'><name>Ann Lee 555</name></a>",
    "many colons": "<a><q:r:name>Ann Lee 555</q:r:name></a>",
    "blanks in the tags": "<a\n><name\t>Ann Lee 555</name\n></a >",
    "characters by their numbers": "<a><name>Ann&#32;Lee&#x20;555</name></a>",
    "an attribute by another prefix": "<a><order q:customer='Ann Lee 555'/></a>",
    "an attribute with blanks": "<a><order\ncustomer\n=\n'Ann Lee 555'/></a>",
    "a mark of the order of bytes": "\ufeff<a><name>Ann Lee 555</name></a>",
    "several documents": "<a><name>x</name></a><a><name>Ann Lee 555</name></a>",
    "a comment that seems to end at once": "<a><!--->Ann Lee 555--></a>",
    "a comment that is none": "<a><!-- -- <b> Ann Lee 555 </b> --></a>",
    "attributes without blanks between them": "<a><order b='1'customer='Ann Lee 555'/></a>",
    "another blank": "<?xml version='1.1'?><a><order\u0085customer='Ann Lee 555'/></a>",
    "a line feed in the middle": "<a><name>\r\nAnn Lee 555\r</name></a>",
}
PATHS = {"//name": "hash", "//order/@customer": "hash"}


@pytest.mark.parametrize("hidden", HIDING)
def test_what_no_path_could_lead_to_is_not_left(lab: Lab, hidden: str) -> None:
    for others in ("keep", "delete"):
        for paths in (PATHS, {"/a/name": "hash", "/a/order/@*": "null"}):
            if paths != PATHS and "name in a name" in hidden:
                continue
            made = masked(lab, HIDING[hidden], others=others, paths=paths)
            assert "Ann" not in made and "555" not in made and "Lee" not in made, made


@pytest.mark.parametrize(
    "written",
    [
        "Ann & Lé",
        "Ann &amp; L&#233;",
        "&#x41;nn &#38; L&#0xe9;".replace("0x", "x"),
        "<![CDATA[Ann &]]> Lé",
        "\n  Ann &amp; Lé\t",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_has_one_pseudonym_however_it_is_written(lab: Lab, written: str, kind: str) -> None:
    document = f"<a><name>{written}</name><order customer='{written}'/></a>"
    if "CDATA" in written or written == "Ann & Lé":
        document = f"<a><name>{written.replace('& ', '&amp; ')}</name></a>"
    made = masked(lab, document, kind, paths=PATHS)
    assert made.count(hashed("Ann & Lé")) == document.count("Ann") + document.count("&#x41;")


@pytest.mark.parametrize(
    "reference",
    [
        "&#0;",
        "&#xD800;",
        "&#xDFFF;",
        "&#1114112;",
        "&#99999999999;",
        "&none;",
        "&#;",
        "&#x;",
        "&",
        "&#xFFFE;",
        "&#" + "0" * 100_000 + "65;",
    ],
    ids=range(11),
)
def test_no_reference_makes_it_fail(lab: Lab, reference: str) -> None:
    made = masked(lab, f"<a><name>Ann{reference}</name></a>", paths=PATHS)
    assert made == "" or made == f"<a><name>{hashed('AnnA')}</name></a>"


def test_what_a_mask_gives_is_written_as_xml_and_read_as_itself(lab: Lab) -> None:
    value = "<b a=\"x\">&amp; ]]> 'é' \n\t|\u0001\ufffe"
    paths = {"/a/b": {"mask": "constant", "value": value}, "/a/@c": {"mask": "constant", "value": value}}
    made = masked(lab, "<a c='1'><b>x</b><b/></a>", "xml", paths=paths)
    (read,) = lab.session().execute("SELECT xpath('/a/b[1]/text()', %s::xml)::text", (made,)).fetchone() or ()
    assert "]]&gt; 'é'" in read and "\u0001" not in made
    assert made.count("&lt;b") == 3 and made.count("&quot;x&quot;") == 1


def test_a_session_that_takes_documents_only_and_one_of_its_own_settings_change_nothing(lab: Lab) -> None:
    session = lab.session(lab.reader)
    session.execute("SET xmloption = document; SET xmlbinary = hex")
    session.commit()
    try:
        assert masked(lab, "<a/>", "text", paths=PATHS) == "<a/>"
        assert masked(lab, "plain<a/><b/>", "xml", paths=PATHS) == "<a/><b/>"
        assert masked(lab, "plain", "xml", paths=PATHS) == ""
    finally:
        session.execute("SET xmloption = content")
        session.commit()


def test_what_does_not_fit_a_column_becomes_empty_instead_of_half_a_document(lab: Lab) -> None:
    assert masked(lab, "<a><name>Ann</name></a>", "varchar(30)", paths=PATHS) == ""
    assert masked(lab, "<a><name>Ann</name></a>", "varchar(80)", paths=PATHS).endswith("</name></a>")


def test_numbers_are_masked_as_numbers_and_what_is_none_goes(lab: Lab) -> None:
    document = "<a><n>100.5</n><n>Ann</n><n>1e5</n><n/></a>"
    made = masked(lab, document, paths={"/a/n": {"mask": "round", "to": 10}})
    assert made == "<a><n>100</n><n/><n/><n/></a>"


def test_null_and_constants_leave_nothing_of_an_element(lab: Lab) -> None:
    document = "<a><b x='Ann'>Ann<c>Ann</c></b><d>Ann</d><e k='Ann' l='Lee'>x</e></a>"
    paths = {"/a/b": "null", "/a/d": {"mask": "constant", "value": 5}, "//e": "null", "//e/@k": "keep"}
    assert masked(lab, document, paths=paths) == "<a><b/><d>5</d><e k='Ann'/></a>"


def test_a_path_is_what_it_says(lab: Lab) -> None:
    document = "<a><b><c>1</c></b><d><c>2</c><b><c>3</c><e/><c>4</c></b></d><c>5</c></a><c>6</c>"
    cases = {
        "/a/b/c": "1", "//b/c": "134", "//c": "123456", "/a/*/c": "12", "/a//c": "12345", "/c": "6",
        "//d/b/c": "34", "/a/d//c": "234", "//*/c": "12345", "//d/*/c": "34", "/a/c": "5", "//*:c": "123456",
        "//b/*": "134",
    }  # fmt: skip
    for path, gone in cases.items():
        made = masked(lab, document, paths={path: "null"})
        left = "".join(each for each in made if each.isdigit())
        assert left == "".join(each for each in "123456" if each not in gone), (path, made)
        kept = masked(lab, document, paths={path: "keep"}, others="delete")
        assert "".join(each for each in kept if each.isdigit()) == gone, (path, kept)


LARGE = {
    "many elements": lambda n: "<a>" + "<x><y><name>A&amp;n</name></y><o c='1' d='2'/></x>" * n + "</a>",
    "deep elements": lambda n: "<a>" * n + "<name>x</name>" + "</a>" * n,
    "many attributes": lambda n: "<o" + "".join(f" q{i}='&amp;'" for i in range(n)) + "><name>x</name></o>",
    "one long value": lambda n: "<a><name>" + "&amp;<i/>" * n + "</name></a>",
}


@pytest.mark.parametrize("large", LARGE)
def test_a_document_of_twice_the_size_is_twice_the_work(lab: Lab, large: str) -> None:
    for paths, others in (
        ({"//name": "hash", "//o/@c": "hash", "/a/*/b": "delete"}, "keep"),
        ({"//x/y/name": "hash", "//o/@*": "hash", "/a/b": "keep"}, "delete"),
    ):
        chosen = spec("xml", paths=paths, others=others)
        once, twice = (rows_worked_on(lab, LARGE[large](size), chosen) for size in (60, 120))
        assert 1.5 * once < twice < 2.1 * once


def rows_worked_on(lab: Lab, document: str, chosen: MaskSpec) -> int:
    """How many rows all nodes of the plan give on or throw away while one document is masked."""
    table, compiled = lab.table_of("text").name, lab.shapes("text", chosen)
    lab.masked("text", [document], chosen)
    session = lab.session(lab.reader)
    with session.transaction():
        bind(session, [compiled])
        query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT {compiled.sql} FROM lab.{table}"
        ((made,),) = session.execute(query.encode()).fetchall()

    def of(node: dict[str, Any]) -> int:
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        return int(rows * node["Actual Loops"]) + sum(map(of, node.get("Plans", [])))

    return of(made[0]["Plan"])


def test_without_an_encoding_a_reference_has_the_pseudonym_of_its_character(source: Cluster) -> None:
    made = make_lab(source, "ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'", "SQL_ASCII")
    try:
        for character in ("ü", "€", "🦊"):
            for written in (f"&#{ord(character)};", f"&#x{ord(character):X};"):
                document = f"<a><name>{written}</name></a>"
                assert masked(made, document, paths=PATHS) == f"<a><name>{hashed(character)}</name></a>"
    finally:
        remove_lab(made)
