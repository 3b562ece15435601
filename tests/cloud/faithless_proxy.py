"""An HTTP proxy before the dashboard: passes requests on twice, late, in another order; loses answers."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

Habit = Literal["faithful", "twice", "late", "lost", "slow"]
_OWN = ("host", "connection", "content-length", "accept-encoding")


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FaithlessProxy:
    """Stands at ``port`` before the dashboard at ``server_port``; its ``habit`` is what it does to requests.

    ``twice`` passes each on two times. ``late`` keeps each until ``deliver_late`` and breaks the connection.
    ``lost`` passes it on and breaks the connection instead of answering. ``slow`` answers byte by byte.
    """

    def __init__(self, server_port: int) -> None:
        self.habit: Habit = "faithful"
        self.lose = ""
        """A path whose answers alone are lost."""
        self.heard: list[Request] = []
        self.kept: list[Request] = []
        self._server_port = server_port
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def speak_tls(self, certificate: Path, key: Path) -> None:
        """Answer with this certificate from the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        plain = getattr(self._server, "plain_socket", self._server.socket)
        self._server.plain_socket = plain  # type: ignore[attr-defined]
        wrapped = context.wrap_socket(plain.dup(), server_side=True, do_handshake_on_connect=False)
        self._server.socket = wrapped

    def deliver_late(self) -> int:
        """Pass on what was kept, the latest first; how many there were."""
        kept, self.kept = self.kept, []
        for request in reversed(kept):
            self.pass_on(request)
        return len(kept)

    def pass_on(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """The dashboard's answer: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server_port, timeout=300)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                # A client that mistrusts the certificate hangs up in the middle of the handshake.
                with contextlib.suppress(OSError):
                    super().handle()

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                proxy.heard.append(request)
                if proxy.habit == "late":
                    proxy.kept.append(request)
                    self.close_connection = True
                    return
                found = proxy.pass_on(request)
                if proxy.habit == "twice":
                    found = proxy.pass_on(request)
                if proxy.habit == "lost" or request.path == proxy.lose:
                    self.close_connection = True
                    return
                self.say(*found)

            def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name in ("content-type", "etag", "retry-after"):
                    if value := headers.get(name):
                        self.send_header(name, value)
                if status != 304:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                pieces = [body[at : at + 1] for at in range(len(body))] if proxy.habit == "slow" else [body]
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    if len(pieces) > 1:
                        time.sleep(0.002)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextlib.contextmanager
def faithless_proxy(server_port: int) -> Iterator[FaithlessProxy]:
    """One for the length of a block."""
    proxy = FaithlessProxy(server_port)
    try:
        yield proxy
    finally:
        proxy.close()
