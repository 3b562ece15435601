"""The wrong requests that have an HTTP status of their own."""

from __future__ import annotations

from appliance.contract.calls import Problem
from appliance.documents.problems import DocumentWrong
from appliance.errors import ApplianceError, Refused, RequestWrong


class NotFound(RequestWrong):
    """What was asked for is not there (404)."""


class Conflict(RequestWrong):
    """Somebody else was faster, or the name is taken (409)."""


class TooLarge(RequestWrong):
    """More than is taken (413)."""


class Unauthenticated(RequestWrong):
    """No credential, or one that is no good (401)."""


class TooMany(RequestWrong):
    """Too many requests; ``retry_after`` seconds from now there is room again (429)."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, round(retry_after))
        super().__init__(
            "Too many attempts.", "They are slowed down for safety.", f"Try again in {self.retry_after} s."
        )


_ANSWERS: tuple[tuple[type[ApplianceError], int, str], ...] = (
    (NotFound, 404, "notfound"),
    (Conflict, 409, "conflict"),
    (TooLarge, 413, "toolarge"),
    (Unauthenticated, 401, "unauthenticated"),
    (TooMany, 429, "toomany"),
    (Refused, 403, "refused"),
    (DocumentWrong, 422, "documentwrong"),
    (RequestWrong, 422, "requestwrong"),
    (ApplianceError, 500, "workfailed"),
)
"""HTTP's status and the contract's code for an error; the first kind that fits."""


def status_of(error: ApplianceError) -> int:
    """The HTTP status that goes with an error."""
    return next(status for kind, status, _ in _ANSWERS if isinstance(error, kind))


def problem_of(error: ApplianceError) -> Problem:
    """The answer's body. Its code is the rule that refused, else a name for the kind of error."""
    code = error.explanation.rule or next(code for kind, _, code in _ANSWERS if isinstance(error, kind))
    return Problem.of(code, error.explanation)
