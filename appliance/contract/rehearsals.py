"""Rehearsals, as they cross to the dashboard: what it may ask for, and what came of it. No value of a row."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from appliance.contract.fields import (
    ConnectionName,
    Count,
    Identifier,
    Instant,
    ObjectName,
    RunId,
    ScrubbedText,
    Seconds,
    SqlState,
    WireModel,
    WorkflowId,
)

MAX_SQL_BYTES = 64 * 2**10
"""Of all files of one migration, which come with a heartbeat's answer."""
MAX_STATEMENTS = 200
MAX_REPORTED_TABLES = 100
MAX_NAMES = 50
MAX_REASONS = 20
LockMode = Annotated[str, Field(pattern=r"^[A-Za-z]+$", max_length=40)]
Verdict = Literal["passed", "failed", "above", "cancelled"]
Milliseconds = Annotated[float, Field(ge=0, le=10**12)]


class SqlFile(WireModel):
    """One file of a migration."""

    name: ObjectName
    text: str = Field(max_length=MAX_SQL_BYTES)


class RehearseCommand(WireModel):
    """Rehearse a migration in a branch of a workflow's twin: an image that policy names, or SQL."""

    kind: Literal["rehearse"] = "rehearse"
    workflow: WorkflowId
    on: ConnectionName | None = Field(
        default=None, description="The connection of the twin, where the workflow delivers several."
    )
    image: Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$", max_length=400)] | None = Field(
        default=None, description="The migration, an image by its digest."
    )
    command: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(
        default=(), max_length=50, description="Arguments for the image's entry point."
    )
    sql: tuple[SqlFile, ...] = Field(
        default=(), max_length=50, description="The migration, files of SQL: only with `sql_from_cloud`."
    )
    down: tuple[SqlFile, ...] = Field(default=(), max_length=50, description="Its way back, the same.")

    @model_validator(mode="after")
    def _one_migration(self) -> Self:
        if bool(self.image) == bool(self.sql):
            raise ValueError("name an image, or send files of SQL")
        if sum(len(each.text.encode()) for each in (*self.sql, *self.down)) > MAX_SQL_BYTES:
            raise ValueError(f"all files together have {MAX_SQL_BYTES // 1024} KiB at most")
        return self


class ReportedLock(WireModel):
    """The strongest lock of a statement on a table."""

    table: ObjectName = Field(description="Which table, as the migration locked it.")
    mode: LockMode = Field(description="Which lock.")
    held_ms: Milliseconds = Field(description="For how long.")


class ReportedFinding(WireModel):
    """What the linter says of a statement."""

    rule: ObjectName = Field(description="The linter's rule.")
    line: Count = Field(description="Where.")
    column: Count = Field(default=0, description="And where in that line.")
    message: ScrubbedText = Field(description="What it says.")
    help: ScrubbedText = Field(default=ScrubbedText(""), description="What to do.")


class ReportedFailure(WireModel):
    """Why a statement failed."""

    sqlstate: SqlState | None = Field(default=None, description="The server's code.")
    why: ScrubbedText = Field(description="In words, without a value.")


class ReportedStatement(WireModel):
    """One statement, as it went."""

    file: ObjectName = Field(description="In which file of the migration.")
    line: Count = Field(description="In which line.")
    statement: ScrubbedText = Field(description="Its words, without what stands in quotes.")
    ms: Milliseconds = Field(description="How long it took.")
    in_transaction: bool = Field(description="Whether it ran in a transaction.")
    rows: Count | None = Field(default=None, description="How many rows it wrote.")
    locks: tuple[ReportedLock, ...] = Field(default=(), max_length=MAX_NAMES, description="What it locked.")
    rewrites: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which tables it wrote anew."
    )
    reindexed: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which indexes it built anew."
    )
    built: tuple[ObjectName, ...] = Field(default=(), max_length=MAX_NAMES, description="What it made.")
    validated: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which constraints it validated."
    )
    invalid: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="What it left invalid."
    )
    dropped: tuple[ObjectName, ...] = Field(default=(), max_length=MAX_NAMES, description="What it dropped.")
    findings: tuple[ReportedFinding, ...] = Field(
        default=(), max_length=MAX_NAMES, description="What the linter says."
    )
    failure: ReportedFailure | None = Field(default=None, description="Why it failed, if it did.")


class ReportedBlocked(WireModel):
    """When others waited for a table."""

    start_ms: Milliseconds = Field(description="From when on.")
    end_ms: Milliseconds = Field(description="Until when.")
    who: Literal["writers", "both"] = Field(description="Who waited.")


class RehearsedTable(WireModel):
    """A table that the migration locked."""

    table: ObjectName = Field(description="Which table.")
    strongest: LockMode = Field(description="Its strongest lock.")
    held_ms: Milliseconds = Field(description="For how long that was held.")
    reader_blocked_ms: Milliseconds = Field(description="The longest that a reader waited.")
    writer_blocked_ms: Milliseconds = Field(description="The longest that a writer waited.")
    probed: bool = Field(description="Whether that was tried.")
    rows_before: Count | None = Field(default=None, description="About how many rows it has.")
    rows_in_source: Count | None = Field(
        default=None, description="About how many the source has, where a run left some out."
    )
    bytes_before: Count = Field(description="Its size before.")
    bytes_after: Count | None = Field(default=None, description="And afterwards.")
    blocked: tuple[ReportedBlocked, ...] = Field(
        default=(), max_length=MAX_NAMES, description="When others waited."
    )


class ReportedChanges(WireModel):
    """What a container's migration has made of the branch, all in all."""

    rewrites: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which tables it wrote anew."
    )
    reindexed: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which indexes it built anew."
    )
    built: tuple[ObjectName, ...] = Field(default=(), max_length=MAX_NAMES, description="What it made.")
    validated: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="Which constraints it validated."
    )
    invalid: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="What it left invalid."
    )
    dropped: tuple[ObjectName, ...] = Field(default=(), max_length=MAX_NAMES, description="What it dropped.")


class ReportedDirection(WireModel):
    """A migration, or its way back."""

    seconds: Seconds = Field(description="How long it took.")
    statements: tuple[ReportedStatement, ...] = Field(
        default=(), max_length=MAX_STATEMENTS, description="Its statements."
    )
    tables: tuple[RehearsedTable, ...] = Field(
        default=(), max_length=MAX_REPORTED_TABLES, description="The tables that it locked."
    )
    changes: ReportedChanges | None = Field(default=None, description="Of a container: what it did.")
    left_invalid: tuple[ObjectName, ...] = Field(
        default=(), max_length=MAX_NAMES, description="What is left invalid at its end."
    )
    stopped: bool = Field(default=False, description="Whether its time was over.")
    cancelled: bool = Field(default=False, description="Whether it was ended on request.")
    failure: ReportedFailure | None = Field(default=None, description="A failure of no single statement.")


class RehearsalReport(WireModel):
    """What a rehearsal found. The same keys as `appliance rehearse --json`, bounded."""

    workflow: WorkflowId = Field(description="The workflow.")
    twin: ObjectName = Field(description="The twin's name.")
    branch: ObjectName = Field(description="The branch's name.")
    kept: bool = Field(description="Whether the branch was kept.")
    run: RunId = Field(description="Of which run the rows are.")
    copy_of: Literal["golden", "twin", "former"] = Field(description="What the branch is a copy of.")
    began_at: Instant = Field(description="When it began.")
    up: ReportedDirection = Field(description="The migration.")
    down: ReportedDirection | None = Field(default=None, description="Its way back.")
    verdict: Verdict = Field(description="How it ended.")
    reasons: tuple[ScrubbedText, ...] = Field(
        default=(), max_length=MAX_REASONS, description="Why it did not pass."
    )
    notes: tuple[ScrubbedText, ...] = Field(
        default=(), max_length=MAX_REASONS, description="What else is to be known."
    )


class RehearsalReported(WireModel):
    """A migration was rehearsed. Only where `branches.by` names `cloud`."""

    type: Literal["rehearsal_reported"] = Field(
        default="rehearsal_reported", description="The kind of event."
    )
    command_id: Identifier = Field(description="The command that asked, the dashboard's or the owner's own.")
    workflow: WorkflowId = Field(description="The workflow.")
    run_id: RunId = Field(description="Of which run the branch's rows are.")
    verdict: Verdict = Field(description="How it ended, to be shown.")
    seconds: Seconds = Field(description="How long the migration took.")
    statements: Count = Field(description="How many statements were performed.")
    longest_blocked_ms: Milliseconds = Field(description="The longest that anyone was kept waiting.")
    report: RehearsalReport | None = Field(
        default=None,
        description="All of it, where the dashboard asked. Only with `share_catalog: names`.",
    )
