"""Each version of the dashboard's store and the next: what was there stays, on both databases."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from appliance.dashboard.store.database import Database
from appliance.dashboard.store.migrations import split_migrations, statements

SCHEMA = split_migrations(
    files("appliance.dashboard.store").joinpath("schema.sql").read_text(encoding="utf-8")
)
VERSIONS = [number for number, _ in SCHEMA]


def columns(store: sqlite3.Connection) -> set[tuple[str, str]]:
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {(table, row[1]) for table in tables for row in store.execute(f"PRAGMA table_info({table})")}


def insert_one(store: sqlite3.Connection, table: str) -> bool:
    """A row with what has to be given, where one is that easily made."""
    needed = [
        (name, kind) for _, name, kind, notnull, default, _ in store.execute(f"PRAGMA table_info({table})")
        if notnull and default is None
    ]  # fmt: skip
    names = ", ".join(name for name, _ in needed)
    values = ["1" if "INT" in kind.upper() or "REAL" in kind.upper() else "'x'" for _, kind in needed]
    row = f"({names}) VALUES ({', '.join(values)})" if needed else "DEFAULT VALUES"
    try:
        store.execute(f"INSERT INTO {table} {row}")
    except sqlite3.IntegrityError:
        return False
    return True


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_the_next_version_keeps_what_was_there(version: int, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.db"
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
    for number, block in SCHEMA:
        if number < version:
            for statement in statements(block, is_postgres=False):
                store.execute(statement)
            store.execute("INSERT INTO schema_version VALUES (?)", [number])
    former = columns(store)
    tables = sorted({table for table, _ in former} - {"schema_version"})
    written = [table for table in tables if insert_one(store, table)]
    assert len(written) > 2
    store.commit()
    before = {table: store.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables}
    for statement in statements(dict(SCHEMA)[version], is_postgres=False):
        store.execute(statement)
    after = {table: store.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables}
    assert after == before
    assert former <= columns(store), "nothing is dropped or renamed"
    store.execute("INSERT INTO schema_version VALUES (?)", [version])
    store.commit()
    store.close()
    database = Database(f"sqlite:///{path}")
    assert database.migrate() == VERSIONS[-1], "and from there to the newest"
    database.close()
