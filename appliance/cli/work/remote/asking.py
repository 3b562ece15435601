"""One request to an appliance that is elsewhere; a connection that is lost is taken up again."""

from __future__ import annotations

import ipaddress
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
from pydantic import JsonValue

from appliance import __version__
from appliance.errors import Explanation, RefusedError, WorkFailedError, WrongRequestError
from appliance.system.http import trusting

TOKEN_VARIABLE = "APPLIANCE_REMOTE_TOKEN"  # noqa: S105 - its name
PATIENCE_S = 600.0
"""How long a connection that is lost is asked for again."""
_PAUSE_S = 2.0
_WITHIN_S = 20.0
_AWAY = {502, 503, 504}


@dataclass
class Far:
    """A service that takes requests with a token."""

    url: str
    token: str
    ca: Path | None = None
    say: Callable[[str], None] = field(default=lambda _: None)
    patience_s: float = PATIENCE_S
    _client: httpx.Client | None = field(default=None, init=False, repr=False)

    def get(self, path: str) -> JsonValue:
        """What stands there. Raises WrongRequestError for what is not, our other errors."""
        return self._ask("GET", path, None, again=True)

    def post(self, path: str, body: dict[str, JsonValue], *, again: bool) -> JsonValue:
        """Send it; ``again`` where the same may be sent twice. Raises our errors."""
        return self._ask("POST", path, body, again=again)

    def _ask(self, method: str, path: str, body: dict[str, JsonValue] | None, *, again: bool) -> JsonValue:
        give_up = time.monotonic() + self.patience_s
        lost = False
        while True:
            try:
                answer = self._session().request(method, self.url.rstrip("/") + path, json=body)
                if answer.status_code not in _AWAY or not again:
                    if lost:
                        self.say("The connection is there again.")
                    return _read(answer)
                why = f"it answers {answer.status_code}"
            except httpx.TransportError as error:
                # Of what was never sent nothing can have been done.
                if _is_for_good(error) or not (again or isinstance(error, httpx.ConnectError)):
                    raise self._no_answer(error) from None
                why = type(error).__name__
            if time.monotonic() > give_up:
                raise WorkFailedError(
                    f"{self.url} was not reached for {self.patience_s / 60:.0f} minutes: {why}.",
                    "What was asked for goes on there.",
                    "appliance remote wait ID",
                )
            if not lost:
                self.say(f"The connection is lost ({why}); it is tried again.")
                lost = True
            time.sleep(min(_PAUSE_S, self.patience_s / 10))

    def _session(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                headers={
                    "Authorization": f"Bearer {self.token}",
                    "User-Agent": f"appliance/{__version__}",
                    "Accept": "application/json",
                },
                verify=_trusted(self.ca),
                timeout=_WITHIN_S,
                follow_redirects=False,
                # A proxy would get what is meant for this machine, and the token with it.
                trust_env=urlsplit(self.url).scheme == "https",
            )
        return self._client

    def _no_answer(self, error: httpx.TransportError) -> WorkFailedError:
        trust = "--ca FILE, if its certificate is an authority's of your own" if _is_for_good(error) else ""
        return WorkFailedError(
            f"{self.url} does not answer.", f"{type(error).__name__}: {error}."[:300], trust
        )


def far(url: str | None, token_file: Path | None, ca: Path | None, say: Callable[[str], None]) -> Far:
    """The service that is meant. Raises WrongRequestError without address or token."""
    if not url:
        raise WrongRequestError(
            "Which appliance is asked?", "There is no address.", "--url https://appliance.internal:8080"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongRequestError(f"'{url}' is no address.", "", "--url https://appliance.internal:8080")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise WrongRequestError(
            f"The token is not sent to {parts.hostname} without TLS.",
            "Others could read it.",
            "--url https://…",
        )
    return Far(url, _token(token_file), ca, say)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def in_path(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def _token(file: Path | None) -> str:
    try:
        token = file.read_text(encoding="ascii") if file is not None else os.environ.get(TOKEN_VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequestError(
            f"{file} cannot be read: {type(error).__name__}.", "It is to hold the token.", "--token-file FILE"
        ) from None
    if not token.strip():
        raise WrongRequestError(
            "There is no token.",
            "The status service has one in its file status-token, the dashboard makes one for an editor.",
            f"--token-file FILE, or the variable {TOKEN_VARIABLE}",
        )
    return token.strip()


def _trusted(ca: Path | None) -> ssl.SSLContext:
    try:
        return trusting(ca)
    except (OSError, ssl.SSLError) as error:
        raise WrongRequestError(
            f"{ca} cannot be read as certificates: {type(error).__name__}.", "", "--ca FILE"
        ) from None


def _is_for_good(error: BaseException) -> bool:
    """Whether the same would come of it again: it is not who is meant."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return True
        below = below.__cause__ or below.__context__
    return False


def _read(answer: httpx.Response) -> JsonValue:
    try:
        body: JsonValue = answer.json()
    except ValueError:
        body = None
    if answer.is_success:
        return body
    detail = body.get("detail", body.get("problem")) if isinstance(body, dict) else None
    said = detail if isinstance(detail, str) else answer.text.strip()[:500]
    if isinstance(detail, list):
        said = "; ".join(_line(each) for each in detail)
    kind = {401: WrongRequestError, 403: RefusedError}.get(
        answer.status_code, WorkFailedError if answer.status_code >= 500 else WrongRequestError
    )
    raise kind.of(Explanation.parsed(said or f"It answers {answer.status_code}."))


def _line(problem: JsonValue) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    place = problem.get("loc")
    where = ".".join(str(each) for each in place) if isinstance(place, list) else ""
    return f"{where}: {problem.get('msg', '')}".strip(": ")
