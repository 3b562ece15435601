"""What is said about a failure, the exceptions that reach a person, and the exit codes that go with them.

Those that reach a person embed an ``Explanation``::

    ApplianceError                  understood
    ├── WorkFailedError             the work did not succeed (exit code 1); a retry may help
    │   ├── WorkFailedForGoodError  the same step would fail again
    │   ├── EngineAwayError         Docker does not answer
    │   ├── DashboardAwayError      the dashboard does not answer
    │   ├── TokenRefusedError       the dashboard does not take the appliance's token
    │   ├── ProviderError           whom the dashboard's people sign in through does not answer as it should
    │   └── BusyError               another update is being performed
    ├── WrongRequestError           a document, a setting or an argument is wrong (2); a retry cannot help
    │   ├── WrongDocumentError      with every problem of a document
    │   ├── NoDatabaseError         a connection's database is not there
    │   ├── PoolerBetweenError      a pooler stands between
    │   └── NotFoundError, ConflictError, TooLargeError, TooManyRequestsError, UnauthenticatedError
    │                               the dashboard's, each with an HTTP status
    ├── RefusedError                policy or fail-closed planning said no (3)
    └── StepFailedError             a step of ``appliance run`` failed, with the step's own exit code

All other exception classes are internal: what raises one knows what catches it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """What a command's exit status means, everywhere in the appliance."""

    DONE = 0
    WORK_FAILED = 1
    REQUEST_WRONG = 2
    REFUSED = 3


_NEXT = "Next: "


@dataclass(frozen=True)
class Explanation:
    """What happened, why, and what a person should do next. The only place that puts the three together.

    None of it may hold a secret's value or a value out of a row; who makes one answers for that.
    """

    what: str
    why: str = ""
    next_step: str = ""
    rule: str | None = None
    """The policy rule that refused, or ``unlisted`` for a column that nothing covers."""
    sqlstate: str | None = None
    table: str | None = None
    """The table that it is about, by name."""

    @classmethod
    def parsed(cls, text: str) -> Explanation:
        """What ``text`` or ``line`` has made; why it happened stays a part of what happened."""
        what, *more = re.split(rf"\s{_NEXT}", text.strip(), maxsplit=1)
        return cls(what, next_step=more[0] if more else "")

    @classmethod
    def joined(cls, several: Sequence[Explanation]) -> Explanation:
        """One for all of them, which must not be none; codes are those of the first."""
        return replace(
            several[0],
            what="\n".join(each.what for each in several),
            why="\n".join(each.why for each in several),
            next_step="\n".join(each.next_step for each in several),
        )

    @property
    def next_line(self) -> str:
        """``Next: …``; empty where there is nothing to do."""
        return f"{_NEXT}{self.next_step}" if self.next_step else ""

    def text(self) -> str:
        """As it is printed: what happened, why, and what to do, each on its own lines."""
        return "\n".join(self._parts())

    def line(self) -> str:
        """The same on one line."""
        return " ".join(self._parts())

    def _parts(self) -> list[str]:
        return [part for part in (self.what, self.why, self.next_line) if part]


class ApplianceError(Exception):
    """A failure that has been understood, with its explanation."""

    exit_code: ExitCode = ExitCode.WORK_FAILED

    def __init__(
        self,
        what: str,
        why: str = "",
        next_step: str = "",
        *,
        rule: str | None = None,
        sqlstate: str | None = None,
        table: str | None = None,
    ) -> None:
        self.explanation = Explanation(what, why, next_step, rule, sqlstate, table)
        super().__init__(self.text())

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """The error that says so."""
        error = cls(explanation.what)
        error.explanation = explanation
        return error

    def __str__(self) -> str:
        return self.text()

    @property
    def what(self) -> str:
        """What happened."""
        return self.explanation.what

    @property
    def why(self) -> str:
        """Why it happened; may be empty."""
        return self.explanation.why

    @property
    def next_step(self) -> str:
        """What a person should do; may be empty."""
        return self.explanation.next_step

    @property
    def rule(self) -> str | None:
        """The policy rule that refused, where one did."""
        return self.explanation.rule

    @property
    def table(self) -> str | None:
        """The table that it is about, where it is about one."""
        return self.explanation.table

    @property
    def sqlstate(self) -> str | None:
        """PostgreSQL's code, where it comes from there."""
        return self.explanation.sqlstate

    def text(self) -> str:
        """The message as it is printed."""
        return self.explanation.text()

    def explain(self, why: str, next_step: str | None = None) -> Self:
        """Give another reason, and with ``next_step`` another thing to do; the same error, for ``raise``."""
        former = self.explanation
        step = former.next_step if next_step is None else next_step
        self.explanation = replace(former, why=why, next_step=step)
        return self


class WorkFailedError(ApplianceError):
    """The request was right and the work did not succeed (exit code 1). A retry may help."""


class WorkFailedForGoodError(WorkFailedError):
    """The work did not succeed, and the same step would fail again (exit code 1)."""


class SourceChangedError(WorkFailedForGoodError):
    """What a run copies is no longer as its snapshot has it: a new run sees it as it is (exit code 1)."""

    NEXT_STEP = (
        "A run begins anew by itself, once. If that ends so too, start one when such changes are over."
    )


class WrongRequestError(ApplianceError):
    """A document, a setting or an argument is wrong (exit code 2). A retry cannot help."""

    exit_code = ExitCode.REQUEST_WRONG


class RefusedError(ApplianceError):
    """Policy or fail-closed planning said no (exit code 3), by a ``rule``. A retry cannot help."""

    exit_code = ExitCode.REFUSED
