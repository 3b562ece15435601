"""What a check has found: whether it is well, and if not, what to do. Used wherever something is checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from appliance.errors import Explanation

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. It never holds a secret or a value out of a row."""

    check: str
    state: State
    explanation: Explanation
    """Without a next step where it is well."""
    sql: tuple[str, ...] = ()
    """Statements to paste, in order, that do it."""

    @property
    def what(self) -> str:
        """What was found."""
        return self.explanation.what

    @property
    def next_step(self) -> str:
        """What a person does about it; empty where it is well."""
        return self.explanation.next_step

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "check": self.check,
            "state": self.state,
            "what": self.what,
            "next_step": self.next_step or None,
            "sql": list(self.sql),
        }


def ok(check: str, what: str) -> Finding:
    """It is well."""
    return Finding(check, "ok", Explanation(what))


def warn(check: str, what: str, next_step: str, sql: Iterable[str] = ()) -> Finding:
    """It works, and needs a look."""
    return Finding(check, "warn", Explanation(what, next_step=next_step), tuple(sql))


def fail(check: str, what: str, next_step: str, sql: Iterable[str] = ()) -> Finding:
    """It does not work."""
    return Finding(check, "fail", Explanation(what, next_step=next_step), tuple(sql))


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any of them does not work."""
    return any(finding.state == "fail" for finding in findings)
