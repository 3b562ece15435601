"""Asking the local status service."""

from __future__ import annotations

import contextlib
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from appliance.errors import Explanation, WorkFailedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

TIMEOUT_S = 15
Kind = TypeVar("Kind")


def ask(settings: Settings, path: str, *, accept_503: bool = False) -> Any:
    """The JSON at ``path``.

    Raises WrongRequestError for what is not there, WorkFailedError when nobody answers.
    """
    scheme = "https" if settings.status.tls_certificate else "http"
    url = f"{scheme}://{_address(settings.status.host)}:{settings.status.port}{path}"
    request = urllib.request.Request(url, headers=_token(settings))  # noqa: S310 - from the settings
    # Never by way of a proxy that the environment names: it would be handed the token, and cannot get here.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trusted(settings))
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body = _json(error.read())
        if error.code == 503 and accept_503:
            return body
        detail = body.get("detail") if isinstance(body, dict) else None
        told = detail if isinstance(detail, str) else f"The status service answers {error.code}."
        raise (WrongRequestError if error.code == 404 else WorkFailedError).of(
            Explanation.parsed(told)
        ) from None
    except OSError as error:
        if (settings.state_dir / "restore" / "pending").exists():
            raise WorkFailedError(
                "A restore has not reached its end: until then no service starts.",
                "",
                "appliance backup restore FILE, with the same file",
            ) from None
        raise WorkFailedError(
            "The status service does not answer.",
            f"{type(getattr(error, 'reason', error)).__name__} at {url}.",
            "systemctl status appliance-status",
        ) from None


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


def _address(host: str) -> str:
    """Where to ask a service that listens everywhere."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


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
    """Its own certificate and no other: the name in it is for those who come from elsewhere."""
    if settings.status.tls_certificate is None:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    with contextlib.suppress(OSError):
        context.load_verify_locations(cafile=settings.status.tls_certificate)
    return context


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
