"""The outbox: what waits in the local database to be sent, in order and numbered; kept within bounds.

Rows and numbers are written by ``append_event`` together with the state they report. Here they are read,
forgotten once dealt with, dropped when there are too many, and renumbered for a new dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row
from pydantic import JsonValue

from appliance.contract.events import Noticed
from appliance.store.database import Connection
from appliance.store.events import append_event

MAX_ROWS = 200_000
MAX_BYTES = 128 * 2**20
"""A week without the cloud of a busy appliance fits; the disk of a small one is not filled."""
MAX_ROWS_UNENROLLED = 2_000
"""Without a dashboard: enough to show a new dashboard what happened lately."""
DROPPED_IN_TURN = (
    ("progress",),
    ("step_changed",),
    ("catalog_reported", "plan_reported", "drift_checked", "connection_tested", "branches_reported"),
    ("rehearsal_reported",),
    ("run_planned", "noticed", "columns_uncovered"),
    ("run_started", "workflow_changed", "command_changed", "update_changed"),
)
"""What makes room for the rest, and in which order. A run's outcome is in none of them."""


@dataclass(frozen=True)
class WaitingEvent:
    """An event as it is kept: ``payload`` is JSON, which another release may have written."""

    seq: int
    event_id: UUID
    at: datetime
    kind: str
    run_id: str | None
    payload: dict[str, JsonValue]


@dataclass(frozen=True)
class Reporting:
    """What is known of the way to the dashboard."""

    appliance_id: str | None
    last_contact_at: datetime | None
    clock_offset_seconds: float | None
    problem: str | None
    dropped: int
    rejected: int


@dataclass(frozen=True)
class Waiting:
    """A piece of the outbox, oldest first."""

    stream: UUID
    rows: tuple[WaitingEvent, ...]


def read_waiting(db: Connection, most_rows: int, most_bytes: int) -> Waiting:
    """The oldest events: at most so many and, after the first, no more text than that."""
    with db.cursor(row_factory=class_row(WaitingEvent)) as cursor:
        rows = cursor.execute(
            "SELECT seq, event_id, at, kind, run_id, payload FROM ("
            "   SELECT *, row_number() OVER w AS place,"
            "     sum(octet_length(payload::text) + 300) OVER w AS bytes"
            "   FROM (SELECT * FROM appliance.event ORDER BY seq LIMIT %(rows)s) AS oldest"
            "   WINDOW w AS (ORDER BY seq)) AS sized"
            " WHERE bytes <= %(bytes)s OR place = 1 ORDER BY seq",
            {"rows": most_rows, "bytes": most_bytes},
        ).fetchall()
    row = db.execute("SELECT stream FROM appliance.event_counter").fetchone()
    assert row is not None  # noqa: S101 - the migration puts it there
    return Waiting(row["stream"], tuple(rows))


def forget(db: Connection, sequences: list[int], *, stream: UUID, rejected: int = 0) -> None:
    """Delete what has been dealt with, unless the numbering has changed meanwhile."""
    with db.transaction():
        deleted = db.execute(
            "DELETE FROM appliance.event WHERE seq = ANY(%s)"
            " AND EXISTS (SELECT FROM appliance.event_counter WHERE stream = %s)",
            [sequences, stream],
        ).rowcount
        if rejected and deleted:
            db.execute("UPDATE appliance.reporting SET rejected = rejected + %s", [rejected])


def trim(db: Connection, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> int:
    """Drop the oldest of the least important events until the rest fits; how many went.

    Their numbers stay taken, so that the dashboard sees the gap. A run's outcome is never dropped.
    """
    dropped = 0
    for kinds in DROPPED_IN_TURN:
        rows, size = _size(db)
        if rows <= max_rows and size <= max_bytes:
            break
        # A tenth more than needed, so that this is not done again for the very next event.
        surplus_rows = rows - int(max_rows * 0.9)
        surplus_bytes = size - int(max_bytes * 0.9)
        with db.transaction():
            gone = db.execute(
                "DELETE FROM appliance.event WHERE seq IN (SELECT seq FROM ("
                "   SELECT seq, row_number() OVER w AS place,"
                "     sum(pg_column_size(payload) + 100) OVER w AS bytes"
                "   FROM appliance.event WHERE kind = ANY(%(kinds)s)"
                "   WINDOW w AS (ORDER BY seq)) AS sized"
                " WHERE place <= %(rows)s OR bytes <= %(bytes)s)",
                {"kinds": list(kinds), "rows": surplus_rows, "bytes": surplus_bytes},
            ).rowcount
            if gone:
                db.execute("UPDATE appliance.reporting SET dropped = dropped + %s", [gone])
        dropped += gone
    return dropped


def keep_newest(db: Connection, most: int = MAX_ROWS_UNENROLLED) -> None:
    """Forget all but the newest, of whatever kind: for as long as there is no dashboard to owe them to."""
    db.execute(
        "DELETE FROM appliance.event WHERE seq <= (SELECT last FROM appliance.event_counter) - %s", [most]
    )


def begin_stream_for(db: Connection, appliance_id: str) -> bool:
    """Number what waits afresh, from 1, when the dashboard's name for this appliance is a new one.

    A restored database must call ``begin_stream``: its numbers have been used already.
    """
    with db.transaction():
        row = db.execute("SELECT appliance_id FROM appliance.reporting FOR UPDATE").fetchone()
        if row is None or row["appliance_id"] == appliance_id:
            return False
        begin_stream(db)
        db.execute(
            "UPDATE appliance.reporting SET appliance_id = %s, dropped = 0, rejected = 0, problem = NULL,"
            " last_contact_at = NULL, clock_offset_seconds = NULL",
            [appliance_id],
        )
        return True


def begin_stream(db: Connection) -> None:
    """A new numbering, from 1, for everything that waits."""
    with db.transaction():
        # Every append takes this row's lock first, so nothing is numbered meanwhile.
        db.execute("UPDATE appliance.event_counter SET stream = gen_random_uuid()")
        db.execute(
            "UPDATE appliance.event SET seq = -place FROM"
            " (SELECT seq AS old, row_number() OVER (ORDER BY seq) AS place FROM appliance.event) AS numbered"
            " WHERE seq = old"
        )
        db.execute("UPDATE appliance.event SET seq = -seq")
        db.execute("UPDATE appliance.event_counter SET last = (SELECT count(*) FROM appliance.event)")


def notice(db: Connection, event: Noticed) -> None:
    """One event about the appliance itself, in a transaction of its own."""
    with db.transaction():
        append_event(db, event)


def note_contact(db: Connection, clock_offset_seconds: float) -> None:
    """The dashboard has answered; how far this machine's clock is from its clock."""
    db.execute(
        "UPDATE appliance.reporting SET last_contact_at = now(), clock_offset_seconds = %s, problem = NULL",
        [clock_offset_seconds],
    )


def note_problem(db: Connection, problem: str) -> None:
    """Why the dashboard was not reached, for the status page."""
    db.execute("UPDATE appliance.reporting SET problem = %s WHERE problem IS DISTINCT FROM %s", [problem] * 2)


def reporting_state(db: Connection) -> Reporting | None:
    """The row of ``appliance.reporting``."""
    with db.cursor(row_factory=class_row(Reporting)) as cursor:
        return cursor.execute(
            "SELECT appliance_id, last_contact_at, clock_offset_seconds, problem, dropped, rejected"
            " FROM appliance.reporting"
        ).fetchone()


def _size(db: Connection) -> tuple[int, int]:
    row = db.execute(
        "SELECT count(*) AS rows, coalesce(sum(pg_column_size(payload) + 100), 0)::int8 AS bytes"
        " FROM appliance.event"
    ).fetchone()
    return (row["rows"], row["bytes"]) if row else (0, 0)
