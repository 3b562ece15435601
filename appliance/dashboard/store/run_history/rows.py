"""Runs and events as the queries give them. Moments are seconds since 1970, flags 0 or 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.dashboard.store.rows import ReportedJson

RunState = Literal["running", "succeeded", "failed", "refused", "cancelled", "lost"]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run; ``workflow_title`` is null for a workflow that is not of this dashboard."""

    appliance_id: str
    run_id: str
    workflow_id: str
    state: RunState
    started_by: str | None
    origin: str | None
    digest: str | None
    command_id: str | None
    started_at: float
    ended_at: float | None
    seconds: float | None
    rows: int | None
    bytes: int | None
    changed_at: float
    appliance_name: str
    workflow_title: str | None
    asked_by: str | None


@dataclass(frozen=True, kw_only=True)
class ReportedRun(RunRow):
    """A run with the plan and the outcome that its appliance reported."""

    plan: ReportedJson
    outcome: ReportedJson


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """A step of a run, its shards taken together."""

    step: str
    state: str
    seconds: float | None
    attempt: int
    shards: int
    shards_done: int


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """How far the copying of a table is."""

    table: str
    rows: int
    expected: int
    bytes: int
    done: bool
    begun: bool
    masked: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class ReplacedBy:
    """The run that put another twin in a twin's place."""

    run_id: str
    workflow_id: str
    at: float


@dataclass(frozen=True, kw_only=True)
class TwinRow:
    """A twin that a run put in place; ``replaced_by`` is null while it stands."""

    connection: str
    since: float
    replaced_by: ReplacedBy | None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """A run in numbers; ``share`` is of its rows, from 0 to 1."""

    rows_done: int
    rows_expected: int
    elapsed: float
    share: float
    tables_done: int


@dataclass(frozen=True, kw_only=True)
class RunShown(ReportedRun, Totals):
    """A run with everything that is known of it."""

    steps: list[StepRow]
    tables: list[TableRow]
    twins: list[TwinRow]
    version: int | None


@dataclass(frozen=True, kw_only=True)
class LatestRun:
    """One of the latest runs of a workflow."""

    appliance_id: str
    run_id: str
    workflow_id: str
    state: RunState
    started_at: float
    seconds: float | None
    rows: int | None
    workflow_title: str | None


@dataclass(frozen=True, kw_only=True)
class RunThatPut:
    """A run whose outcome may name twins that it put in place."""

    run_id: str
    workflow_id: str
    ended_at: float
    outcome: ReportedJson


@dataclass(frozen=True, kw_only=True)
class StoredStep:
    """A step, or one shard of it."""

    step: str
    shard: int
    state: str
    attempt: int
    seconds: float | None
    at: float


@dataclass(frozen=True, kw_only=True)
class StoredProgress:
    """How far the copying of a table is, its pieces added up."""

    table_name: str
    rows: int
    expected: int | None
    bytes: int
    done: int


@dataclass(frozen=True, kw_only=True)
class FoldedProgress:
    """The same of one step, as one row that stands for all."""

    step: str
    table_name: str
    rows: int
    rows_expected: int | None
    bytes: int
    done: int
    ordinal: int


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What names a run."""

    appliance_id: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class RunPosition:
    """Which event a run was moved by last, by which it begun, and whether its details are folded up."""

    ordinal: int = 0
    begun: int = 0
    folded: int = 0


@dataclass(frozen=True, kw_only=True)
class UseOfRun:
    """A run that has ended, with the document that it ran by."""

    run_id: str
    state: RunState
    ended_at: float
    outcome: ReportedJson
    document: ReportedJson


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """An event; ``ordinal`` is what to go on from."""

    ordinal: int
    at: float
    received_at: float
    type: str
    run_id: str | None
    workflow_id: str | None
    rule: str | None
    data: ReportedJson


@dataclass(frozen=True, kw_only=True)
class RefusalRow:
    """Something that an appliance's policy refused."""

    at: float
    type: str
    run_id: str | None
    workflow_id: str | None
    rule: str
    data: ReportedJson


@dataclass(frozen=True, kw_only=True)
class UpdateRow:
    """How the newest update goes."""

    at: float
    rule: str | None
    data: ReportedJson


@dataclass(frozen=True, kw_only=True)
class GapRow:
    """Numbers of events that have not arrived."""

    first: int
    last: int
    noticed_at: float


@dataclass(frozen=True, kw_only=True)
class StoredGap:
    """The first and the last of numbers that have not arrived."""

    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class StreamPosition:
    """A stream's generation and its highest number."""

    generation: int
    highest: int
