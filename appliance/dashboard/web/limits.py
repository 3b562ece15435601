"""What protects the dashboard from its callers: body sizes, rates, and the headers that protect browsers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.contract.calls import MAX_DOCUMENT_BYTES, MAX_HEARTBEAT_BYTES, Problem
from appliance.contract.events import MAX_BATCH_BYTES
from appliance.errors import Explanation

USUAL_BODY_BYTES = 64 * 2**10
BODY_BYTES = {
    "/v1/appliance/events": MAX_BATCH_BYTES,
    "/v1/appliance/heartbeat": MAX_HEARTBEAT_BYTES,
}
"""By exact path; anything about workflows may hold a document twice, as text and as form."""
DOCUMENT_BODY_BYTES = 6 * MAX_DOCUMENT_BYTES
_WITH_DOCUMENTS = ("/workflows", "/preview-workflow", "/ask-for-scan", "/plan-draft", "/v1/workflows")
"""Paths to which a whole form is sent, or a document."""
REMEMBERED_CALLERS = 20_000

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class RateLimit:
    """Token buckets by caller; only the latest callers are remembered. Waiting is all it takes."""

    def __init__(self, burst: float, per_minute: float) -> None:
        self._burst = burst
        self._per_second = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def wait(self, caller: str, cost: float = 1.0) -> float:
        """Take from the caller's bucket; returns 0, or how many seconds to wait where it is empty."""
        now = time.monotonic()
        with self._guard:
            left, at = self._buckets.get(caller, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_second)
            if left < cost:
                return (cost - left) / self._per_second
            self._buckets[caller] = (left - cost, now)
            self._buckets.move_to_end(caller)
            while len(self._buckets) > REMEMBERED_CALLERS:
                self._buckets.popitem(last=False)
        return 0.0

    def give_back(self, caller: str) -> None:
        """Undo one take: it turned out to be a good request."""
        with self._guard:
            if caller in self._buckets:
                left, at = self._buckets[caller]
                self._buckets[caller] = (min(self._burst, left + 1), at)


class _TooLargeError(Exception):
    pass


def _body_limit(path: str) -> int:
    if path in BODY_BYTES:
        return BODY_BYTES[path]
    return (
        DOCUMENT_BODY_BYTES
        if path.startswith(_WITH_DOCUMENTS) or path.endswith("/commands")
        else USUAL_BODY_BYTES
    )


class Protection:
    """ASGI middleware: refuses too large a body before it is in memory; adds security headers."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if secure:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _body_limit(scope["path"])
        headers = dict(scope["headers"])
        begun = False

        async def guarded_send(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                found = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    found.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    found.setdefault("cache-control", "no-store")
            await send(message)

        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            await _refuse_large(guarded_send, limit)
            return
        try:
            await self._app(scope, _counted(receive, limit), guarded_send)
        except _TooLargeError:
            if not begun:
                await _refuse_large(guarded_send, limit)


def _counted(receive: Receive, limit: int) -> Callable[[], Awaitable[Message]]:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLargeError
        return message

    return counted


async def _refuse_large(send: Callable[[Message], Awaitable[None]], limit: int) -> None:
    why = f"At most {limit // 1024} KiB are taken here."
    explanation = Explanation("The request is too large.", why, "Send less at once.")
    body = Problem.of("too_large", explanation).model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # The rest of the body is not read, so the connection cannot serve another request.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
