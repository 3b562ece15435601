"""The audit log: every change, who made it, from where. Written in the transaction of the change itself."""

from __future__ import annotations

import json
import time
from typing import Any

from .database import Row, Session
from .security import Actor

KEEP = 100_000
"""Rows; the oldest go first. Years of a busy fleet, and a bound on what a stolen token can write."""


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


def entries(session: Session, *, before: int | None = None, subject: str = "", limit: int = 100) -> list[Row]:
    """The newest first; ``before`` is the id to go on from, ``subject`` part of subject, actor or action."""
    like = f"%{subject.lower()}%"
    rows = session.all(
        "SELECT id, at, actor, action, subject, detail, address FROM audit"
        " WHERE id < ? AND (lower(subject) LIKE ? OR lower(actor) LIKE ? OR lower(action) LIKE ?)"
        " ORDER BY id DESC LIMIT ?",
        before if before is not None else 2**62,
        like,
        like,
        like,
        limit,
    )
    return [row | {"detail": json.loads(row["detail"])} for row in rows]
