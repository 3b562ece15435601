"""What events of a run are made of: its steps and tables, its checks, and why it failed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import (
    CodeLocation,
    Count,
    ExceptionName,
    ObjectName,
    RuleName,
    ScrubbedText,
    Seconds,
    SqlState,
    WireModel,
)

MAX_LOG_LINES = 40
MAX_PLANNED_TABLES = 2000

Step = Literal[
    "open_snapshot",
    "plan",
    "schema",
    "copy",
    "close_snapshot",
    "finish",
    "verify",
    "attest",
    "upload",
    "publish",
    "container",
]
Shard = Annotated[
    int | None, Field(ge=0, le=100_000, description="Which of a step's parallel parts; to draw it apart.")
]


class FailureReport(WireModel):
    """Why something failed: enough to act on without access to the appliance."""

    step: Step | None = Field(default=None, description="The step that failed.")
    shard: Shard = None
    table: ObjectName | None = Field(default=None, description="The table it was working on, by name only.")
    exit_code: int = Field(
        default=1, ge=0, le=255, description="A failure, a wrong request and a refusal have different ones."
    )
    retry: bool = Field(default=False, description="Whether trying again can help.")
    rule: RuleName | None = Field(default=None, description="The policy rule that refused, where one did.")
    sqlstate: SqlState | None = Field(
        default=None, description="PostgreSQL's code for the error; holds no data."
    )
    exception: ExceptionName | None = Field(
        default=None, description="The exception's class name, for support."
    )
    location: CodeLocation | None = Field(
        default=None, description="The line of the appliance's code, for support."
    )
    what: ScrubbedText = Field(description="What happened, in the appliance's words, scrubbed.")
    why: ScrubbedText | None = Field(default=None, description="Why it happened, scrubbed.")
    next_step: ScrubbedText | None = Field(
        default=None, description="What a person should do next, scrubbed."
    )
    log_tail: tuple[ScrubbedText, ...] = Field(
        default=(),
        max_length=MAX_LOG_LINES,
        description="The last lines of the step's log, scrubbed, for support.",
    )


class TableBrief(WireModel):
    """One table of a plan, by name and size."""

    table: ObjectName = Field(description="The table's name, to show progress by table.")
    rows: Count = Field(
        default=0, description="PostgreSQL's estimate of its rows, to show how far copying is."
    )
    bytes: Count = Field(default=0, description="Its size, to show how far copying is.")
    masked: int = Field(
        default=0, ge=0, le=2000, description="How many of its columns are masked, as evidence."
    )
    kept: int = Field(
        default=0, ge=0, le=2000, description="How many of its columns are kept as they are, as evidence."
    )


class Check(WireModel):
    """One kind of check that verification made."""

    kind: Literal[
        "row_counts", "constraints", "masked_values", "distinct_counts", "scrubbed_text", "kept_columns"
    ] = Field(description="What was checked.")
    passed: bool = Field(description="Whether all of it held.")
    checked: Count = Field(default=0, description="How many tables, constraints or columns were checked.")
    failed: Count = Field(default=0, description="How many of them did not hold.")
    tables: tuple[ObjectName, ...] = Field(
        default=(),
        max_length=50,
        description="The tables in which it did not hold, by name, to know where to look.",
    )


class KeptLooked(WireModel):
    """How far a run looked into what it kept: counts, so that a success says what it has not proven."""

    columns: Count = Field(default=0, description="How many columns are kept as they are.")
    looked_at: Count = Field(default=0, description="How many of them had their values looked at.")
    rows: Count = Field(default=0, description="How many rows were looked at, all tables together.")


class StepTime(WireModel):
    """How long a step took."""

    step: Step = Field(description="The step.")
    seconds: Seconds = Field(description="How long it took, to see what makes a run slow.")
