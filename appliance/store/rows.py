"""Rows of the appliance's own database as the status service, its page and the command line show them.

Nothing here needs PostgreSQL's driver, so the command line reads the same types out of JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from appliance.contract.step_messages import Failure

RunState = Literal["queued", "running", "succeeded", "failed", "refused", "cancelled"]
StepState = Literal["running", "retrying", "succeeded", "failed", "cancelled", "skipped"]
Trigger = Literal["schedule", "command", "operator"]
Origin = Literal["local", "cloud"]


@dataclass(frozen=True)
class StopNote:
    """That a run was asked to stop."""

    kind: Literal["cancel", "failed"]
    why: str = ""


@dataclass(frozen=True)
class RunLine:
    """A run as a list shows it. ``seconds`` counts on until the run has ended."""

    run_id: str
    workflow: str
    airflow_run_id: str | None
    origin: Origin
    trigger: Trigger
    state: RunState
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stop_requested: StopNote | None
    failure: Failure | None
    seconds: float


@dataclass(frozen=True)
class PlannedTable:
    """A table of a run's plan; ``parts`` is how many pieces it is copied in."""

    table: str
    rows: int = 0
    bytes: int = 0
    masked: int = 0
    kept: int = 0
    parts: int = 1


@dataclass(frozen=True)
class PlanLine:
    """A run's plan in numbers and table names."""

    shards: int
    tables: tuple[PlannedTable, ...]
    tables_total: int
    not_carried: int = 0
    warnings: int = 0
    server_version: int | None = None


@dataclass(frozen=True)
class StepLine:
    """A step of a run, or one shard of it. ``result`` is what that step counted."""

    step: str
    shard: int | None
    attempt: int
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None
    failure: Failure | None
    result: dict[str, Any] | None
    seconds: float | None


@dataclass(frozen=True)
class ProgressLine:
    """How far one piece of one table is."""

    step: str
    shard: int | None
    part: str | None
    table: str | None
    rows: int
    rows_expected: int | None
    bytes: int
    done: bool
    updated_at: datetime


@dataclass(frozen=True)
class TableLine:
    """How far the copying of one table is, its pieces added up."""

    table: str
    rows: int
    rows_expected: int
    bytes: int
    done: bool


@dataclass(frozen=True)
class NoticeLine:
    """Something a person should know of a run."""

    step: str
    text: str
    at: datetime


@dataclass(frozen=True)
class TwinLine:
    """A twin that a run put in place; the last three are None while it stands."""

    connection: str
    since: datetime
    replaced_by: str | None
    """The run."""
    replaced_workflow: str | None
    """The workflow of that run."""
    replaced_at: datetime | None


@dataclass(frozen=True)
class StandingTwin:
    """A twin that stands: which run put it there."""

    connection: str
    workflow: str
    run_id: str
    since: datetime


@dataclass(frozen=True)
class RunningStep:
    """A step under way, or one shard of it, by the names that its log has."""

    run_id: str
    workflow: str
    airflow_run_id: str
    step: str
    shard: int | None


@dataclass(frozen=True)
class ConnectionTestLine:
    """How the newest test of a connection went, and when one last worked."""

    connection: str
    state: Literal["received", "accepted", "done", "refused", "failed"]
    at: datetime
    failure: str | None
    """The class of the failure: an SQLSTATE, or the name of an exception."""
    problem: str | None
    worked_at: datetime | None


@dataclass(frozen=True)
class RunDetails(RunLine):
    """A run with everything that is known of it."""

    plan: PlanLine | None
    steps: tuple[StepLine, ...]
    tables: tuple[TableLine, ...]
    progress: tuple[ProgressLine, ...]
    notices: tuple[NoticeLine, ...]
    twins: tuple[TwinLine, ...] = ()


@dataclass(frozen=True)
class DriftCheck:
    """Whether a run would go, as a workflow's last check for drift has found; ``changes`` are lines."""

    checked_at: datetime
    outcome: Literal["goes", "halts", "unknown"]
    uncovered: int
    columns: tuple[str, ...]
    """Those that nothing covers, at most the first of them."""
    changes: tuple[str, ...]
    failure: Failure | None


@dataclass(frozen=True)
class KeptLook:
    """How far a run looked into the columns that it kept."""

    columns: int
    looked_at: int
    rows: int
    found: int
    """Columns that hold what looks personal, or originals of masked ones."""
    found_in: tuple[str, ...] = ()
    """Tables, at most the first of them."""


@dataclass(frozen=True)
class OutboxDepth:
    """How many events wait to be sent, and what became of others."""

    waiting: int
    oldest_seconds: float | None
    dropped: int
    rejected: int


@dataclass(frozen=True)
class AskedErasure:
    """A request of the dashboard that is not done: it waits for the owner, or a place of it is open."""

    command_id: str
    reference: str
    received_at: datetime
    begun: bool
    """Whether a pass was reported that has left a place open."""


@dataclass(frozen=True)
class RefusedCommand:
    """A command of the dashboard that policy refused. ``payload`` has its arguments by name."""

    kind: str
    payload: dict[str, str]
    at: datetime | None
    rule: str | None
    problem: str | None


@dataclass(frozen=True)
class ReleaseWish:
    """The release that the dashboard asked for last, and what became of it."""

    version: str
    state: Literal["waiting", "done", "refused", "failed"]
    rule: str | None
    problem: str | None
    requested_at: datetime
    settled_at: datetime | None


_PLAN = TypeAdapter(PlanLine)
_STOP = TypeAdapter(StopNote)


def stored_failure(stored: Mapping[str, object]) -> Failure:
    """A failure as a row has it. One that another release wrote may lack keys or have more."""
    known = {key: value for key, value in stored.items() if key in Failure.model_fields}
    return Failure.model_validate({"step": "run", "exit_code": 1, "retry": False, "what": "", **known})


def stored_look(stored: Mapping[str, Any]) -> KeptLook | None:
    """What ``verify`` counted in kept columns; None where it looked at none, or another release did not."""
    if not stored.get("kept_columns"):
        return None
    return KeptLook(
        columns=int(stored["kept_columns"]),
        looked_at=int(stored.get("kept_looked_at", 0)),
        rows=int(stored.get("kept_rows", 0)),
        found=int(stored.get("kept_found", 0)),
        found_in=tuple(stored.get("kept_found_in", ())),
    )


def stored_plan(stored: Mapping[str, object]) -> PlanLine:
    """A plan as a row has it, also one of another release."""
    plan = _PLAN.validate_python({"shards": 0, "tables": (), "tables_total": 0, **stored})
    return plan if "tables_total" in stored else replace(plan, tables_total=len(plan.tables))


def stored_stop(stored: Mapping[str, object]) -> StopNote:
    """A request to stop as a row has it, also one of another release."""
    return _STOP.validate_python({"kind": "failed", **stored})
