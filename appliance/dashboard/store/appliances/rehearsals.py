"""Rehearsals that appliances have reported, by the command that asked for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from appliance.contract.rehearsals import RehearsalReported
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Stored

_KEPT = 200
"""Of each appliance; the oldest goes first."""


@dataclass(frozen=True)
class Rehearsed:
    """One rehearsal, and when it was reported."""

    at: float
    found: Annotated[RehearsalReported, Stored(RehearsalReported.from_wire)]


def take(session: Session, appliance_id: str, data: RehearsalReported, at: float) -> None:
    """Take an event."""
    session.run(
        "INSERT INTO rehearsal (appliance_id, command_id, workflow_id, at, data) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, command_id) DO NOTHING",
        appliance_id,
        str(data.command_id),
        data.workflow,
        at,
        data.to_wire(),
    )
    session.run(
        "DELETE FROM rehearsal WHERE appliance_id = ? AND command_id NOT IN"
        " (SELECT command_id FROM rehearsal WHERE appliance_id = ? ORDER BY at DESC LIMIT ?)",
        appliance_id,
        appliance_id,
        _KEPT,
    )


def rehearsed(session: Session, appliance_id: str, command_id: str) -> Rehearsed | None:
    """The one that a command asked for, once it is reported."""
    return session.one(
        Rehearsed,
        "SELECT at, data AS found FROM rehearsal WHERE appliance_id = ? AND command_id = ?",
        appliance_id,
        command_id,
    )


def latest(session: Session, appliance_id: str, workflow_id: str, most: int = 5) -> list[Rehearsed]:
    """The newest of a workflow."""
    return session.all(
        Rehearsed,
        "SELECT at, data AS found FROM rehearsal WHERE appliance_id = ? AND workflow_id = ?"
        " ORDER BY at DESC LIMIT ?",
        appliance_id,
        workflow_id,
        most,
    )
