"""What the last check for drift of each workflow has found. One row a workflow, the newest holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from appliance.contract.step_messages import Failure
from appliance.store.database import Connection
from appliance.store.rows import DriftCheck, stored_failure


def write_drift_check(db: Connection, workflow: str, found: DriftCheck) -> None:
    """Put it in the place of the last one."""
    db.execute(
        "INSERT INTO appliance.drift_check (workflow, checked_at, outcome, uncovered, columns, changes,"
        " failure)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (workflow) DO UPDATE SET"
        " checked_at = excluded.checked_at, outcome = excluded.outcome, uncovered = excluded.uncovered,"
        " columns = excluded.columns, changes = excluded.changes, failure = excluded.failure",
        [
            workflow,
            found.checked_at,
            found.outcome,
            found.uncovered,
            Jsonb(found.columns),
            Jsonb(found.changes),
            Jsonb(found.failure.model_dump(mode="json")) if found.failure else None,
        ],
    )


def forget_drift_checks(db: Connection, *, but: list[str]) -> None:
    """Forget those of workflows that are not there any more."""
    db.execute("DELETE FROM appliance.drift_check WHERE NOT workflow = ANY(%s)", [but])


def drift_checks(db: Connection) -> dict[str, DriftCheck]:
    """The last check of each workflow."""
    with db.cursor(row_factory=kwargs_row(_line)) as cursor:
        rows = cursor.execute(
            "SELECT workflow, checked_at, outcome, uncovered, columns, changes, failure"
            " FROM appliance.drift_check"
        ).fetchall()
    return dict(rows)


def _line(*, workflow: str, failure: dict[str, object] | None, **others: Any) -> tuple[str, DriftCheck]:
    why: Failure | None = stored_failure(failure) if failure else None
    others |= {"columns": tuple(others["columns"]), "changes": tuple(others["changes"])}
    return workflow, DriftCheck(failure=why, **others)


def is_newer(check: DriftCheck, last_run_ended: datetime | None) -> bool:
    """Whether no run has come to its end since: what one says of the source holds more than the check."""
    return last_run_ended is None or check.checked_at > last_run_ended
