"""The audit log: every change, who made it, from where. Written in the transaction of the change itself."""

from __future__ import annotations

import json
import time
from typing import Any

from appliance.dashboard.security import Actor
from appliance.dashboard.store.access.rows import AuditRow
from appliance.dashboard.store.database import Session

KEEP = 100_000
"""Rows; the oldest go first. Years of a busy fleet, and a bound on what a stolen token can write."""

FAR_AWAY = 1e11
"""Later than every moment that is written down."""
FAILED_SIGN_INS = ("session.sign_in_failed", "session.sign_in_refused")
KEEP_FAILED_SIGN_INS = 10_000
"""Fewer, because anybody can cause them: they must not push out what people with rights have done."""
UNKNOWN_NAME = "(an unknown name)"


def record(session: Session, actor: Actor, action: str, subject: str, **detail: Any) -> None:
    """Note a change. ``detail`` must hold no secret."""
    session.run(
        "INSERT INTO audit (at, actor, action, subject, detail, address) VALUES (?, ?, ?, ?, ?, ?)",
        time.time(),
        actor.name,
        action,
        subject,
        json.dumps({key: value for key, value in detail.items() if value is not None}),
        actor.address,
    )


def entries(
    session: Session,
    *,
    before: int | None = None,
    subject: str = "",
    since: float = 0.0,
    until: float = FAR_AWAY,
    limit: int = 100,
) -> list[AuditRow]:
    """The newest first; ``before`` is the id to go on from, ``subject`` part of subject, actor or action.

    ``since`` and ``until`` are seconds since 1970, the second one not included.
    """
    like = f"%{subject.lower()}%"
    return session.all(
        AuditRow,
        "SELECT id, at, actor, action, subject, detail, address FROM audit"
        " WHERE id < ? AND at >= ? AND at < ?"
        " AND (lower(subject) LIKE ? OR lower(actor) LIKE ? OR lower(action) LIKE ?)"
        " ORDER BY id DESC LIMIT ?",
        before if before is not None else 2**62,
        since,
        until,
        like,
        like,
        like,
        limit,
    )


def trim(session: Session) -> None:
    """Forget the oldest rows, of either kind by itself: a flood of one must not push out the other."""
    for negation, most in (("NOT ", KEEP), ("", KEEP_FAILED_SIGN_INS)):
        of_this_kind = f"action {negation}IN (?, ?)"
        last = session.count(
            f"SELECT id FROM audit WHERE {of_this_kind} ORDER BY id DESC LIMIT 1 OFFSET ?",  # noqa: S608
            *FAILED_SIGN_INS,
            most,
        )
        session.run(f"DELETE FROM audit WHERE id <= ? AND {of_this_kind}", last, *FAILED_SIGN_INS)  # noqa: S608
