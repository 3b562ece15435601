"""The branches of each twin, as its appliance last said when it was asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from appliance.contract.branches import BranchesReported, BranchLine
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Stored


@dataclass(frozen=True)
class _Stored:
    at: float
    data: Annotated[BranchesReported, Stored(BranchesReported.from_wire)]


@dataclass(frozen=True)
class Reported:
    """The branches of one twin, and when they were looked at."""

    at: float
    connection: str
    branches: tuple[BranchLine, ...]
    """Without those whose time has come since: they end by themselves."""


def take(session: Session, appliance_id: str, data: BranchesReported, at: float, ordinal: int) -> None:
    """Take an event."""
    session.run(
        "INSERT INTO branches (appliance_id, workflow_id, connection, ordinal, at, data)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, workflow_id, connection) DO UPDATE SET ordinal = excluded.ordinal,"
        " at = excluded.at, data = excluded.data WHERE excluded.ordinal > branches.ordinal",
        appliance_id,
        data.workflow,
        data.connection,
        ordinal,
        at,
        data.to_wire(),
    )


def reported(session: Session, appliance_id: str, workflow_id: str) -> list[Reported]:
    """What is known, a twin each."""
    rows = session.all(
        _Stored,
        "SELECT at, data FROM branches WHERE appliance_id = ? AND workflow_id = ? ORDER BY connection",
        appliance_id,
        workflow_id,
    )
    now, found = time.time(), []
    for row in rows:
        standing = tuple(each for each in row.data.branches if each.ends_at.timestamp() > now)
        found.append(Reported(row.at, row.data.connection, standing))
    return found
