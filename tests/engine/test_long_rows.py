"""Rows that do not come in one piece: long ones, and those that a slow server lets wait for."""

from __future__ import annotations

import pytest

from appliance.postgres.copying.copy_stream import Copied, SourceBrokeError, pipe
from tests.engine.clusters import Cluster


def copied(source: Cluster, source_database: str, target: Cluster, query: str) -> tuple[Copied, str]:
    """What a query's rows are on the other side: rows and bytes, and a hash of the text in them."""
    with source.connect(source_database) as out, target.connect("postgres") as into:
        into.execute("CREATE TEMPORARY TABLE arrived (id integer, value text); BEGIN")
        moved = pipe(
            out.pgconn,
            into.pgconn,
            f"COPY ({query}) TO STDOUT (FORMAT binary)",
            "COPY arrived FROM STDIN (FORMAT binary)",
            lambda rows, size: None,
        )
        row = into.execute(
            "SELECT coalesce(string_agg(md5(value), '' ORDER BY id), '') FROM arrived"
        ).fetchone()
        assert row is not None
        return moved, str(row[0])


@pytest.mark.parametrize("rows", [1, 3])
def test_a_row_of_many_megabytes_arrives_whole(
    source: Cluster, source_database: str, target: Cluster, rows: int
) -> None:
    made = f"SELECT i AS id, repeat(md5(i::text), 400000) AS value FROM generate_series(1, {rows}) AS i"
    moved, there = copied(source, source_database, target, made)
    expected = f"SELECT string_agg(md5(value), '' ORDER BY id) FROM ({made}) AS m"
    assert there == source.value(source_database, expected)
    assert moved.rows == rows and moved.bytes > rows * 12_800_000


def test_rows_of_a_slow_server_and_its_end_arrive(
    source: Cluster, source_database: str, target: Cluster
) -> None:
    query = (
        "SELECT i, 'x' || pg_sleep(1.2)::text FROM generate_series(1, 3) AS i WHERE pg_sleep(1) IS NOT NULL"
    )
    moved, _ = copied(source, source_database, target, f"{query} OFFSET 1")
    assert moved.rows == 2


def test_an_error_after_a_long_row_is_the_sources(
    source: Cluster, source_database: str, target: Cluster
) -> None:
    query = "SELECT i, repeat('x', 9000000 / (2 - i)) FROM generate_series(1, 2) AS i"
    with pytest.raises(SourceBrokeError) as broken:
        copied(source, source_database, target, query)
    assert broken.value.error.sqlstate == "22012"
