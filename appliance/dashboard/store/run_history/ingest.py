"""Takes batches of events: numbered, applied once each, bounded in what they can make the store hold.

Late, repeated and reordered events are harmless: every fact carries the ordinal of the event that brought it
(the stream's generation, then its number) and only a newer one replaces it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationError
from pydantic_core import to_json

from appliance.contract.calls import Event, EventBatch, EventsAccepted, RejectedEvent
from appliance.contract.events import MAX_BATCH_EVENTS, StepChanged, TableProgress
from appliance.contract.fields import Identifier, Instant, WireModel
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.run_history import run_state
from appliance.dashboard.store.run_history.numbering import Numbering
from appliance.dashboard.store.run_history.rows import StoredGap, StreamPosition
from appliance.dashboard.store.run_history.run_state import Stamped

MAX_STREAMS = 20
SKEW_WORTH_CORRECTING_SECONDS = 5
_GENERATION = 2**40
"""More than any sequence number, so that a newer stream's events are newer than all of an older one's."""


class _Envelope(WireModel):
    """A batch of which single events may be unreadable."""

    stream: Identifier
    sent_at: Instant
    events: tuple[Any, ...] = Field(min_length=1, max_length=MAX_BATCH_EVENTS)


def read_batch(body: bytes) -> tuple[EventBatch | None, _Envelope, list[RejectedEvent]]:
    """The readable events of a batch, and what is wrong with the others. Raises ValidationError.

    One event that this dashboard cannot read, perhaps because it is the older side, must not hold up others.
    """
    envelope = _Envelope.from_wire(body)
    try:
        return EventBatch.from_wire(body), envelope, []
    except ValidationError:
        pass
    good: list[Event] = []
    rejected: list[RejectedEvent] = []
    for raw in envelope.events:
        try:
            good.append(Event.from_wire(to_json(raw)))
        except ValidationError as error:
            rejected.append(_rejection(raw, error))
    batch = EventBatch(stream=envelope.stream, sent_at=envelope.sent_at, events=tuple(good)) if good else None
    return batch, envelope, rejected


def _rejection(raw: Any, error: ValidationError) -> RejectedEvent:
    # Only where and what kind: the input itself is not ours to keep.
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    given = raw if isinstance(raw, dict) else {}
    try:
        event_id = UUID(given["id"]) if isinstance(given.get("id"), str) else None
    except ValueError:
        event_id = None
    sequence = given.get("sequence")
    usable = isinstance(sequence, int) and not isinstance(sequence, bool) and 1 <= sequence <= _GENERATION
    return RejectedEvent(
        id=event_id, sequence=sequence if usable else None, problem=f"{where}: {first['type']}"[:300]
    )


def receive(database: Database, appliance_id: str, body: bytes) -> EventsAccepted:
    """Take a batch. Raises pydantic.ValidationError where its envelope cannot be read."""
    batch, envelope, rejected = read_batch(body)
    events = sorted(batch.events, key=lambda event: event.sequence) if batch else []
    now = time.time()
    offset = envelope.sent_at.timestamp() - now
    correction = offset if abs(offset) > SKEW_WORTH_CORRECTING_SECONDS else 0.0
    with database.write() as session:
        # Also takes the row's lock in PostgreSQL, so that one appliance's batches follow one another.
        session.run(
            "UPDATE appliance SET last_seen = ?, clock_offset = ? WHERE id = ?", now, offset, appliance_id
        )
        generation, numbering = _numbering(session, appliance_id, str(envelope.stream), now)
        after = numbering.receive(
            [event.sequence for event in events] + [entry.sequence for entry in rejected if entry.sequence]
        )
        fresh: list[Stamped] = []
        for event in events:
            ordinal = generation * _GENERATION + event.sequence
            stamped = Stamped(event, ordinal, event.at.timestamp() - correction)
            if isinstance(event.data, TableProgress | StepChanged):
                is_new = not numbering.has(event.sequence)
            else:
                is_new = _remember(session, appliance_id, stamped, now)
            if is_new:
                fresh.append(stamped)
        run_state.apply(session, appliance_id, fresh, now)
        _note_rejected(session, appliance_id, rejected, generation * _GENERATION)
        _store_numbering(session, (appliance_id, str(envelope.stream)), numbering, after)
    return EventsAccepted(accepted=len(fresh), duplicates=len(events) - len(fresh), rejected=tuple(rejected))


def _numbering(session: Session, appliance_id: str, stream: str, now: float) -> tuple[int, Numbering]:
    row = session.one(
        StreamPosition,
        "SELECT generation, highest FROM stream WHERE appliance_id = ? AND stream = ?",
        appliance_id,
        stream,
    )
    if row is None:
        newest = session.count("SELECT max(generation) FROM stream WHERE appliance_id = ?", appliance_id)
        session.run(
            "INSERT INTO stream (appliance_id, stream, generation, highest, started_at)"
            " VALUES (?, ?, ?, 0, ?)",
            appliance_id,
            stream,
            newest + 1,
            now,
        )
        session.run(
            "DELETE FROM stream WHERE appliance_id = ? AND generation <= ?",
            appliance_id,
            newest + 1 - MAX_STREAMS,
        )
        return newest + 1, Numbering()
    gaps = session.all(
        StoredGap,
        "SELECT first, last FROM gap WHERE appliance_id = ? AND stream = ? ORDER BY first",
        appliance_id,
        stream,
    )
    return row.generation, Numbering(row.highest, tuple((gap.first, gap.last) for gap in gaps))


def _store_numbering(session: Session, stream: tuple[str, str], before: Numbering, after: Numbering) -> None:
    session.run("UPDATE stream SET highest = ? WHERE appliance_id = ? AND stream = ?", after.highest, *stream)
    gone, come = set(before.gaps) - set(after.gaps), set(after.gaps) - set(before.gaps)
    session.many(
        "DELETE FROM gap WHERE appliance_id = ? AND stream = ? AND first = ?",
        [(*stream, first) for first, _ in sorted(gone)],
    )
    session.many(
        "INSERT INTO gap (appliance_id, stream, first, last, noticed_at) VALUES (?, ?, ?, ?, ?)",
        [(*stream, first, last, time.time()) for first, last in sorted(come)],
    )


def _remember(session: Session, appliance_id: str, stamped: Stamped, now: float) -> bool:
    data = stamped.event.data
    left_out = {
        "tables",
        "steps",
        "checks",
        "log_tail",
        "columns",
        "uncovered",
        "warnings",
        "refused",
        "receipt",
    }
    failure = getattr(data, "failure", None)
    return bool(
        session.run(
            "INSERT INTO event (appliance_id, event_id, ordinal, at, received_at, type, run_id, workflow_id,"
            " rule, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (appliance_id, event_id) DO NOTHING",
            appliance_id,
            str(stamped.event.id),
            stamped.ordinal,
            stamped.at,
            now,
            data.type,
            getattr(data, "run_id", None),
            getattr(data, "workflow", None),
            getattr(data, "rule", None) or getattr(failure, "rule", None),
            data.model_dump_json(exclude_none=True, exclude=left_out),
        )
    )


def _note_rejected(
    session: Session, appliance_id: str, rejected: Iterable[RejectedEvent], ordinal: int
) -> None:
    now = time.time()
    for entry in rejected:
        session.run(
            "INSERT INTO event (appliance_id, event_id, ordinal, at, received_at, type, data)"
            " VALUES (?, ?, ?, ?, ?, 'unreadable', ?) ON CONFLICT (appliance_id, event_id) DO NOTHING",
            appliance_id,
            str(entry.id) if entry.id else secrets.token_hex(16),
            ordinal + (entry.sequence or 0),
            now,
            now,
            entry.model_dump_json(include={"problem", "sequence"}),
        )
