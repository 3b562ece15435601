"""Asking the local status service."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from appliance.errors import RequestWrong, WorkFailed
from appliance.settings import Settings

TIMEOUT_S = 15


def ask(settings: Settings, path: str, *, accept_503: bool = False) -> Any:
    """The JSON at ``path``. Raises RequestWrong for what is not there, WorkFailed when nobody answers."""
    url = f"http://{settings.status.host}:{settings.status.port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body = _json(error.read())
        if error.code == 503 and accept_503:
            return body
        detail = body.get("detail") if isinstance(body, dict) else None
        told = detail if isinstance(detail, str) else f"The status service answers {error.code}."
        raise (RequestWrong if error.code == 404 else WorkFailed)(told) from None
    except OSError as error:
        raise WorkFailed(
            "The status service does not answer.",
            f"{type(getattr(error, 'reason', error)).__name__} at {url}.",
            "systemctl status appliance-status",
        ) from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
