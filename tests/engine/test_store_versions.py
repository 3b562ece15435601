"""Each version of the appliance's own store and the next: rows stay, and the former release can still write.

There is no way down by SQL, and none is needed: a release that is put back finds the newer tables, and works
on them, because a migration adds and takes nothing away.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from appliance.store import database
from tests.engine.clusters import SUPERUSER, Cluster

VERSIONS = [number for number, _ in database.migrations()]
_COLUMNS = """
SELECT table_name, column_name, data_type,
    is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
FROM information_schema.columns WHERE table_schema = 'appliance' AND table_name <> 'schema_version'
"""
_VALUES = {
    "text": "'running'",
    "integer": "1",
    "bigint": "1",
    "smallint": "1",
    "double precision": "1",
    "boolean": "false",
    "uuid": "gen_random_uuid()",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "bytea": "'x'",
}


@pytest.fixture
def store(target: Cluster) -> Iterator[str]:
    target.create_database("store_versions")
    yield f"postgresql://{SUPERUSER}:{target.passwords[SUPERUSER]}@{target.host}:{target.port}/store_versions"
    target.drop_database("store_versions")


def migrate_to(version: int, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = [block for block in database.migrations() if block[0] <= version]
    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", lambda: known)
        assert database.migrate(store) == version


def columns(session: psycopg.Connection[tuple[object, ...]]) -> dict[tuple[str, str], tuple[str, bool]]:
    """Type of each column, and whether an INSERT may leave it out."""
    rows = session.execute(_COLUMNS.encode()).fetchall()
    return {(str(table), str(column)): (str(kind), bool(free)) for table, column, kind, free in rows}


def insert_one(session: psycopg.Connection[tuple[object, ...]], table: str) -> bool:
    """A row as the former release would write it, where one is that easily made."""
    needed = {name: kind for (of, name), (kind, free) in columns(session).items() if of == table and not free}
    names, values = ", ".join(needed), ", ".join(_VALUES.get(kind, "NULL") for kind in needed.values())
    row = f"({names}) VALUES ({values})" if needed else "DEFAULT VALUES"
    try:
        session.execute(f"INSERT INTO appliance.{table} {row}".encode())
    except psycopg.errors.IntegrityError:
        return False
    return True


@pytest.mark.parametrize(("former_version", "version"), itertools.pairwise(VERSIONS))
def test_the_next_version_keeps_every_row_and_lets_the_former_release_write(
    former_version: int, version: int, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_to(former_version, store, monkeypatch)
    with psycopg.connect(store, autocommit=True) as session:
        former = columns(session)
        tables = {table for table, _ in former}
        written = {table for table in tables if insert_one(session, table)}
        assert {"event", "run"} <= written
        count = b"SELECT count(*) FROM appliance."
        before = {table: session.execute(count + table.encode()).fetchone() for table in tables}
        migrate_to(version, store, monkeypatch)
        assert {table: session.execute(count + table.encode()).fetchone() for table in tables} == before
        now = columns(session)
        assert former.items() <= now.items(), "nothing is dropped, renamed or of another type"
        added = {
            place: free for place, (_, free) in now.items() if place[0] in tables and place not in former
        }
        assert all(added.values()), f"the former release does not know {added}, and leaves them out"
    # What an update that was put back finds.
    migrate_to(version, store, monkeypatch)
