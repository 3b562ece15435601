"""What a copy computes in a query of two levels is what each column's own expression gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import compile_column, keep_column
from appliance.postgres.copying.copy_sql import masked_select
from appliance.postgres.plan import PlannedTable, TableName
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, bind, make_lab, remove_lab, spec

MASKS = {
    "email": spec("email"),
    "born": spec("date_shift", subject="id"),
    "seen": spec("date_shift", subject=["id", "appliance_digest_1_0"]),
    "salary": spec("number_noise"),
    "name": spec("full_name"),
    "boss": spec("last_name", subject="id"),
    "phone": spec("phone"),
    "address": spec("hash"),
    "dates": spec("date_shift", subject="id"),
}


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script(
        "CREATE TABLE lab.person (id int PRIMARY KEY, email text, born date, seen timestamptz,"
        " salary numeric(10,2), name text, boss text, phone text, address inet, dates date[],"
        " appliance_digest_1_0 text);"
        "INSERT INTO lab.person SELECT i,"
        " CASE i % 7 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE i || '@corp.test' END,"
        " CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' ELSE date '1980-01-01' + i END, now(),"
        " nullif(i % 9, 3), 'N' || i % 3, nullif('B' || i % 4, 'B0'), '+44 7' || i,"
        " inet '192.0.2.0' + i, ARRAY[date '2000-01-01', NULL], 'x' || i % 2 FROM generate_series(1, 200) i;"
        f"GRANT SELECT ON lab.person TO {made.reader}; ANALYZE lab.person"
    )
    yield made
    remove_lab(made)


def planned(lab: Lab) -> PlannedTable:
    table = lab.catalog_table("person")
    columns = tuple(
        compile_column(table, column, MASKS[column.name]) if column.name in MASKS else keep_column(column)
        for column in table.columns
    )
    return PlannedTable(
        schema_name="lab",
        name="person",
        load_into=TableName(schema_name="lab", name="person"),
        columns=columns,
        format="binary",
        estimated_rows=200,
        bytes=0,
        pages=0,
    )


def test_both_levels_together_give_what_the_expressions_give(lab: Lab) -> None:
    table = planned(lab)
    lifted = [column.name for column in table.columns if column.lifted is not None]
    assert lifted == ["email", "born", "seen", "salary", "boss", "address"]
    own = ", ".join(_named(column) for column in table.columns)
    session = lab.session(lab.reader)
    with session.transaction():
        bind(session, table.columns)
        copied = _texts(session, masked_select(table))
        by_itself = _texts(session, f"SELECT {own} FROM lab.person")
        originals = _texts(session, "SELECT * FROM lab.person")
    assert copied == by_itself
    assert len(set(copied) - set(originals)) == 200


def _texts(session: psycopg.Connection[Any], query: str) -> list[str]:
    found = session.execute(f"SELECT c::text FROM ({query}) AS c ORDER BY id".encode())
    return [text for (text,) in found.fetchall()]


def _named(column: CompiledColumn) -> str:
    return f'{column.sql} AS "{column.name}"'
