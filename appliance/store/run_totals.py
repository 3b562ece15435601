"""What an ended run comes to: rows and bytes, the time by step, which checks held and over how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from appliance.contract.events import RunFinished
from appliance.contract.fitting import fitting, shown_name
from appliance.contract.run_parts import Check, FailureReport, KeptLooked, StepTime
from appliance.contract.step_messages import Failure
from appliance.errors import ExitCode
from appliance.store.database import Connection
from appliance.store.rows import RunState


@dataclass(frozen=True)
class Totals:
    """Of all tables of a run."""

    rows: int = 0
    bytes: int = 0


def totals_of(connection: Connection, run_id: str) -> Totals:
    """What was copied."""
    with connection.cursor(row_factory=class_row(Totals)) as cursor:
        copied = cursor.execute(
            "SELECT coalesce(sum(rows), 0)::int8 AS rows, coalesce(sum(bytes), 0)::int8 AS bytes"
            " FROM appliance.progress WHERE run_id = %s AND step = 'copy'",
            [run_id],
        ).fetchone()
    return copied or Totals()


def step_times(connection: Connection, run_id: str) -> tuple[StepTime, ...]:
    """How long each step took, all its shards together, in their order."""
    rows = connection.execute(
        "SELECT step, extract(epoch FROM max(ended_at) - min(started_at))::float8 AS seconds"
        " FROM appliance.step WHERE run_id = %s GROUP BY step"
        " HAVING max(ended_at) >= min(started_at) ORDER BY min(started_at)",
        [run_id],
    ).fetchall()
    return tuple(time for row in rows if (time := fitting(StepTime, row)))


class _Verified(BaseModel):
    """What ``verify`` counted, as a release of the appliance has written it down."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tables: int | None = None
    masked_columns: int | None = None
    kept_columns: int = 0
    kept_looked_at: int = 0
    kept_rows: int = 0
    kept_found: int = 0
    kept_found_in: tuple[str, ...] = ()


def verify_checks(connection: Connection, run_id: str) -> tuple[Check, ...]:
    """The ``checks`` of a run's ``run_finished`` event; none where it was not verified."""
    found = _verified(connection, run_id)
    counted: tuple[tuple[Literal["row_counts", "masked_values"], int | None], ...] = (
        ("row_counts", found.tables),
        ("masked_values", found.masked_columns),
    )
    checks = [Check(kind=kind, passed=True, checked=count) for kind, count in counted if count is not None]
    if found.kept_looked_at:
        tables = [shown_name(each) for each in found.kept_found_in]
        said = {"kind": "kept_columns", "passed": not found.kept_found, "checked": found.kept_looked_at}
        check = fitting(Check, said | {"failed": found.kept_found, "tables": tables})
        checks += [check] if check is not None else []
    return tuple(checks)


def kept_looked(connection: Connection, run_id: str) -> KeptLooked | None:
    """The ``kept`` of the same event; None where no kept column was looked at."""
    found = _verified(connection, run_id)
    if not found.kept_columns:
        return None
    return KeptLooked(columns=found.kept_columns, looked_at=found.kept_looked_at, rows=found.kept_rows)


def _verified(connection: Connection, run_id: str) -> _Verified:
    """What ``verify`` counted; nothing where it has not succeeded."""
    row = connection.execute(
        "SELECT result FROM appliance.step WHERE run_id = %s AND step = 'verify' AND state = 'succeeded'",
        [run_id],
    ).fetchone()
    return _Verified.model_validate((row["result"] if row else None) or {})


def published_twins(connection: Connection, run_id: str) -> tuple[str, ...]:
    """The connections whose twins a run has put in place."""
    rows = connection.execute(
        "SELECT result ->> 'connection' AS name FROM appliance.step WHERE run_id = %s AND step = 'publish'"
        " AND state = 'succeeded' AND result ->> 'connection' IS NOT NULL"
        # What was built for files alone has no name that stays.
        " AND result ->> 'twin' IS NOT NULL ORDER BY shard",
        [run_id],
    ).fetchall()
    return tuple(row["name"] for row in rows)


def outcome_of(
    state: Literal["succeeded", "failed"], failure: Failure | None, stop: dict[str, str] | None
) -> RunState:
    """How a run ended, for people: policy's no and a person's stop are no failures."""
    if state == "succeeded":
        return "succeeded"
    if stop and stop.get("kind") == "cancel":
        return "cancelled"
    return "refused" if failure and failure.exit_code == ExitCode.REFUSED else "failed"


def finished_run(
    connection: Connection,
    run_id: str,
    workflow: str,
    outcome: RunState,
    seconds: float,
    *,
    failure: FailureReport | None,
) -> RunFinished | None:
    """The event of a run's end; ``seconds`` is how long it took."""
    totals = totals_of(connection, run_id)
    parts = {
        "run_id": run_id,
        "workflow": workflow,
        "outcome": outcome,
        "seconds": seconds,
        "rows": totals.rows,
        "bytes": totals.bytes,
        "steps": step_times(connection, run_id),
        "checks": verify_checks(connection, run_id),
        "twins": published_twins(connection, run_id),
        "kept": kept_looked(connection, run_id),
        "failure": failure,
    }
    return fitting(RunFinished, parts)
