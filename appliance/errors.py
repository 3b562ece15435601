"""The one exception that reaches a person, and the exit codes that go with it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means, everywhere in the appliance."""

    DONE = 0
    WORK_FAILED = 1
    REQUEST_WRONG = 2
    REFUSED = 3


class ApplianceError(Exception):
    """A failure that has been understood.

    ``what`` happened, ``why``, and the ``next_step`` a person should take. None of the three may
    hold a secret's value or a value out of a row; whoever raises it answers for that.
    """

    exit_code: ExitCode = ExitCode.WORK_FAILED
    table: str | None = None
    """The table that it is about, by name, where it is about one."""

    def __init__(self, what: str, why: str = "", next_step: str = "", *, sqlstate: str | None = None) -> None:
        self.what = what
        self.why = why
        self.next_step = next_step
        self.sqlstate = sqlstate
        super().__init__(self.text())

    def text(self) -> str:
        """The message as it is printed: what happened, why, and what to do, each on its own lines."""
        parts = [self.what]
        if self.why:
            parts.append(self.why)
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return "\n".join(parts)


class WorkFailed(ApplianceError):
    """The request was right and the work did not succeed (exit code 1). A retry may help."""


class WorkFailedForGood(WorkFailed):
    """The work did not succeed, and the same step would fail again (exit code 1)."""


class RequestWrong(ApplianceError):
    """A document, a setting or an argument is wrong (exit code 2). A retry cannot help."""

    exit_code = ExitCode.REQUEST_WRONG


class Refused(ApplianceError):
    """Policy or fail-closed planning said no (exit code 3). A retry cannot help.

    ``rule`` names the policy rule, or ``unlisted`` for a column that nothing covers.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, what: str, why: str = "", next_step: str = "", *, rule: str = "") -> None:
        self.rule = rule
        super().__init__(what, why, next_step)
