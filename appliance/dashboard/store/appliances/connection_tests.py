"""The newest test of each connection of an appliance: how its checks went, and when one last worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from appliance.contract.connection_test import ConnectionTested
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import Stored

MOST_CONNECTIONS = 200
"""Of one appliance, as a heartbeat has; what is more is taken for noise."""


@dataclass(frozen=True)
class Tested:
    """What the newest test has found."""

    at: float
    worked_at: float | None
    """When the newest test that worked was."""
    found: Annotated[ConnectionTested, Stored(ConnectionTested.from_wire)]


def take(session: Session, appliance_id: str, data: ConnectionTested, at: float, ordinal: int) -> None:
    """Take an event. One that was not asked for here is not."""
    asked = session.count(
        "SELECT count(*) FROM command WHERE id = ? AND appliance_id = ? AND kind = 'test'",
        str(data.command_id),
        appliance_id,
    )
    if not asked:
        return
    session.run(
        "INSERT INTO connection_test (appliance_id, connection, ordinal, at, worked_at, data)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (appliance_id, connection) DO UPDATE SET ordinal = excluded.ordinal, at = excluded.at,"
        " worked_at = coalesce(excluded.worked_at, connection_test.worked_at), data = excluded.data"
        " WHERE excluded.ordinal > connection_test.ordinal",
        appliance_id,
        data.connection,
        ordinal,
        at,
        at if data.works else None,
        data.to_wire(),
    )


def connection_tests(session: Session, appliance_id: str) -> dict[str, Tested]:
    """By the connection's name."""
    rows = session.all(
        Tested,
        "SELECT at, worked_at, data AS found FROM connection_test WHERE appliance_id = ?"
        " ORDER BY at DESC LIMIT ?",
        appliance_id,
        MOST_CONNECTIONS,
    )
    return {row.found.connection: row for row in rows}
