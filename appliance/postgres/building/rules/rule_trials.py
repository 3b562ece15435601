"""Masked values of some rows, held against checks that ``plan`` could not try, before a row is copied.

What is tried may be code of the source's owner. So it runs where it would run at the load, in the empty
twin as the target's role, on values that are masked under a key that is thrown away, in a session of its own
that no key was ever in. The transaction is read-only, has a timeout and is rolled back. Nothing that the
code says leaves: no text of an error, no notice; a SQLSTATE does. A function that reads a table finds it
empty here, and its answer says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.rules.late_rule import LateRule
from appliance.postgres.no_encoding import holds_bytes
from appliance.postgres.plan import Settings
from appliance.postgres.planning.masked_rows import TIMEOUT, Row

_AT_ONCE = 200
_ONE_BY_ONE = 200
"""Rows that are tried by themselves, where one of a batch makes the check fail."""
_NO_WRITING = "25006"
_TOO_LONG = "57014"
# Of the server and the session, not of the check: memory, connection, locks, an operator who intervenes.
_NOT_OF_THE_CHECK = ("08", "40", "53", "54", "55", "57", "58", "XX")
# Besides what is read, what is locked: a view that reads none of its rows. A partitioned table has none of
# its own, and its partitions stand for it: what finds the partition of a hash locks it and reads nothing.
_READ = """
SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.oid >= 16384 AND c.relkind <> 'p' AND (
    EXISTS (SELECT FROM pg_stat_xact_user_tables AS s
            WHERE s.relid = c.oid AND coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) > 0)
    OR EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
               AND l.relation = c.oid AND l.database = (
                   SELECT oid FROM pg_database WHERE datname = current_database())))
ORDER BY 1
"""
_COUNTED = "SELECT current_setting('track_counts') = 'on'"
_MOST_NAMED = 3
_HERE = "\x00"
"""Where a value goes; no SQL has this character."""


@dataclass(frozen=True)
class Tried:
    """What came of holding rows against a rule."""

    rows: int
    broken: int = 0
    failed_with: str = ""
    """The SQLSTATE of a row that made it fail, which ends a load too; such rows count as broken."""
    undecided: str = ""
    """Why the answer says nothing; empty where it does."""


def try_rule(session: Connection[TupleRow], rule: LateRule, rows: Sequence[Row], settings: Settings) -> Tried:
    """Hold the rows, of the rule's columns, against it. psycopg errors of the session itself pass."""
    if holds_bytes(rule.expression) or any(holds_bytes(each.expression) for each in rule.computed):
        return Tried(0, undecided="its definition holds bytes of no encoding")
    with session.transaction(force_rollback=True):
        session.execute("SET TRANSACTION READ ONLY")
        session.execute(TIMEOUT)
        counted = session.execute(_COUNTED).fetchone() == (True,)
        work = "load text" if rule.of_type else "evaluate"
        session.execute(set_as_in_source(settings, work).encode() or b"SELECT 1")
        tried = _tried(session, rule, rows)
        # The path may be the source's now: what is called here has to be the server's own.
        session.execute("SET LOCAL search_path = ''")
        read = [name for (name,) in session.execute(_READ)]
    if read:
        more = f" and {len(read) - _MOST_NAMED} more" if len(read) > _MOST_NAMED else ""
        names = f"{', '.join(read[:_MOST_NAMED])}{more}"
        return Tried(tried.rows, undecided=f"it reads {names}, which is empty until the rows are loaded")
    if not counted and not tried.undecided:
        return Tried(tried.rows, undecided="the target does not count what is read (track_counts is off)")
    return tried


def _tried(session: Connection[TupleRow], rule: LateRule, rows: Sequence[Row]) -> Tried:
    broken, failed_with, alone = 0, "", 0
    for start in range(0, len(rows), _AT_ONCE):
        batch = rows[start : start + _AT_ONCE]
        answer = _broken(session, rule, batch)
        if isinstance(answer, int):
            broken += answer
            continue
        if why := _says_nothing(answer):
            return Tried(start, undecided=why)
        for row in batch:
            if alone == _ONE_BY_ONE:
                return Tried(start, broken, failed_with)
            alone += 1
            answer = _broken(session, rule, [row])
            if isinstance(answer, int):
                broken += answer
            elif why := _says_nothing(answer):
                return Tried(start, undecided=why)
            else:
                broken, failed_with = broken + 1, failed_with or answer
    return Tried(len(rows), broken, failed_with)


def _says_nothing(sqlstate: str) -> str:
    if sqlstate == _NO_WRITING:
        return "it writes, which a trial does not let it"
    if sqlstate == _TOO_LONG:
        return "it takes longer than a trial may"
    if sqlstate.startswith(_NOT_OF_THE_CHECK):
        return f"the trial ended with SQLSTATE {sqlstate}"
    return ""


def _broken(session: Connection[TupleRow], rule: LateRule, rows: Sequence[Row]) -> int | str:
    """How many of the rows break the rule, or the SQLSTATE that it fails with."""
    # Parameters have the columns' types: input functions take them up, as COPY does, and no cast is called.
    row = f"({', '.join(f'{_HERE}::{each}' for each in rule.types)})"
    names = [identifier(name) for name in rule.columns]
    values = f"(VALUES {', '.join([row] * len(rows))}) AS v ({', '.join(names)})"
    made = "".join(f", {each.expression} AS {identifier(each.name)}" for each in rule.computed)
    # Of a type nothing is asked: its checks are evaluated when a value is taken up.
    asked = f"pg_catalog.num_nulls({names[0]}) < 0" if rule.of_type else f"({rule.expression}) IS FALSE"
    query = (
        f"SELECT pg_catalog.count(*) FILTER (WHERE {asked})"  # noqa: S608
        f" FROM (SELECT v.*{made} FROM {values}) AS m"
    )
    query = query.replace("%", "%%").replace(_HERE, "%s")
    try:
        with session.transaction():
            found = session.execute(query.encode(), [value for each in rows for value in each]).fetchone()
    except psycopg.Error as error:
        if session.closed:
            raise
        return error.sqlstate or "XX000"
    return int(found[0]) if found is not None else 0
