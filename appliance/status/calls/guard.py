"""Who may ask the status service: on loopback anyone on this machine, elsewhere anyone who has the token."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from appliance.data_users.tokens import TOKEN
from appliance.durable import create_file
from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings
from appliance.settings.status import StatusSettings
from appliance.system.http import is_loopback

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

COOKIE = "appliance_token"
DATA_COOKIE = "appliance_data_token"
OWNER = "is_owner"
DATA_TOKEN = "data_token"  # noqa: S105 - a name
DATA_PATHS = ("/data/", "/data.html", "/data.js", "/shown.js", "/page.css")
"""Where a data user's own token counts; what is no secret is there for all."""
SHORTEST_TOKEN = 16
LONGEST_FORM_BYTES = 4096
FOLDER = Path(__file__).parents[1]
HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self';"
    b" connect-src 'self';"
    b" img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}


def token_file(settings: Settings) -> Path:
    """Where the token is, or will be made."""
    return settings.status.token_file or settings.status_dir / "status-token"


def required_token(settings: Settings) -> str | None:
    """The token that callers need; None where only this machine can call.

    Raises WrongRequestError for an address that others can reach without TLS: then the service must not
    start.
    """
    status = settings.status
    if is_loopback(status.host) or status.guarded_elsewhere:
        return None
    if status.tls_certificate is None or status.tls_key is None:
        raise WrongRequestError(
            f"The status service may not listen on {status.host} without TLS.",
            "Others than this machine could read along, and the token with it.",
            "Set status.tls_certificate and status.tls_key, or status.host: 127.0.0.1.",
        )
    return _read_or_make(token_file(settings))


def _read_or_make(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(path, secrets.token_urlsafe(32) + "\n", durable=True, mode=0o600)
    token = path.read_text(encoding="ascii").strip()
    if len(token) < SHORTEST_TOKEN:
        raise WrongRequestError(
            f"The token in {path} is too short.", "", "Delete the file: a new one is made."
        )
    return token


def owners_token(settings: Settings) -> str | None:
    """The token that the owner shows to change something; None where no file can be made for it.

    It is asked for on loopback too: any user of the machine can open a page there.
    """
    try:
        return _read_or_make(token_file(settings))
    except (OSError, UnicodeDecodeError):
        return None


def is_owner(scope: Scope) -> bool:
    """Whether a request that the guard let through showed the token."""
    return bool(scope.get("state", {}).get(OWNER))


def data_token(scope: Scope) -> str | None:
    """What a caller showed as a data user's token, which is not looked at here."""
    shown = scope.get("state", {}).get(DATA_TOKEN)
    return shown if isinstance(shown, str) else None


class Guard:
    """ASGI middleware: refuses anyone who may not ask, and adds the headers that protect browsers.

    ``token`` is what everybody needs, None for no one; ``owner`` is what a change needs.
    """

    def __init__(self, app: App, status: StatusSettings, token: str | None, owner: str | None = None) -> None:
        self._app = app
        self._token = token
        self._owner = token or owner
        self._names = frozenset(name.lower() for name in ("localhost", status.host, *status.names))

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self._token is None and not self._is_own_name(headers.get(b"host", b"localhost")):
            await _refuse(
                send, 421, "This service answers to the names of this machine and those in status.names only."
            )
            return
        knows_token = self._has_token(headers)
        for_data_users = scope["path"].startswith(DATA_PATHS)
        signs_in = scope["path"] == "/sign-in" and self._owner is not None
        if (self._token is not None and not for_data_users and not knows_token) or signs_in:
            wants_page = signs_in or b"text/html" in headers.get(b"accept", b"")
            await self._ask_for_token(scope, receive, send, wants_page=wants_page)
            return
        scope.setdefault("state", {})[OWNER] = knows_token
        if for_data_users:
            scope["state"][DATA_TOKEN] = _as_data_token(_shown(headers, DATA_COOKIE))

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in HEADERS.items() if name not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _is_own_name(self, host: bytes) -> bool:
        """Whether the caller meant this service. A page from elsewhere, whose name was made to point here
        (DNS rebinding), sends that name, and where no token is asked for nothing else would stop it.
        """
        name = _host_name(host)
        return name in self._names or is_loopback(name)

    async def _ask_for_token(self, scope: Scope, receive: Any, send: Send, *, wants_page: bool) -> None:
        """A browser gets a form; what it sends becomes a cookie that scripts cannot read."""
        if scope["method"] == "POST" and scope["path"] == "/sign-in":
            given = parse_qs(await _body(receive)).get(b"token", [b""])[0]
            # Without TLS the page is on loopback only, and browsers would not send a secure cookie there.
            secure = "" if self._token is None and scope.get("scheme") == "http" else " Secure;"
            if self._owner and hmac.compare_digest(given.strip(), self._owner.encode()):
                cookie = f"{COOKIE}={self._owner}; Path=/;{secure} HttpOnly; SameSite=Strict".encode()
                await _answer(send, 303, b"", [(b"location", b"./"), (b"set-cookie", cookie)])
                return
            if (shown := _as_data_token(given)) is not None:
                # Whether it is good, what hands out files says each time.
                mark = f"{DATA_COOKIE}={shown}; Path=/data/;{secure} HttpOnly; SameSite=Strict"
                await _answer(send, 303, b"", [(b"location", b"data.html"), (b"set-cookie", mark.encode())])
                return
            wants_page = True
        if wants_page:
            page = (FOLDER / "sign_in.html").read_bytes()
            await _answer(send, 401, page, [(b"content-type", b"text/html; charset=utf-8")])
            return
        await _refuse(send, 401, "A token is needed: Authorization: Bearer, from status.token_file.")

    def _has_token(self, headers: dict[bytes, bytes]) -> bool:
        given = _shown(headers, COOKIE)
        return self._owner is not None and hmac.compare_digest(given.strip(), self._owner.encode())


def _shown(headers: dict[bytes, bytes], cookie: str) -> bytes:
    """The token that a request has, as a program or as a browser shows it."""
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer":
        pairs = (pair.strip().partition(b"=") for pair in headers.get(b"cookie", b"").split(b";"))
        given = next((value for name, _, value in pairs if name == cookie.encode()), b"")
    return given


def _as_data_token(given: bytes) -> str | None:
    """What has the form of a data user's token; None for anything else."""
    shown = given.decode("ascii", errors="replace").strip()
    return shown if TOKEN.fullmatch(shown) else None


def _host_name(host: bytes) -> str:
    """The name or address without its port and brackets; empty for what is neither."""
    try:
        return (urlsplit(f"//{host.decode('ascii')}").hostname or "").lower()
    except ValueError:
        return ""


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _answer(send, status, text.encode() + b"\n", headers)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), *HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Any) -> bytes:
    body = b""
    while len(body) < LONGEST_FORM_BYTES:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
    return b""
