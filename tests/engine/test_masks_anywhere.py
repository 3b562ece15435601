"""Masks where it is hardest: keys that must not show, other encodings, huge values, odd types and names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.keys.keys import binding_value
from appliance.masking.compiler import check_column, compile_column, compile_unlisted, fitting
from appliance.masking.expressions.neutral import neutral_value
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.registry import MASKS
from appliance.masking.shape import shape_of
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import (
    KEY,
    Lab,
    bind,
    kept_beside,
    keyed_hash,
    keyed_hmac,
    make_lab,
    remove_lab,
    spec,
)

PARAMS: dict[str, dict[str, Any]] = {
    name: mask.plain_params().model_dump(mode="json", exclude_unset=True) for name, mask in MASKS.items()
} | {"constant": {"value": "x"}, "json": {"paths": {"a": "hash"}}}
KEEP_TEXT = {
    name for name, mask in MASKS.items() if mask.proof == "partial" or mask.whole_column or name == "postcode"
}
TEXT_MASKS = sorted(name for name, mask in MASKS.items() if "text" in mask.kinds and not mask.whole_value)


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script(
        "CREATE EXTENSION citext; CREATE EXTENSION hstore;"
        "CREATE TYPE lab.mood AS ENUM ('calm', 'it''s \\ odd');"
        "CREATE DOMAIN lab.label AS varchar(30) CHECK (value <> 'no one');"
        "CREATE DOMAIN lab.price AS numeric(8,2); CREATE DOMAIN lab.moods AS lab.mood;"
        "CREATE DOMAIN lab.names AS text[]; CREATE TYPE lab.pair AS (a int, b text);"
        "CREATE TYPE lab.span AS RANGE (subtype = timestamptz)"
    )
    yield made
    remove_lab(made)


def test_no_key_stands_in_sql_text(lab: Lab) -> None:
    compiled = [lab.shapes("text", spec(mask, **PARAMS.get(mask, {}))) for mask in TEXT_MASKS]
    bindings = {binding.setting: binding for column in compiled for binding in column.bindings}
    values = [binding_value(KEY, each) for each in bindings.values() if each.part != "dictionary"]
    assert len(values) >= 9
    for column in compiled:
        for text in (column.model_dump_json(), column.sql):
            assert not any(value in text for value in values)
            assert KEY.hex() not in text


def test_nothing_is_masked_without_a_key(lab: Lab) -> None:
    table, compiled = lab.table_of("text"), lab.shapes("text", spec("hash"))
    lab.session().execute(f"INSERT INTO lab.{table.name} VALUES (-1, 'raw')".encode())
    with pytest.raises(Exception, match="unrecognized configuration parameter"):
        lab.copy_out(f"SELECT {compiled.sql} FROM lab.{table.name}", [])
    lab.session().execute(f"DELETE FROM lab.{table.name}".encode())


def test_a_plan_can_be_explained_without_a_key(lab: Lab) -> None:
    for mask in TEXT_MASKS:
        table, compiled = lab.table_of("text"), lab.shapes("text", spec(mask, **PARAMS.get(mask, {})))
        query = f"EXPLAIN SELECT {compiled.sql} FROM lab.{table.name}"
        lab.session(lab.reader).execute(query.encode())


@pytest.mark.parametrize("mask", ["hash", "first_name", "phone", "text_scrub"])
def test_a_text_of_270_million_bytes_is_masked(lab: Lab, mask: str) -> None:
    # More than a quarter of a GiB: too long for a regular expression, which takes four times as much.
    text = "repeat('a@b.c 1 ', 33750000)"
    compiled = lab.shapes("text", spec(mask))
    session = lab.session()
    with session.transaction():
        bind(session, [compiled], KEY)
        query = f"SELECT octet_length({compiled.sql}) FROM (SELECT 1 AS id, {text} AS v OFFSET 0) AS huge"
        row = session.execute(query.encode()).fetchone()
    assert row is not None
    assert row[0] == 270_000_000 if mask == "phone" else row[0] <= 32


def test_text_that_is_not_valid_in_its_encoding_is_masked(source: Cluster) -> None:
    lab = make_lab(source, "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0", "SQL_ASCII")
    try:
        broken = [b"\xff\xfe", b"\x80abc\xc3", b"a\\b", b"\xed\xa0\x80 555-123-4567"]
        for mask in TEXT_MASKS:
            if mask in KEEP_TEXT:
                continue  # What these keep, they keep as it is.
            table, compiled = lab.table_of("text"), lab.shapes("text", spec(mask, **PARAMS.get(mask, {})))
            session = lab.session()
            session.execute(f"DELETE FROM lab.{table.name}".encode())
            for number, raw in enumerate(broken):
                literal = f"convert_from('\\x{raw.hex()}'::bytea, 'SQL_ASCII')"
                session.execute(f"INSERT INTO lab.{table.name} VALUES ({number}, {literal})".encode())
            copied = lab.copy_out(f"SELECT {compiled.sql} FROM lab.{table.name}", [compiled])
            assert b"\xff\xfe" not in copied and b"\xed\xa0" not in copied
        assert lab.masked("text", ["plain"], spec("hash")) == [keyed_hash("plain").hex()[:32]]
    finally:
        remove_lab(lab)


def test_a_latin1_database_gets_words_it_can_hold(source: Cluster) -> None:
    lab = make_lab(source, "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "LATIN1")
    try:
        for mask in TEXT_MASKS:
            values = [f"José {number}é" for number in range(40)]
            twin = lab.masked("text", values, spec(mask, **PARAMS.get(mask, {})))
            assert mask in KEEP_TEXT or all(each.isascii() for each in twin)
        assert (
            lab.masked(
                "json",
                [r'{"a": "\u00e9"}', r'{"a": "\u20ac"}'],
                spec("json", paths={"a": "hash"}),
                cast="json",
            )[1]
            == "null"
        )
    finally:
        remove_lab(lab)


def test_a_column_may_have_any_name(lab: Lab) -> None:
    odd = "lab." + identifier('odd "table"')
    names = [" Kéy\\", 'a.b "c" \\', "select", "appliance_element", "appliance_value", "v"]
    types = ["int PRIMARY KEY", "text", "date", "text[]", "jsonb", "text"]
    columns_sql = ", ".join(f"{identifier(name)} {kind}" for name, kind in zip(names, types, strict=True))
    lab.script(f"CREATE TABLE {odd} ({columns_sql})")
    lab.script(f"""INSERT INTO {odd} VALUES (1, 'x', '2020-01-01', '{{p}}', '{{"k": "q"}}', 'w')""")
    table = lab.catalog_table('odd "table"')
    chosen = {
        'a.b "c" \\': spec("hash", length=64),
        "select": spec("date_shift"),
        "appliance_element": spec("hash", length=64),
        "appliance_value": spec("json", paths={"k": spec("hash", length=64).model_dump()}),
        "v": spec("hash", length=64),
    }
    wanted = [column for column in table.columns if column.name in chosen]
    columns = [compile_column(table, column, chosen[column.name]) for column in wanted]
    session = lab.session()
    with session.transaction():
        bind(session, columns, KEY)
        shown = ", ".join(f"({column.sql})::text" for column in columns)
        row = session.execute(f"SELECT {shown} FROM {odd}".encode()).fetchone()
    assert row is not None
    x, date, p, document, w = row
    x_hashed, w_hashed, p_hashed, q_hashed = (
        keyed_hmac(each, b"t").hex() for each in (b"x", b"w", b"p", b"q")
    )
    assert (x, w) == (x_hashed, w_hashed)
    assert date != "2020-01-01" and p == "{" + p_hashed + "}"
    assert json.loads(document) == {"k": q_hashed}


TYPES = [
    *("text", "varchar", "varchar(40)", "char(40)", "bpchar", "citext", "lab.label", "text[]", "lab.names"),
    *("smallint", "integer", "bigint", "numeric", "numeric(12,2)", "lab.price", "real", "double precision"),
    *("date", "timestamp", "timestamp(3)", "timestamptz(0)", "time", "interval", "uuid", "uuid[]", "bytea"),
    *("inet", "cidr", "macaddr", "json", "jsonb", "boolean", "lab.mood", "lab.moods", "lab.mood[]"),
    *("tsvector", "xml", "int4range", "lab.span", "lab.pair", "point", "hstore", "money", "bit(5)"),
    *("bit varying(9)", "varchar(40)[]", "numeric(12,2)[]", "integer[]", "date[]", "time with time zone"),
    *("macaddr8", "box", "polygon", "pg_lsn", "name", "citext[]", "jsonb[]", "inet[]"),
]


@pytest.mark.parametrize("column_type", TYPES)
def test_every_mask_that_fits_a_type_gives_exactly_that_type(lab: Lab, column_type: str) -> None:
    with_extensions = {"citext": "public.citext", "citext[]": "public.citext[]", "hstore": "public.hstore"}
    table = lab.table_of(with_extensions.get(column_type, column_type))
    column = next(column for column in table.columns if column.name == "v")
    below = column.base_type if column.type_kind == "domain" else column.type
    names = fitting(shape_of(column))
    assert {"null", "constant"} <= set(names)
    for name in names:
        chosen = spec(name, **PARAMS.get(name, {}))
        if name == "constant" or check_column(table, column, chosen):
            continue  # A mask may need more room than the column has.
        compiled = compile_column(table, column, chosen, row=kept_beside(table))
        with lab.session().transaction():
            bind(lab.session(), [compiled], KEY)
            query = f"SELECT {compiled.sql} AS v FROM lab.{table.name}"
            lab.session().execute(f"CREATE TEMPORARY VIEW probe AS {query}".encode())
            found = (
                lab.session()
                .execute(
                    "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                    " WHERE attrelid = 'pg_temp.probe'::regclass"
                )
                .fetchone()
            )
            lab.session().execute(query.encode())
            lab.session().execute("DROP VIEW pg_temp.probe")
        shown = found[0] if found else ""
        assert shown.split("(")[0] == below.split("(")[0]
        assert column.type_kind == "domain" or shown == column.type
    for name in set(MASKS) - set(names):
        problems = check_column(table, column, spec(name, **PARAMS.get(name, {})))
        assert len(problems) == 1 and "constant" in problems[0]


@pytest.mark.parametrize("column_type", TYPES)
def test_there_is_a_neutral_value_for_what_may_not_be_null(lab: Lab, column_type: str) -> None:
    with_extensions = {"citext": "public.citext", "citext[]": "public.citext[]", "hstore": "public.hstore"}
    table = lab.table_of(with_extensions.get(column_type, column_type))
    column = next(column for column in table.columns if column.name == "v")
    column = column.model_copy(update={"not_null": True})
    if column_type == "lab.pair":
        assert neutral_value(column) is None
        return
    compiled = compile_unlisted(table, column)
    domain = compiled.output_domain_sql or ""
    row = lab.session().execute(f"SELECT ({compiled.sql})::text, ({domain})".encode()).fetchone()
    assert row is not None and row[0] is not None and row[0] == row[1]


def test_constants_of_every_kind_are_what_they_say(lab: Lab) -> None:
    cases: list[tuple[str, Any, str]] = [
        ("text", 'it\'s \\ a "text" 🦊', 'it\'s \\ a "text" 🦊'),
        ("varchar(40)", 12, "12"),
        ("integer", -5, "-5"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("numeric(12,2)", 1.5, "1.50"),
        ("double precision", 2.5, "2.5"),
        ("boolean", True, "true"),
        ("date", "1970-01-31", "1970-01-31"),
        ("timestamp", "1970-01-31T10:00:00", "1970-01-31 10:00:00"),
        ("timestamptz(0)", "1970-01-31 10:00:00+02:00", "1970-01-31 08:00:00+00"),
        ("uuid", "{12345678123456781234567812345678}", "12345678-1234-5678-1234-567812345678"),
        ("bytea", "\\x00ff", "\\x00ff"),
        ("inet", "10.0.0.1", "10.0.0.1/32"),
        ("jsonb", {"a": [1, None, 'é"']}, '{"a": [1, null, "é\\""]}'),
        ("json", '"text"', '"text"'),
        ("lab.mood", "it's \\ odd", "it's \\ odd"),
        ("text[]", ["a", 'b"c', "\\"], '{a,"b\\"c","\\\\"}'),
        ("integer[]", [1, 2], "{1,2}"),
        ("interval", "2 days", "2 days"),
        ("int4range", "[1,3)", "[1,3)"),
        ("tsvector", "cat", "'cat'"),
    ]
    for column_type, value, shown in cases:
        masked = lab.masked(column_type, [None], spec("constant", value=value), cast=column_type)
        assert masked == [shown], column_type
        keeping = spec("constant", value=value, keep_null=True)
        kept = lab.masked(column_type, [None], keeping, cast=column_type)
        assert kept == [None]
