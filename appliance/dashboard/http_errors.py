"""The wrong requests that have an HTTP status of their own."""

from __future__ import annotations

from appliance.contract.calls import Problem
from appliance.documents.problems import WrongDocumentError
from appliance.errors import ApplianceError, RefusedError, WorkFailedError, WrongRequestError


class NotFoundError(WrongRequestError):
    """What was asked for is not there (404)."""


class ConflictError(WrongRequestError):
    """Another request was faster, or the name is taken (409)."""


class OvertakenError(ConflictError):
    """Another person has saved a newer version than the one that was changed (409)."""

    def __init__(self, begun: int, present: int) -> None:
        self.present = present
        super().__init__(
            "Another person has changed this workflow meanwhile.",
            f"You began from version {begun}; the present one is {present}.",
            "Open the history to see what changed, then make your change again.",
        )


class TooLargeError(WrongRequestError):
    """More than is taken (413)."""


class UnauthenticatedError(WrongRequestError):
    """No credential, or one that is no good (401)."""


class TooManyRequestsError(WrongRequestError):
    """Too many requests; ``retry_after`` seconds from now there is room again (429)."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, round(retry_after))
        super().__init__(
            "Too many attempts.", "They are slowed down for safety.", f"Try again in {self.retry_after} s."
        )


class ProviderError(WorkFailedError):
    """The provider that people sign in through is away, or answers as it should not (502)."""


_ANSWERS: tuple[tuple[type[ApplianceError], int, str], ...] = (
    (NotFoundError, 404, "notfound"),
    (ConflictError, 409, "conflict"),
    (TooLargeError, 413, "toolarge"),
    (UnauthenticatedError, 401, "unauthenticated"),
    (TooManyRequestsError, 429, "toomany"),
    (RefusedError, 403, "refused"),
    (WrongDocumentError, 422, "documentwrong"),
    (WrongRequestError, 422, "requestwrong"),
    (ProviderError, 502, "provider"),
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
