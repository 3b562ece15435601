"""The wrong requests that have an HTTP status of their own."""

from __future__ import annotations

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


def status_of(error: ApplianceError) -> int:
    """The HTTP status that goes with an error."""
    by_type: list[tuple[type[ApplianceError], int]] = [
        (NotFound, 404),
        (Conflict, 409),
        (TooLarge, 413),
        (Unauthenticated, 401),
        (TooMany, 429),
        (Refused, 403),
        (RequestWrong, 422),
    ]
    return next((status for kind, status in by_type if isinstance(error, kind)), 500)
