"""The protocol between a step and its caller: one JSON object a line on standard output.

A step prints any number of ``progress`` and ``notice`` lines and ends with exactly one ``result`` or
``failure``. None of them may hold a value out of a row or a secret.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from appliance.errors import ExitCode, Explanation


class Message(BaseModel):
    """What every line has."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Progress(Message):
    """How far one table (or phase) of a step has come; ``rows`` and ``bytes`` since the step began it."""

    type: Literal["progress"] = "progress"
    step: str
    shard: int | None = None
    part: str | None = Field(default=None, description="Which piece of the table, where a table has several.")
    table: str | None = Field(default=None, description="schema.table as people write it.")
    rows: int = 0
    rows_expected: int | None = None
    bytes: int = 0
    done: bool = False


class Notice(Message):
    """Something a person should know that is not a failure."""

    type: Literal["notice"] = "notice"
    step: str
    text: str


class Result(Message):
    """The step succeeded; ``data`` is its small, value-free result (counts, names, durations in seconds)."""

    type: Literal["result"] = "result"
    step: str
    shard: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Failure(Message):
    """The step failed. ``exit_code`` is the process's; ``retry`` says whether trying again can help."""

    type: Literal["failure"] = "failure"
    step: str
    shard: int | None = None
    exit_code: int
    retry: bool
    what: str
    why: str = ""
    next_step: str = ""
    rule: str | None = None
    sqlstate: str | None = None
    exception: str | None = Field(default=None, description="The exception's class name.")
    location: str | None = Field(default=None, description="module:line of our code that raised it.")
    table: str | None = None
    log_tail: tuple[str, ...] = Field(default=(), description="The step's last stray lines, scrubbed.")

    @classmethod
    def of(
        cls,
        explanation: Explanation,
        *,
        step: str,
        shard: int | None = None,
        exit_code: int = ExitCode.WORK_FAILED,
        retry: bool,
        exception: str | None = None,
        location: str | None = None,
    ) -> Failure:
        """The failure with this explanation, laid out flat as it is sent."""
        return cls(
            step=step,
            shard=shard,
            exit_code=int(exit_code),
            retry=retry,
            exception=exception,
            location=location,
            **asdict(explanation),
        )

    @property
    def explanation(self) -> Explanation:
        """What a person is shown of it."""
        return Explanation(self.what, self.why, self.next_step, self.rule, self.sqlstate, self.table)


AnyMessage = Annotated[Progress | Notice | Result | Failure, Field(discriminator="type")]
_adapter: TypeAdapter[Progress | Notice | Result | Failure] = TypeAdapter(AnyMessage)


def parse_message(line: str) -> Progress | Notice | Result | Failure | None:
    """Read one line; None for anything that is not a message (a stray print must never stop a run)."""
    if not line.startswith("{"):
        return None
    try:
        return _adapter.validate_json(line)
    except ValueError:
        return None
