"""Events on their way into the outbox: typed and scrubbed where they are made, numbered in one transaction.

Free text gets into an event by way of ``scrubbed`` alone (the types see to that), so that no outbox and no
backup of one holds what it must not: secrets of the connections included, where this process may know them.
The sender, which may know none, scrubs again.
"""

from __future__ import annotations

from psycopg.types.json import Jsonb

from appliance.contract.events import EventBody
from appliance.contract.fields import ScrubbedText
from appliance.contract.fitting import fitting, shown_name
from appliance.contract.run_parts import MAX_LOG_LINES, FailureReport
from appliance.contract.step_messages import Failure
from appliance.scrubbing.known import own_scrubber
from appliance.store.database import Connection

_APART = {"type", "run_id"}
"""They have columns of their own."""


def append_event(connection: Connection, event: EventBody | None) -> int:
    """Add an event to the outbox inside the caller's transaction; returns its number (no gaps, by commit).

    None is an event that could not be made: its number stays free, and the dashboard sees the gap.
    """
    row = connection.execute("UPDATE appliance.event_counter SET last = last + 1 RETURNING last").fetchone()
    seq = int(row["last"]) if row else 0
    if event is not None:
        payload = event.model_dump(mode="json", exclude=_APART, exclude_none=True)
        connection.execute(
            "INSERT INTO appliance.event (seq, kind, run_id, payload) VALUES (%s, %s, %s, %s)",
            [seq, event.type, getattr(event, "run_id", None), Jsonb(payload)],
        )
    return seq


def scrubbed(text: str | None) -> ScrubbedText | None:
    """Free text as an event may have it; None for none."""
    return own_scrubber().mark(text) if text else None


def _advice(text: str | None) -> ScrubbedText | None:
    return own_scrubber().mark_advice(text) if text else None


def failure_report(failure: Failure) -> FailureReport | None:
    """Why a step failed, as an event may say it."""
    shared = failure.model_dump(exclude={"type", "what", "why", "next_step", "log_tail", "table"})
    return fitting(
        FailureReport,
        shared
        | {
            "what": scrubbed(failure.what) or ScrubbedText(),
            "why": scrubbed(failure.why),
            "next_step": _advice(failure.next_step),
            "log_tail": tuple(own_scrubber().mark(line) for line in failure.log_tail[-MAX_LOG_LINES:]),
            "table": shown_name(failure.table) if failure.table else None,
        },
    )
