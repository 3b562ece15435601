"""Sending the outbox to the dashboard: in order, in bounded batches, again until it is acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from appliance.cloud.client import DashboardAway, DashboardClient
from appliance.contract.calls import Event, EventBatch, EventsAccepted
from appliance.contract.events import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_LOG_LINES
from appliance.scrubbing.scrub import Scrubber, scrub_fields
from appliance.store import outbox
from appliance.store.database import Connection

Row = dict[str, Any]

BATCH_BYTES = MAX_BATCH_BYTES // 2
"""Of the rows' text; what goes over the wire is no longer, and both sides keep some room."""
LONGEST_NAME = 260


class OutboxSender:
    """Sends what waits. Being killed anywhere costs nothing but a repetition, which the dashboard expects."""

    def __init__(self) -> None:
        self._most = MAX_BATCH_EVENTS

    def send(self, db: Connection, client: DashboardClient, scrubber: Scrubber) -> int:
        """Send one batch; how many events are dealt with (0: none wait).

        Raises DashboardAway, TokenRefused, and psycopg.Error when the database is away.
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
                raise DashboardAway(f"It answered {answer.status} to events.")
            try:
                rejected += len(EventsAccepted.from_wire(answer.body).rejected)
            except ValidationError:
                raise DashboardAway("Its answer to events is not one of a dashboard.") from None
        outbox.forget(db, [row["seq"] for row in waiting.rows], stream=waiting.stream, rejected=rejected)
        self._most = min(self._most * 2, MAX_BATCH_EVENTS)
        return len(waiting.rows)

    def _too_much(self, db: Connection, waiting: outbox.Waiting) -> int:
        """The batch was not taken whole: halve it, down to the one event that is at fault, and skip that."""
        if len(waiting.rows) > 1:
            self._most = max(len(waiting.rows) // 2, 1)
            return 0
        outbox.forget(db, [waiting.rows[0]["seq"]], stream=waiting.stream, rejected=1)
        return 1


def event_of(row: Row, scrubber: Scrubber) -> Event | None:
    """A row as it may leave: every free text scrubbed, nothing that the contract does not declare.

    What does not fit the contract is left out where it can be; an event without its essentials is None.
    """
    data = {**row["payload"], "type": row["kind"]}
    if row["run_id"] is not None:
        data["run_id"] = row["run_id"]
    data = scrub_fields(_fitting(data), scrubber.mark)
    event = _validated(row, data)
    if event is None and data.get("failure"):
        event = _validated(row, data | {"failure": _essentials_of(data["failure"])})
    if event is None:
        event = _validated(
            row, {k: v for k, v in data.items() if k not in {"failure", "steps", "checks", "tables", "part"}}
        )
    return event


def _validated(row: Row, data: Row) -> Event | None:
    shown = {"id": row["event_id"], "sequence": row["seq"], "at": row["at"], "data": data}
    try:
        return Event.model_validate(shown, extra="ignore")
    except ValidationError:
        return None


def _essentials_of(failure: Row) -> Row:
    return {k: v for k, v in failure.items() if k in {"exit_code", "retry", "what", "why", "next_step"}}


def _fitting(value: Any, key: str = "") -> Any:
    """Names that are too long or cannot be printed, made to fit; empty optional texts left out."""
    if isinstance(value, dict):
        return {k: _fitting(v, k) for k, v in value.items() if v is not None and v != ""}
    if isinstance(value, list | tuple):
        most = {"log_tail": MAX_LOG_LINES, "tables": 2000}.get(key)
        return [
            _fitting(each, key) for each in (value[-most:] if most and key == "log_tail" else value[:most])
        ]
    if key == "table" and isinstance(value, str):
        return "".join(c if c.isprintable() else "?" for c in value)[:LONGEST_NAME]
    return value
