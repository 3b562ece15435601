"""Asking the local status service."""

from __future__ import annotations

import ssl
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from appliance.errors import Explanation, WorkFailedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.system import http
from appliance.system.beneath import as_owner_of

TIMEOUT_S = 15
Kind = TypeVar("Kind")


def ask(settings: Settings, path: str, *, accept_503: bool = False) -> Any:
    """The JSON at ``path``.

    Raises WrongRequestError for what is not there, WorkFailedError when nothing answers.
    """
    scheme = "https" if settings.status.tls_certificate else "http"
    url = f"{scheme}://{http.place(http.reachable(settings.status.host), settings.status.port)}{path}"
    try:
        answer = http.ask(url, headers=_token(settings), trusted=_trusted(settings), within_s=TIMEOUT_S)
    except http.NoAnswerError as error:
        if (settings.state_dir / "restore" / "pending").exists():
            raise WorkFailedError(
                "A restore has not reached its end: until then no service starts.",
                "",
                "appliance backup restore FILE, with the same file",
            ) from None
        raise WorkFailedError(
            "The status service does not answer.",
            f"At {url}: {error}.",
            "systemctl status appliance-status",
        ) from None
    body = answer.json()
    if answer.status < 300 or (answer.status == 503 and accept_503):
        return body
    detail = body.get("detail") if isinstance(body, dict) else None
    said = detail if isinstance(detail, str) else f"The status service answers {answer.status}."
    raise (WrongRequestError if answer.status == 404 else WorkFailedError).of(Explanation.parsed(said))


def read(kind: type[Kind], answer: Any) -> Kind:
    """An answer of ``ask`` as a type of appliance.status.report or appliance.store.rows.

    Raises WorkFailedError where the service is of a release that says something else.
    """
    try:
        return TypeAdapter(kind).validate_python(answer)
    except ValidationError:
        raise WorkFailedError(
            "The status service answers in a way that this release does not know.",
            "It is of another release, most likely: an update is under way.",
            "systemctl restart appliance-status",
        ) from None


def _token(settings: Settings) -> dict[str, str]:
    """What a service that others can reach asks for, where this user may read it."""
    path = settings.status.token_file or settings.status_dir / "status-token"
    try:
        # What stands there is sent to a service of the user who owns the folder.
        with as_owner_of(path):
            return {"Authorization": f"Bearer {path.read_text(encoding='ascii').strip()}"}
    except (OSError, UnicodeDecodeError):
        return {}


def _trusted(settings: Settings) -> ssl.SSLContext | None:
    """Its own certificate and no other."""
    if settings.status.tls_certificate is None:
        return None
    try:
        return http.trusting_only(settings.status.tls_certificate)
    except OSError as error:
        raise WorkFailedError(
            f"{settings.status.tls_certificate} cannot be read: {error.strerror or type(error).__name__}.",
            "The status service is known by it.",
            "Run the command as root.",
        ) from None
