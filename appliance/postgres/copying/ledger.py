"""The ledger inside ``<twin>__next``: which pieces have arrived, so that a retried one arrives once.

A piece's row is inserted first in the same transaction as its COPY. A second attempt, also one that
overlaps the first, waits on that row's uniqueness and then finds the piece done, or does it itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection, sql
from psycopg.rows import TupleRow

SCHEMA = "appliance_ledger"
"""Dropped before the swap: the twin holds nothing of ours."""

_DONE = f"{SCHEMA}.done"


def create(connection: Connection[TupleRow]) -> None:
    """Make the empty ledger (the caller commits). Raises psycopg errors; an existing one is kept."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_DONE} (item text PRIMARY KEY, table_name text NOT NULL,"
        " rows bigint, bytes bigint, at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


def begin(connection: Connection[TupleRow], item: str, table_name: str) -> bool:
    """Begin a transaction and take an item in it; False, and no transaction begun, when it has arrived.

    Waits for another transaction that has claimed it, so the caller's ``lock_timeout`` must be off.
    """
    claim = sql.SQL(
        "BEGIN; INSERT INTO {} (item, table_name) VALUES ({}, {}) ON CONFLICT (item) DO NOTHING"
    ).format(sql.SQL(_DONE), item, table_name)
    answers = connection.execute(claim)
    answers.nextset()
    if answers.rowcount == 1:
        return True
    connection.execute("ROLLBACK")
    return False


def commit(connection: Connection[TupleRow], item: str, rows: int, size: int) -> None:
    """Write what arrived and commit the transaction that took the item, in one round trip."""
    connection.execute(
        sql.SQL("UPDATE {} SET rows = {}, bytes = {} WHERE item = {}; COMMIT").format(
            sql.SQL(_DONE), rows, size, item
        )
    )


def begin_all(connection: Connection[TupleRow], items: Sequence[tuple[str, str]]) -> bool:
    """The same for several items (key, table), all or none; False also where one of them has arrived."""
    values = sql.SQL(", ").join(sql.SQL("({}, {})").format(*each) for each in items)
    claim = sql.SQL("BEGIN; INSERT INTO {} (item, table_name) VALUES {} ON CONFLICT (item) DO NOTHING")
    answers = connection.execute(claim.format(sql.SQL(_DONE), values))
    answers.nextset()
    if answers.rowcount == len(items):
        return True
    connection.execute("ROLLBACK")
    return False


def commit_all(connection: Connection[TupleRow], items: Sequence[tuple[str, int, int]]) -> None:
    """Write what arrived of each (key, rows, bytes) and commit."""
    values = sql.SQL(", ").join(sql.SQL("({}, {}, {})").format(*each) for each in items)
    connection.execute(
        sql.SQL(
            "UPDATE {} AS d SET rows = v.rows, bytes = v.bytes FROM (VALUES {}) AS v (item, rows, bytes)"
            " WHERE d.item = v.item; COMMIT"
        ).format(sql.SQL(_DONE), values)
    )


def arrived(connection: Connection[TupleRow]) -> dict[str, tuple[int, int]]:
    """Rows and bytes of every finished item, by its key."""
    rows = connection.execute(f"SELECT item, rows, bytes FROM {_DONE} WHERE rows IS NOT NULL")  # noqa: S608
    return {item: (count, size) for item, count, size in rows}


def arrived_item(connection: Connection[TupleRow], item: str) -> tuple[int, int]:
    """Rows and bytes of one finished item; zeros where it has not arrived."""
    row = connection.execute(f"SELECT rows, bytes FROM {_DONE} WHERE item = %s", (item,)).fetchone()  # noqa: S608
    return (row[0], row[1]) if row is not None else (0, 0)


def drop(connection: Connection[TupleRow]) -> None:
    """Remove the ledger and all that stands in its schema."""
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
