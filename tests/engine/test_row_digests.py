"""A table's digest: the same for the same rows however they stand and are read, another for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from appliance.postgres.twin import row_digests
from appliance.postgres.twin.digests import digest_twin
from appliance.postgres.twin.row_digests import CHUNK
from tests.engine.clusters import Cluster

Digests = Callable[[], dict[str, str]]
NUMBERS = "CREATE TABLE numbers (id int PRIMARY KEY, word text, at timestamptz)"
ROWS = (
    "SELECT i, 'word ' || i, timestamptz '2026-01-01 00:00+00' + i * interval '1 s'"
    f" FROM generate_series(1, {CHUNK * 2 + 7}) AS i"
)


@pytest.fixture
def database(target: Cluster) -> Iterator[str]:
    name = "digested"
    target.create_database(name)
    yield name
    target.drop_database(name)


@pytest.fixture
def digests(target: Cluster, database: str) -> Digests:
    def of_all() -> dict[str, str]:
        twin = digest_twin("target", partial(target.connect, database), 2)
        return {each.table.removeprefix("public."): each.sha256 for each in twin.tables}

    return of_all


def test_the_order_on_the_disk_and_the_way_of_reading_change_nothing(
    target: Cluster, database: str, digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.sql(database, f"{NUMBERS}; INSERT INTO numbers {ROWS}")
    target.sql(database, "CREATE TABLE keyless AS SELECT * FROM numbers")
    ordered = digests()
    target.sql(database, "TRUNCATE numbers, keyless")
    target.sql(database, f"INSERT INTO numbers {ROWS} ORDER BY random(); INSERT INTO keyless TABLE numbers")
    assert digests() == ordered
    monkeypatch.setattr(row_digests, "SMALL_PAGES", -1)
    target.sql(database, "ANALYZE numbers")
    assert digests() == ordered


@pytest.mark.parametrize("rows", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_chunks_end_where_rows_do(
    target: Cluster, database: str, digests: Digests, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    target.sql(database, f"{NUMBERS}; INSERT INTO numbers {ROWS} LIMIT {rows}")
    by_index = digests()
    monkeypatch.setattr(row_digests, "SMALL_PAGES", -1)
    assert digests() == by_index
    target.sql(database, "INSERT INTO numbers VALUES (1000000, 'one more', now())")
    assert digests() != by_index


def test_small_tables_are_read_together_and_have_the_digests_of_each_alone(
    target: Cluster, database: str, digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of them is in the way of the others, or has grown since the server counted its pages."""
    target.sql(
        database,
        "CREATE FUNCTION inner_of(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT lower($1) $$;"
        "CREATE FUNCTION outer_of(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT inner_of($1) $$;"
        f"{NUMBERS}; INSERT INTO numbers {ROWS}; CREATE TABLE keyless AS SELECT * FROM numbers LIMIT 9;"
        "CREATE TABLE nothing (id int PRIMARY KEY); CREATE TABLE bare ()",
    )
    together = digests()
    target.sql(database, "CREATE TABLE odd (id int, v text); INSERT INTO odd VALUES (1, 'x')")
    target.sql(database, "CREATE INDEX ON odd (public.outer_of(v))")
    assert {name: each for name, each in digests().items() if name != "odd"} == together
    monkeypatch.setattr(row_digests, "_FEW_PAGES", -1)
    alone = digests()
    assert alone.pop("odd") and alone == together


def test_one_byte_of_any_row_gives_another_digest(target: Cluster, database: str, digests: Digests) -> None:
    kinds = {
        "numbers": NUMBERS,
        "by_word": "CREATE TABLE by_word (id int, word text PRIMARY KEY, at timestamptz)",
        "keyless": "CREATE TABLE keyless (id int, word text, at timestamptz)",
        "tagged": "CREATE TYPE tag AS ENUM ('a', 'b');"
        " CREATE TABLE tagged (id int, word text, at timestamptz, PRIMARY KEY (id, at));"
        " ALTER TABLE tagged ADD tag tag DEFAULT 'a'",
    }
    for name, definition in kinds.items():
        target.sql(database, f"{definition}; INSERT INTO {name} (id, word, at) {ROWS}")
    target.sql(database, "UPDATE numbers SET word = repeat('long', 1000) WHERE id = 9")
    before = digests()
    for changed in (1, 9, CHUNK, CHUNK + 1, CHUNK * 2 + 7):
        for name in kinds:
            target.sql(database, f"UPDATE {name} SET word = word || '.' WHERE id = {changed}")
        now = digests()
        assert all(now[name] != before[name] for name in kinds), changed
        before = now


def test_what_stands_between_two_rows_is_no_matter_of_choice(
    target: Cluster, database: str, digests: Digests
) -> None:
    """The same bytes, cut into rows and columns in another way."""
    # A domain's table is hashed as text.
    target.sql(database, "CREATE DOMAIN words AS text")
    for name, first, second in (("a", "x(2,y)", "z"), ("b", "x", "y)(3,z"), ("c", "x(2,y)", "z ")):
        for kind in ("text", "words"):
            target.sql(database, f"CREATE TABLE {name}_{kind} (id int PRIMARY KEY, word {kind})")
            target.sql(database, f"INSERT INTO {name}_{kind} VALUES (1, '{first}'), (2, '{second}')")
    found = digests()
    assert len(set(found.values())) == len(found) == 6


def test_a_column_with_the_name_of_ours_hides_no_other(
    target: Cluster, database: str, digests: Digests
) -> None:
    for key in ("PRIMARY KEY", ""):
        target.sql(
            database,
            f"CREATE TABLE t (t int {key}, b text, c text, o text); INSERT INTO t VALUES (1, 'x', 'y', 'z')",
        )
        found = []
        for column in ("b", "c", "o"):
            found.append(digests()["t"])
            target.sql(database, f"UPDATE t SET {column} = 'other'")
        assert len(set(found)) == 3
        target.sql(database, "DROP TABLE t")


def test_names_with_signs_and_bytes_of_no_encoding_are_read(target: Cluster) -> None:
    name = "digested_ascii"
    target.create_database(name, "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        target.sql(name, 'CREATE TABLE "100 % it\'s" ("a %s" int PRIMARY KEY, "b" text)')
        found = set()
        for byte in ("e9", "e8"):
            target.sql(name, f"INSERT INTO \"100 % it's\" VALUES (1, convert_from('\\x{byte}', 'SQL_ASCII'))")
            twin = digest_twin("target", partial(target.connect, name), 1)
            found.add(twin.sha256)
            target.sql(name, 'TRUNCATE "100 % it\'s"')
        assert len(found) == 2
    finally:
        target.drop_database(name)
