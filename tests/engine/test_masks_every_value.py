"""Every mask on every type that it takes, over the values that are hardest for it: none may raise an error.

What comes out is held against the mask's own description: NULL and empty text stay, equal values stay equal,
distinct ones distinct where that is promised, and nothing is what the mask cannot have made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.masking.compiler import check_column
from appliance.masking.lookup import mask_and_params
from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import KEY, Lab, bind, make_lab, remove_lab, spec

VALUES: dict[str, Sequence[str | None]] = {
    "text": [
        *("Ann Lee", "", " ", "a", "0", "-", "🦊🦊", "ÅÉß ﬁ", "\u202e\u0301", "\\", "'", '"', "%s", "\t\n\r"),
        *(
            "12345678901234567890123456789012345678901",
            "1e999999",
            "9" * 400,
            "x" * 3000,
            "١٢٣",
            "\uff11\uff12",
        ),
        *(
            "10.1.2.3",
            "256.1.1.1",
            "::",
            "1::2::3",
            ":::::::",
            "fe80::1%eth0",
            "::ffff:10.1.2.3",
            "1:2:3:4:5:6:7::",
        ),
        *(
            "DE89 3704 0044 0532 0130 00",
            "gb82west12345698765432",
            "QQ12",
            "4111-1111-1111-1111",
            "1 2 3 4 5 6 7 8 9 0 1 2",
        ),
        *("2020-02-30", "24:00:00", "infinity", "NaN", "08-00-2B-01-02-03", "08002b010203", "078-05-1120"),
        *(
            "https://ann:pw@corp.test/a?b=c#d",
            "ann@corp.test",
            "SW1A 1AA",
            "+49 (170) 123-4567",
            "52.52,13.4",
        ),
        *("a" * 16 + " " * 50, "((((((((", "[[:alpha:]]", "\u0001", "Straße 5\n12345 Köln", None),
        *(
            "<a id='x'><b>Ann &#xD800;</b></a>",
            "<a><b>Ann &lt; &#65;</b><c>5</c></a>",
            "<!DOCTYPE a><a>Ann</a>",
        ),
    ],
    "varchar(40)": ["Ann Lee", "", "é" * 40, "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", None],
    "char(40)": ["Ann Lee", "", "é" * 40, "4111 1111 1111 1111", None],
    "text[]": ["{}", "{NULL,'',a}", "{{a,b},{c,a}}", None],
    "smallint": ["-32768", "32767", "0", "1", "-1", "17", None],
    "integer": ["-2147483648", "2147483647", "0", "1", "-1", "42", None],
    "bigint": ["-9223372036854775808", "9223372036854775807", "0", "1", "-1", "4111111111111111", None],
    "numeric": [
        *(
            "0",
            "-0.1",
            "1e130999",
            "-1e131000",
            "1e-16383",
            "NaN",
            "Infinity",
            "-Infinity",
            "123.456",
            "99.5",
            None,
        ),
    ],
    "numeric(12,2)": ["9999999999.99", "-9999999999.99", "0.00", "0.01", "12.50", "NaN", None],
    "real": ["0", "-0", "3.4e38", "-3.4e38", "1e-45", "NaN", "Infinity", "-Infinity", "36.6", None],
    "double precision": ["0", "1.7e308", "-1.7e308", "5e-324", "NaN", "Infinity", "-Infinity", "52.52", None],
    "date": ["4713-11-24 BC", "5874897-12-31", "0001-01-01", "2024-02-29", "infinity", "-infinity", None],
    "timestamp": [
        "4713-11-24 BC",
        "294276-12-31 23:59:59.999999",
        "2024-02-29 10:15",
        "infinity",
        "-infinity",
        None,
    ],
    "timestamptz": [
        "4713-11-24 BC",
        "294276-12-31 23:59:59+00",
        "2024-02-29 10:15+02",
        "infinity",
        "-infinity",
        None,
    ],
    "time": ["00:00", "24:00:00", "23:59:59.999999", "12:30", None],
    "timetz": ["00:00+15:59", "24:00:00-15:59", "12:30+02", None],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", None],
    "bytea": ["\\x", "\\x00ff", None],
    "inet": ["0.0.0.0/0", "255.255.255.255", "10.1.2.3/24", "::/0", "fe80::1/64", "ffff:ffff::/128", None],
    "cidr": ["0.0.0.0/0", "255.255.255.255", "10.0.0.0/8", "::/0", "fe80::/64", None],
    "macaddr": ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", None],
    "macaddr8": ["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff", None],
    "point": ["(0,0)", "(180,90)", "(-180,-90)", "(1e308,-1e308)", "(NaN,Infinity)", "(13.4,52.5)", None],
    "boolean": ["true", "false", None],
    "tsvector": ["", "'ann':1A,16383 'lee':2", "'" + "x" * 2046 + "'", "'a\\\\b' 'it''s'", None],
    "int4range": [
        "empty",
        "[-2147483648,2147483647)",
        "(,)",
        "[5,)",
        "(,5)",
        "[2147483646,2147483647)",
        None,
    ],
    "int8range": ["empty", "[-9223372036854775808,9223372036854775807)", "[1,2)", None],
    "numrange": ["empty", "(-1.5,2]", "[NaN,NaN]", "[1e131000,)", "[0.001,1e16383]", "(,0]", None],
    "daterange": [
        "empty",
        "[4713-11-24 BC,5874897-12-31)",
        "[infinity,)",
        "[2024-02-29,2024-03-01)",
        "(,)",
        None,
    ],
    "tsrange": [
        "empty",
        '["4713-11-24 BC","294276-12-31 23:59")',
        "(-infinity,infinity)",
        "[2024-02-29,2024-02-29]",
        None,
    ],
    "tstzrange": [
        "empty",
        '["0001-01-01 BC","294276-12-31 23:59")',
        "(2024-02-29 10:00,2024-02-29 11:00]",
        None,
    ],
    "int4multirange": ["{}", "{[-2147483648,5),[2147483646,2147483647)}", "{(,)}", "{[1,3),[5,8)}", None],
    "nummultirange": ["{}", "{(-1.5,2],[3,3]}", "{[1e131000,)}", "{(,0]}", None],
    "datemultirange": [
        *("{}", "{[4713-11-24 BC,2024-01-01),[5874897-12-30,5874897-12-31)}", "{(,infinity)}", None),
        "{[2024-02-29,2024-03-01),[2024-05-01,)}",
    ],
    "tstzmultirange": ["{}", '{["0001-01-01 BC","294276-12-31 23:59")}', "{(-infinity,infinity)}", None],
    "int8multirange[]": ["{}", '{"{[1,2),[4,9223372036854775807)}","{}",NULL}', None],
    "daterange[]": ["{}", '{"[2024-02-29,2024-03-01)",empty,NULL}', None],
    "public.hstore": [
        "",
        "email=>NULL",
        'email=>"", note=>x',
        '"a b"=>"c\\\\d\\"", email=>ann@corp.test, note=>1',
        None,
    ],
    "jsonb": ["{}", '{"a": "x"}', "null", None],
    "xml": [
        "",
        "<a/>",
        "<a id='1'><b>Ann</b>x<!-- y --></a>",
        "plain",
        "<a>&#65;&amp;<![CDATA[<b>]]></a>",
        None,
    ],
}
OTHER_PARAMS: dict[str, list[dict[str, Any]]] = {
    "choice": [{"values": [1, 2, 3], "weights": [5, 1, 1]}, {"values": [True, False]}],
    "number_noise": [
        {"amount": 1e15, "min": 3},
        {"amount": 1e15, "max": 3},
        {"amount": 3, "min": 1, "max": 5},
    ],
    "format_preserving": [{"keep_first": 1, "keep_last": 1}],
    "postcode": [{"keep_first": 0}],
    "phone_number": [{"form": "national"}, {"country": "JP"}, {"country": "US", "form": "e164"}],
    "position": [{"axis": "latitude"}, {"axis": "longitude", "radius_m": 100000}],
    "round": [{"to": 7}, {"to": 0.25}, {"to": 1e15}],
    "bucket": [{"bounds": [0, 18, 65]}, {"size": 7}, {"size": 1e15}, {"size": 0.5, "show": "middle"}],
    "clamp": [{"min": 1, "max": 2}, {"max": 0.5}],
    "date_round": [{"to": each} for each in ("hour", "day", "week", "month", "quarter", "year", "decade")],
    "age_band": [{"years": 2}, {"years": 100}],
    "time_shift": [{"max_minutes": 719}],
    "regexp": [
        {"pattern": "[^a-z]{2,}", "replace": "-"},
        {"pattern": "(.)[0-9]", "replace": "\\1", "others": "blank"},
    ],
    "range_shift": [{"max_amount": 1}, {"max_amount": 1_000_000_000, "max_days": 36500}],
    "hstore": [
        {"keys": {"email": "hash", "note": "delete"}},
        {"keys": {"email": "keep", "note": "null"}, "others": "delete"},
        {"keys": {"email": {"mask": "constant", "value": "it's"}, "a b": "text_scrub"}},
        {"keys": {"email": "full_name", "note": "partial"}},
    ],
    "distribution": [{"at_least": 2}, {"at_least": 2, "otherwise": "1"}],
    "template": [{"text": "{id}{{{id|upper}}}' \\ %s"}, {"text": "{id|initial}" + "é" * 60}],
    "search_vector": [{"columns": ["id"]}, {"columns": ["id"], "configuration": "german"}],
    "initials": [{"form": "plain"}],
    "xml": [
        {"paths": {"/a/b": "hash", "/a/@id": "email", "//c/d": "full_name"}},
        {"paths": {"//*/@*": "null", "/a": "keep"}, "others": "delete"},
        {"paths": {"//b": {"mask": "constant", "value": "<&>"}, "//@id": "delete", "/a/c": "number_noise"}},
        {"paths": {"/a/*/c": "hash", "//b": "text_scrub", "//c/@id": "partial"}},
    ],
    "title": [{"gender": "male"}, {"locale": "de_DE"}, {"locale": "ru_RU"}],
    "address": [{"country": True, "lines": True}, {"postcode": False}],
    "random_number": [{"min": -3, "max": 3}],
}
"""Parameters that are worth a look beside a mask's usual ones and those of its example."""
WHOLE = {"null", "constant"}


def of_a_kind(column_type: str) -> str:
    """The masks' name for a type."""
    named = {"varchar(40)": "text", "char(40)": "text", "text[]": "text", "numeric(12,2)": "numeric"}
    named |= dict.fromkeys(
        ("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"), "range"
    )
    multiranges = ("int4multirange", "nummultirange", "datemultirange", "tstzmultirange", "int8multirange[]")
    named |= dict.fromkeys(multiranges, "range")
    named |= {"daterange[]": "range", "public.hstore": "hstore"}
    return named.get(column_type, column_type.replace(" precision", ""))


def values_of(major: int, column_type: str) -> Sequence[str | None]:
    """Those that a server of that major has: 14 is the first with multiranges, and with infinite numerics."""
    values = VALUES[column_type]
    if major >= 14:
        return values
    if "multirange" in column_type:
        return ()
    return [each for each in values if column_type != "numeric" or each not in {"Infinity", "-Infinity"}]


def asked(name: str) -> list[dict[str, Any]]:
    """The parameters that a mask is tried with."""
    mask = MASKS[name]
    plain = mask.plain_params().model_dump(mode="json", exclude_unset=True)
    example = {
        key: value for key, value in mask.example_params().items() if key not in ("subject", "columns")
    }
    return [plain, example, *OTHER_PARAMS.get(name, [])]


PAIRS = [
    (name, column_type)
    for name, mask in MASKS.items()
    for column_type in VALUES
    if name not in WHOLE and name != "json" and of_a_kind(column_type) in mask.kinds
]


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script("CREATE EXTENSION hstore WITH SCHEMA public")
    yield made
    remove_lab(made)


def hold_against_its_description(
    lab: Lab, name: str, column_type: str, values: Sequence[str | None], params: dict[str, Any]
) -> None:
    chosen = spec(name, **params)
    table, column = lab.table_of(column_type), lab.column(column_type)
    if problems := check_column(table, column, chosen):
        assert all(problem[:1].islower() or problem[:1] in "`'" for problem in problems)
        return
    compiled = lab.shapes(column_type, chosen)
    twin = lab.masked(column_type, list(values), chosen, cast=column_type)
    again = lab.masked(column_type, list(reversed(values)), chosen, cast=column_type)
    mask, checked = mask_and_params(chosen, MASKS)
    by_row = "subject" in mask.params.model_fields or not mask.follows_value(checked)
    assert by_row or again == twin[::-1]
    for before, after in zip(values, twin, strict=True):
        # What is as frequent as distribution wants may be nothing.
        assert (after is None) == (before is None) or name == "distribution", (before, after)
        if before == "" or (before == "{}" and column_type != "text"):
            assert (after or "").strip() == before
    if compiled.preserves_distinct and column_type != "text[]":
        assert len(set(twin)) == len(set(values))
    session = lab.session()
    for facet in compiled.proved():
        with session.transaction():
            bind(session, [compiled], KEY)
            rows = f"FROM lab.{table.name}_twin"
            if facet.shape_sql is not None:
                odd = session.execute(
                    f"SELECT v::text {rows} WHERE ({facet.shape_sql}) IS FALSE".encode()
                ).fetchall()
                assert odd == [], (chosen, odd)
            if facet.leak_sql is not None:
                left = session.execute(f"SELECT v::text {rows} WHERE {facet.leak_sql}".encode()).fetchall()
                assert left == [], (chosen, left)
            session.execute(f"SELECT {facet.value_sql} {rows}".encode())
    if compiled.proof == "by_chance" and compiled.chance < 1e-3:
        with session.transaction():
            bind(session, [compiled], KEY)
            form = compiled.proved()[0].value_sql
            query = (
                f"SELECT v::text FROM lab.{table.name} AS s WHERE nullif({form}, '') IS NOT NULL AND"
                f" ({form}) = (SELECT {form} FROM lab.{table.name}_twin AS s2 WHERE s2.id = s.id)"
            )
            assert session.execute(query.encode()).fetchall() == [], chosen


@pytest.mark.parametrize(("name", "column_type"), PAIRS, ids=str)
def test_a_mask_keeps_its_promises_over_the_hardest_values(lab: Lab, name: str, column_type: str) -> None:
    values = values_of(lab.cluster.major, column_type)
    for params in asked(name) if values else ():
        hold_against_its_description(lab, name, column_type, values, params)


NEAR_MISSES = st.text(st.sampled_from("0123456789abcdefABCDEFxX :.-/@+()é🦊\\'\""), max_size=50)
TEXTS = sorted({name for name, _ in PAIRS if "text" in MASKS[name].kinds})


@pytest.mark.parametrize("name", TEXTS)
@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_text_makes_a_mask_fail(lab: Lab, name: str, data: st.DataObject) -> None:
    anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
    values = data.draw(st.lists(anything | NEAR_MISSES, min_size=15, max_size=15, unique=True))
    hold_against_its_description(lab, name, "text", values, asked(name)[-1])
