"""Composite types: each field masked for itself, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.masking.compiler import check_column
from appliance.masking.shape import shape_of
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec

TYPES = """
CREATE TYPE lab.mood AS ENUM ('sad', 'glad');
CREATE DOMAIN lab.short AS varchar(5) CHECK (length(VALUE) > 1);
CREATE TYPE lab.inner AS ("first name" text, born date);
CREATE TYPE lab.outer AS
    (who lab.inner, "zip" char(5), tags text[], mood lab.mood, doc jsonb, code lab.short);
CREATE DOMAIN lab.home AS lab.outer
"""
FIELDS: dict[str, Any] = {
    "who": {"mask": "composite", "fields": {"first name": "first_name", "born": "null"}},
    "zip": "postcode",
    "tags": {"mask": "hash", "length": 16},
    "mood": "keep",
    "doc": {"mask": "json", "paths": {"mail": "email"}},
    "code": "keep",
}
VALUES = [
    '("(\\"Ann \\"\\"Q\\"\\" Lee\\",1980-01-01)",90210,"{a,NULL,b}",glad,'
    '"{""mail"": ""a@b.test"", ""n"": 1}",xy)',
    "(,,,,,)",
    '("(,)",,{},sad,[],ab)',
    None,
]


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script(TYPES)
    yield made
    remove_lab(made)


def test_the_catalog_has_the_fields_below_domains_and_in_arrays(lab: Lab) -> None:
    for column_type in ("lab.outer", "lab.home", "lab.outer[]"):
        fields = dict(shape_of(lab.column(column_type)).fields)
        assert list(fields) == ["who", "zip", "tags", "mood", "doc", "code"]
        assert [name for name, _ in fields["who"].fields] == ["first name", "born"]
        assert (fields["zip"].length, fields["tags"].is_array, fields["mood"].kind) == (5, True, "enum")
        assert fields["code"].checked and not fields["zip"].checked


def test_every_field_becomes_what_its_mask_says(lab: Lab) -> None:
    whole, empty, some, nothing = lab.masked(
        "lab.outer", VALUES, spec("composite", fields=FIELDS), cast="lab.outer"
    )
    assert (empty, nothing) == ("(,,,,,)", None)
    for raw in ("Ann", "1980", "90210", "a@b.test"):
        assert raw not in whole
    assert whole.endswith(",xy)") and ",glad," in whole and '""n"": 1' in whole
    assert some.endswith(",{},sad,[],ab)")


def test_fields_are_proven_and_what_is_raw_is_found(lab: Lab) -> None:
    compiled = lab.shapes("lab.outer", spec("composite", fields=FIELDS))
    labels = [facet.label for facet in compiled.proved()]
    assert labels == ["who.first name", "who.born", "zip", "tags", "doc.mail"]
    lab.masked("lab.outer", VALUES, spec("composite", fields=FIELDS), cast="lab.outer")
    table = lab.table_of("lab.outer")
    for facet in compiled.proved():
        lab.session().execute(f"SELECT {facet.value_sql} FROM lab.{table.name}_twin".encode())
    born = next(facet for facet in compiled.proved() if facet.label == "who.born")
    assert born.proof == "constant" and born.output_domain_sql is None


def test_arrays_of_them_are_masked_element_by_element(lab: Lab) -> None:
    fields = {"first name": "hash", "born": "keep"}
    values = [
        "{}",
        '{"(Ann,1980-01-01)",NULL,"(,)"}',
        '[3:4]={"(Ann,)","(Bo,)"}',
        '{{"(Ann,)"},{"(Bo,)"}}',
        None,
    ]
    made = lab.masked("lab.inner[]", values, spec("composite", fields=fields), cast="lab.inner[]")
    assert made[0] == "{}" and made[4] is None
    assert made[1].endswith(',1980-01-01)",NULL,"(,)"}') and "Ann" not in str(made) and "Bo" not in str(made)
    ann, bo = made[2].strip("{}").split('","')
    assert made[3].count("{") == 3 and ann.strip('"(,)') in made[3] and bo.strip('"(,)') in made[3]


def test_what_is_missing_or_does_not_fit_is_said(lab: Lab) -> None:
    table, column = lab.table_of("lab.outer"), lab.column("lab.outer")
    wrong = {
        **FIELDS,
        "who": {"mask": "composite", "fields": {"first nam": "hash", "born": "email"}},
        "zip": "date_shift",
        "code": "hash",
        "mod": "keep",
    }
    del wrong["mood"]
    said = check_column(table, column, spec("composite", fields=wrong))
    for part in (
        "has no field `mod`; did you mean mood?",
        "nothing says what becomes of `mood`",
        '`who`: fields: lab."inner" has no field `first nam`',
        "`who`: fields: `born`: the mask 'email' does not fit date",
        "`zip`: the mask 'date_shift' does not fit character(5)",
        "`code` is of a domain with a CHECK",
    ):
        assert any(part in each for each in said), (part, said)
