"""Doing a thing once, whatever is tried again: each is noted in the ledger in its own transaction."""

from __future__ import annotations

import psycopg

from appliance.postgres.copying import ledger
from appliance.postgres.no_encoding import is_plain, run
from appliance.postgres.sessions.parallel_jobs import Session

_FINISHED = f"{ledger.SCHEMA}.finished"
_FINISHED_KEY = "appliance_ledger_finished_once"


def create_ledger(session: Session) -> None:
    """Make the list of what has been built; an existing one is kept."""
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {_FINISHED} (job text, CONSTRAINT {_FINISHED_KEY} PRIMARY KEY (job))"
    )


def once(session: Session, key: str, statement: bytes) -> None:
    """Run SQL and note that it is done, in one transaction and one round trip, unless it was done before."""
    plain = is_plain(statement)
    try:
        if plain:
            session.execute(b"BEGIN; " + claimed(key, statement) + b"; COMMIT")
        else:
            with session.transaction():
                run(session, claimed(key, statement))
    except psycopg.Error as error:
        if plain and not session.broken:
            session.execute("ROLLBACK")
        if error.sqlstate != "23505" or error.diag.constraint_name != _FINISHED_KEY:
            raise


def claimed(key: str, statement: bytes) -> bytes:
    """The statement after its line in the ledger, for an open transaction: it fails the second time."""
    return f"INSERT INTO {_FINISHED} VALUES ('{key}'); ".encode() + statement  # noqa: S608
