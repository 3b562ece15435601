"""Sending the outbox to the dashboard: in order, in bounded batches, again until it is acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from appliance.cloud.client import DashboardAwayError, DashboardClient
from appliance.contract.calls import Event, EventBatch, EventsAccepted
from appliance.contract.events import EVENT_KINDS, MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from appliance.contract.fitting import fitting
from appliance.scrubbing.scrub import Scrubber, scrub_fields
from appliance.store import outbox
from appliance.store.database import Connection
from appliance.store.outbox import WaitingEvent

BATCH_BYTES = MAX_BATCH_BYTES // 2
"""Of the rows' text; what goes over the wire is no longer, and both sides keep some room."""


class OutboxSender:
    """Sends what waits. Being killed anywhere costs nothing but a repetition, which the dashboard expects."""

    def __init__(self) -> None:
        self._most = MAX_BATCH_EVENTS

    def send(self, db: Connection, client: DashboardClient, scrubber: Scrubber) -> int:
        """Send one batch; how many events are dealt with (0: none wait).

        Raises DashboardAwayError, TokenRefusedError, and psycopg.Error when the database is away.
        """
        waiting = outbox.read_waiting(db, self._most, BATCH_BYTES)
        if not waiting.rows:
            return 0
        events = [event for row in waiting.rows if (event := event_of(row, scrubber))]
        rejected = len(waiting.rows) - len(events)
        if events:
            batch = EventBatch(stream=waiting.stream, sent_at=datetime.now(UTC), events=tuple(events))
            answer = client.call("POST", "/v1/appliance/events", batch.to_wire())
            if answer.status in (400, 413, 422):
                return self._too_much(db, waiting)
            if answer.status != 200:
                raise DashboardAwayError(f"It answered {answer.status} to events.")
            try:
                rejected += len(EventsAccepted.from_wire(answer.body).rejected)
            except ValidationError:
                raise DashboardAwayError("Its answer to events is not one of a dashboard.") from None
        outbox.forget(db, [row.seq for row in waiting.rows], stream=waiting.stream, rejected=rejected)
        self._most = min(self._most * 2, MAX_BATCH_EVENTS)
        return len(waiting.rows)

    def _too_much(self, db: Connection, waiting: outbox.Waiting) -> int:
        """The batch was not taken whole: halve it, down to the one event that is at fault, and skip that."""
        if len(waiting.rows) > 1:
            self._most = max(len(waiting.rows) // 2, 1)
            return 0
        outbox.forget(db, [waiting.rows[0].seq], stream=waiting.stream, rejected=1)
        return 1


def event_of(waiting: WaitingEvent, scrubber: Scrubber) -> Event | None:
    """An event as it may leave: every free text scrubbed, nothing that the contract does not declare.

    It was typed when it was made, by this release or by a former one. What does not fit this release's
    contract is left out where it can be; an event without its essentials is None.
    """
    kind = EVENT_KINDS.get(waiting.kind)
    if kind is None:
        return None
    stored = waiting.payload | ({"run_id": waiting.run_id} if waiting.run_id is not None else {})
    data = fitting(kind, scrub_fields(stored, scrubber))
    if data is None:
        return None
    try:
        return Event(id=waiting.event_id, sequence=waiting.seq, at=waiting.at, data=data)
    except ValidationError:
        return None
