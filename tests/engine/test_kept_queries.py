"""What the queries over kept columns see, by themselves: types, documents, samples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from appliance.discovery.kept.originals_query import (
    COLUMNS_AT_ONCE,
    KeptTexts,
    MaskedOriginals,
    originals_queries,
)
from appliance.discovery.kept.sampled_rows import sampled_rows
from appliance.discovery.kept.values import (
    Seen,
    kept_values_queries,
    kept_values_together,
    personal_values,
    take_in,
)
from appliance.discovery.name_list import known_names
from appliance.postgres.source.lock_room import LockRoom
from appliance.workflow.catalog import Table
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def seen(lab: Lab, name: str, share: float = 1.0) -> tuple[Table, Seen]:
    """All that the look at a table's columns counts."""
    table, found = lab.catalog_table(name), Seen()
    given = {"names": known_names("UTF8"), "limit_year": str(datetime.now(UTC).year - 18)}
    for query in kept_values_queries(table.columns, [f"lab.{name}"], "UTF8", share=share, seed=3):
        found.add(query, lab.session().execute(query.sql.encode(), given).fetchall())
    return table, found


def kinds(lab: Lab, name: str) -> dict[str, str]:
    """The personal kind of each column that has one."""
    table, found = seen(lab, name)
    judged = {each.name: personal_values(each, found.columns[each.name]) for each in table.columns}
    return {column: evidence.kind for column, evidence in judged.items() if evidence is not None}


def test_a_card_hides_in_no_number_that_has_room_for_it(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.cards AS SELECT i AS small, (i * 7)::numeric(12, 2) AS price,"
        " now() + i * interval '1 day' AS at, 4111111111111111 AS whole, -4111111111111111 AS below,"
        " 4111111111111111::numeric AS wide, 4111111111111111::numeric(16) AS fit,"
        " '4111111111111111'::text AS shown, i AS id FROM generate_series(1, 50) AS i"
    )
    assert kinds(lab, "cards") == dict.fromkeys(("whole", "below", "wide", "fit", "shown"), "card")


def test_tables_that_are_looked_at_together_are_seen_as_by_themselves(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.one (id int, said text, doc jsonb); CREATE TABLE lab.two (said text, at date);"
        "CREATE TABLE lab.three (id int);"
        "INSERT INTO lab.one SELECT i, 'p' || i || '@mail.example', jsonb_build_object('to', 'c' || i)"
        " FROM generate_series(1, 30) AS i;"
        "INSERT INTO lab.two SELECT 'word ' || i, now() FROM generate_series(1, 20) AS i;"
        "INSERT INTO lab.three VALUES (1), (2)"
    )
    alone = [seen(lab, name) for name in ("one", "two", "three")]
    together = [Seen() for _ in alone]
    query = kept_values_together([(table.columns, [f"lab.{table.name}"], {}) for table, _ in alone], "UTF8")
    given = {"names": known_names("UTF8"), "limit_year": str(datetime.now(UTC).year - 18)}
    take_in(query, lab.session().execute(query.sql.encode(), given).fetchall(), together)
    assert together == [each for _, each in alone]
    assert [each.rows for each in together] == [30, 20, 2]


@pytest.mark.parametrize(("tables", "statements"), [(1, 4), (COLUMNS_AT_ONCE, 4), (500, 2), (2000, 4)])
def test_originals_of_many_tables_are_read_a_few_times_only(lab: Lab, tables: int, statements: int) -> None:
    """Each statement reads all originals, and so their number must not grow with both."""
    lab.script("CREATE TABLE IF NOT EXISTS lab.kept_text (said text)")
    table = lab.catalog_table("kept_text")
    kept_columns = max(tables, 4 * COLUMNS_AT_ONCE)
    kept = [KeptTexts(table, f"lab.kept_{at}", tuple(table.columns), None) for at in range(kept_columns)]
    originals = [MaskedOriginals(table, f"lab.masked_{at}", ()) for at in range(tables)]
    queries = originals_queries(kept, originals, "UTF8", 1, LockRoom())
    assert len(queries) == statements
    assert sum(len(each.kept) for each in queries) == kept_columns


def test_every_value_counts_whether_it_is_looked_at_or_not(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.counted (a integer, b bigint, c timestamptz, d date, e text, f numeric(5, 2));"
        "INSERT INTO lab.counted SELECT i, i, now(), now(), 'x' || i, i FROM generate_series(1, 90) AS i;"
        "INSERT INTO lab.counted SELECT FROM generate_series(1, 10)"
    )
    table, found = seen(lab, "counted")
    assert found.rows == 100
    assert {each.name: found.columns[each.name].total for each in table.columns} == dict.fromkeys(
        "abcdef", 90
    )


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_a_document_is_seen_through_whatever_its_form(lab: Lab, kind: str) -> None:
    name = f"docs_{kind}"
    lab.script(
        f"CREATE TABLE lab.{name} AS SELECT"
        f" jsonb_build_object('n', i, 'ok', true, 'mail', 'u' || i || '@corp.test')::{kind} AS flat,"
        " jsonb_build_object('n', i, 'to', jsonb_build_object('mail', 'u' || i || '@corp.test'))"
        f"::{kind} AS deep,"
        f" jsonb_build_object('seen', jsonb_build_array(i, 'u' || i || '@corp.test'))::{kind} AS listed,"
        f" jsonb_build_array('u' || i || '@corp.test')::{kind} AS alone,"
        f" to_jsonb('u' || i || '@corp.test')::{kind} AS bare,"
        f" jsonb_build_object('u' || i || '@corp.test', i)::{kind} AS by_key,"
        f" jsonb_build_object('u' || i || '@corp.test', jsonb_build_object('n', i))::{kind} AS by_deep_key,"
        f" jsonb_build_object('u' || i || '@corp.test', null)::{kind} AS by_empty_key,"
        f" jsonb_build_object('n', i, 'ok', true, 'open', '[' || i || '{{', 'no', null)::{kind} AS clean"
        " FROM generate_series(1, 40) AS i"
    )
    found = kinds(lab, name)
    wanted = ("flat", "deep", "listed", "alone", "bare", "by_key", "by_deep_key", "by_empty_key")
    assert found == dict.fromkeys(wanted, "email")


def test_originals_are_taken_from_rows_whose_kept_columns_are_compared(lab: Lab) -> None:
    lab.script("CREATE TABLE lab.many AS SELECT i, repeat('x', 200) AS t FROM generate_series(1, 5000) AS i")
    table = lab.catalog_table("many").model_copy(update={"estimated_rows": 300_000})
    some, more = (
        {row for (row,) in lab.session().execute(sampled_rows(table, table.columns[:1], 1, few, 77).encode())}
        for few in (60_000, 150_000)
    )
    assert some
    assert some < more
    assert len(more) < 5000
