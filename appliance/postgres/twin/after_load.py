"""Running a workflow's own SQL in the database that was verified, and counting what it changes.

All of it is one transaction. Its record is written in the same one, so that it is done once, whatever happens
to the step that does it.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.errors import WorkFailedForGoodError
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.errors import database_failure

_RECORD = f"{SCHEMA}.after_load"
_OWN = f"'pg_catalog', 'information_schema', 'pg_toast', '{SCHEMA}'"
_TABLES = f"""
SELECT c.oid::bigint, n.nspname::text || '.' || c.relname::text, c.relfilenode::bigint
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ({_OWN})
"""  # noqa: S608 - of our own words
_CONSTRAINTS = f"""
SELECT c.relname::text || ' ' || k.conname::text
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ({_OWN})
"""  # noqa: S608
_COUNTS = """
SELECT oid, pg_catalog.pg_stat_get_xact_tuples_inserted(oid), pg_catalog.pg_stat_get_xact_tuples_updated(oid),
    pg_catalog.pg_stat_get_xact_tuples_deleted(oid)
FROM pg_catalog.unnest(%s::oid[]) AS oid
"""
_ROOTS = """
SELECT n.nspname::text || '.' || c.relname::text
FROM pg_catalog.unnest(%s::oid[]) AS changed(oid), pg_catalog.pg_partition_ancestors(changed.oid) AS a(oid)
JOIN pg_catalog.pg_class AS c ON c.oid = a.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
"""


class TableChange(BaseModel):
    """What became of one table. Rows that a trigger or a cascade changed count too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rewritten: bool = False
    """Emptied by TRUNCATE, or written anew, in which case no row is counted."""

    @property
    def text(self) -> str:
        """For a person."""
        counts = (("inserted", self.inserted), ("updated", self.updated), ("deleted", self.deleted))
        said = [f"{number:,} {word}" for word, number in counts if number]
        return f"{self.table}: {', '.join([*said, *(['written anew'] if self.rewritten else [])])}"


class AfterLoadRecord(BaseModel):
    """What the SQL of a workflow has done to one database. Names and numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pieces: int
    sha256: str
    """Of its text, in hex."""
    counted: bool
    """False where the server counts no changes (track_counts)."""
    changes: tuple[TableChange, ...]
    made: tuple[str, ...] = ()
    """Tables that there were not before."""
    dropped: tuple[str, ...] = ()
    constraints_dropped: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    """Rows of the copied tables that it has changed, as they are afterwards."""


@dataclass(frozen=True)
class _Before:
    tables: Mapping[int, tuple[str, int]]
    constraints: frozenset[str]


def run_once(
    session: Connection[TupleRow], texts: Sequence[str], counts: Mapping[str, str], timeout_s: float
) -> AfterLoadRecord:
    """Run it, unless that has been done; what it has done.

    ``counts`` has a query of one number for each copied table, by schema.table. Raises our errors, with
    nothing changed by it.
    """
    found = _recorded(session)
    if found is not None:
        return found
    try:
        session.execute("BEGIN")
        before = _Before(_tables(session), _constraints(session))
        number = _transaction(session)
        session.execute('SET LOCAL search_path = "$user", public')
        with _ended_after(session, timeout_s):
            for place, text in enumerate(texts):
                _run(session, place, text, number, timeout_s)
            _run(session, None, "SET CONSTRAINTS ALL IMMEDIATE", number, timeout_s)
        session.execute("SET LOCAL search_path = ''")
        record = _record(session, texts, before, counts)
        session.execute(f"CREATE TABLE {_RECORD} (record text NOT NULL)")
        session.execute(f"INSERT INTO {_RECORD} VALUES (%s)", [record.model_dump_json()])  # noqa: S608
        session.execute("COMMIT")
    except psycopg.Error as error:
        raise database_failure("What after_load has changed could not be counted.", error) from None
    finally:
        if session.info.transaction_status != TransactionStatus.IDLE and not session.closed:
            with contextlib.suppress(psycopg.Error):
                session.execute("ROLLBACK")
    return record


def _recorded(session: Connection[TupleRow]) -> AfterLoadRecord | None:
    try:
        row = session.execute("SELECT pg_catalog.to_regclass(%s)", [_RECORD]).fetchone()
        if row is None or row[0] is None:
            return None
        row = session.execute(f"SELECT record FROM {_RECORD}").fetchone()  # noqa: S608
    except psycopg.Error as error:
        raise database_failure("Whether after_load has run could not be seen.", error) from None
    return AfterLoadRecord.model_validate_json(row[0]) if row is not None else None


def _run(session: Connection[TupleRow], place: int | None, text: str, number: int, timeout_s: float) -> None:
    """One piece. The server's text is not shown, since it may quote rows: where it was is."""
    name = f"after_load[{place}]" if place is not None else "A constraint that after_load left for later"
    try:
        session.execute(text.encode())
        still = (
            session.info.transaction_status == TransactionStatus.INTRANS and _transaction(session) == number
        )
    except psycopg.errors.QueryCanceled:
        raise WorkFailedForGoodError(
            f"{name} took longer than {timeout_s / 60:.0f} minutes, so the twin was not replaced.",
            "limits.after_load_timeout_min in the workflow says so; nothing of it was kept.",
            "Raise limits.after_load_timeout_min, or have it do less.",
            sqlstate="57014",
        ) from None
    except psycopg.Error as error:
        said = database_failure(f"{name} failed, so the twin was not replaced.", error)
        at = _line(text, error.diag.statement_position)
        kind = f" PostgreSQL calls it {type(error).__name__}." if type(error) is not psycopg.Error else ""
        raise WorkFailedForGoodError(
            said.what,
            f"{said.why}{kind}{at}",
            "Try it by hand in a copy: psql -1 -f FILE. Nothing of it was kept.",
            sqlstate=error.sqlstate,
        ) from None
    if not still:
        raise WorkFailedForGoodError(
            f"{name} has ended its transaction, so the twin was not replaced.",
            "All of after_load is one transaction: COMMIT, ROLLBACK and END may not stand in it.",
            "Take them out of the SQL.",
        )


def _line(text: str, position: str | None) -> str:
    return f" It is on line {text[: int(position)].count(chr(10)) + 1} of it." if position else ""


@contextlib.contextmanager
def _ended_after(session: Connection[TupleRow], timeout_s: float) -> Iterator[None]:
    """A server's own limit is for one statement; this one is for all of them."""
    timer = threading.Timer(timeout_s, session.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _record(
    session: Connection[TupleRow], texts: Sequence[str], before: _Before, counts: Mapping[str, str]
) -> AfterLoadRecord:
    after = _tables(session)
    rows = session.execute(_COUNTS, [list(after)]).fetchall()
    changes = {}
    for oid, *numbers in rows:
        name, file = after[oid]
        former = before.tables.get(oid)
        # A partitioned table has no file of its own, and 0 here.
        rewritten = former is not None and former[1] != file
        if any(numbers) or rewritten:
            inserted, updated, deleted = (int(each) for each in numbers)
            changes[oid] = TableChange(
                table=name, inserted=inserted, updated=updated, deleted=deleted, rewritten=rewritten
            )
    touched = {change.table for change in changes.values()}
    touched |= {name for (name,) in session.execute(_ROOTS, [list(changes)])}
    counted = session.execute("SHOW track_counts").fetchone() == ("on",)
    names_before = {name for name, _ in before.tables.values()}
    names_after = {name for name, _ in after.values()}
    gone = names_before - names_after
    if lost := sorted(gone & counts.keys()):
        raise WorkFailedForGoodError(
            f"after_load drops or renames {lost[0]}, which the workflow copies.",
            "What was verified would not be in the twin.",
            "Leave the table out under tables.exclude instead.",
            table=lost[0],
        )
    # Without the server's counts any table may have changed.
    recounted = [name for name in counts if name in touched or not counted]
    return AfterLoadRecord(
        pieces=len(texts),
        sha256=hashlib.sha256("\0".join(texts).encode()).hexdigest(),
        counted=counted,
        changes=tuple(sorted(changes.values(), key=lambda each: each.table)),
        made=tuple(sorted(names_after - names_before)),
        dropped=tuple(sorted(gone)),
        constraints_dropped=tuple(sorted(before.constraints - _constraints(session))),
        rows={name: _number(session, counts[name]) for name in sorted(recounted)},
    )


def _tables(session: Connection[TupleRow]) -> dict[int, tuple[str, int]]:
    return {oid: (name, file) for oid, name, file in session.execute(_TABLES)}


def _constraints(session: Connection[TupleRow]) -> frozenset[str]:
    return frozenset(name for (name,) in session.execute(_CONSTRAINTS))


def _transaction(session: Connection[TupleRow]) -> int:
    return _number(session, "SELECT pg_catalog.txid_current()")


def _number(session: Connection[TupleRow], query: str) -> int:
    row = session.execute(query.encode()).fetchone()
    return int(row[0]) if row is not None else 0
