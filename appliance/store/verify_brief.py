"""What of a verification may be told: which kinds of checks held, and over how much."""

from __future__ import annotations

from typing import Any

from appliance.store.database import Connection

_COUNTED = (("row_counts", "tables"), ("masked_values", "masked_columns"))


def verify_checks(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """The ``checks`` of a run's ``run_finished`` event; none where it was not verified."""
    row = connection.execute(
        "SELECT result FROM appliance.step WHERE run_id = %s AND step = 'verify' AND state = 'succeeded'",
        [run_id],
    ).fetchone()
    result = (row["result"] if row else None) or {}
    return [
        {"kind": kind, "passed": True, "checked": int(result[key])} for kind, key in _COUNTED if key in result
    ]
