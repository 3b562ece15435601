"""When the connections of an appliance last worked, by what its runs report."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history.rows import UseOfRun

LATEST_USES = 100
_CONNECTION_NAMED = re.compile(r"[Cc]onnection '?([A-Za-z0-9][\w-]{0,62})")


@dataclass(frozen=True)
class ConnectionUsed:
    """When a run last worked with a connection, and the newest run since that could not."""

    worked_at: float | None
    failed_at: float | None
    failed_run: str
    failed_class: str


_NO_USE = ConnectionUsed(None, None, "", "")


def connection_uses(session: Session, appliance_id: str) -> dict[str, ConnectionUsed]:
    """By name, from the newest runs of workflows of this dashboard: a source that was read, a twin that was
    put in place; or a run that failed and names the connection.
    """
    rows = session.all(
        UseOfRun,
        "SELECT r.run_id, r.state, r.ended_at, r.outcome, v.document FROM run r"
        " LEFT JOIN revision v ON v.workflow_id = r.workflow_id AND v.digest = r.digest"
        " WHERE r.appliance_id = ? AND r.ended_at IS NOT NULL ORDER BY r.ended_at DESC LIMIT ?",
        appliance_id,
        LATEST_USES,
    )
    uses: dict[str, ConnectionUsed] = {}
    for row in rows:
        outcome, document = row.outcome, row.document
        if row.state == "succeeded":
            for name in {document["source"], *(outcome["twins"] or ())} - {None}:
                use = uses.get(name, _NO_USE)
                uses[name] = replace(use, worked_at=use.worked_at or row.ended_at)
        elif row.state == "failed" and (failure := outcome["failure"]):
            found = _CONNECTION_NAMED.search(failure["what"] or "")
            if found is None:
                continue
            use = uses.get(found[1], _NO_USE)
            if use.worked_at is None and use.failed_at is None:
                why = failure["sqlstate"] or failure["exception"] or ""
                use = ConnectionUsed(None, row.ended_at, row.run_id, why)
            uses[found[1]] = use
    return uses
