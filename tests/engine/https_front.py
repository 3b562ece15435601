"""A TLS server before a bucket server: what it says itself, and what it passes on, is its handler's."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_OF_ONE_CONNECTION = ("transfer-encoding", "connection")


class Front(BaseHTTPRequestHandler):
    """Reads a request whole and has ``answer`` say what comes back."""

    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content."""
        raise NotImplementedError

    def _handle(self) -> None:
        status, headers, content = self.answer(self.rfile.read(int(self.headers.get("content-length", "0"))))
        named = {name.lower(): value for name, value in headers.items()}
        self.send_response_only(status)
        for name, value in ({"content-length": str(len(content))} | named).items():
            if name not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def said(status: int, code: str, message: str = "") -> tuple[int, Mapping[str, str], bytes]:
    """An error as S3 puts it."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, {"content-type": "application/xml"}, text.encode()


def read(asked: http.client.HTTPSConnection) -> tuple[int, Mapping[str, str], bytes]:
    """The answer that waits in a connection, which is closed."""
    got = asked.getresponse()
    content = got.read()
    asked.close()
    return got.status, dict(got.getheaders()), content


@contextlib.contextmanager
def fronted(handler: type[Front], certificate_chain: tuple[Path, Path]) -> Iterator[int]:
    """The server while it stands; its port on loopback."""
    front = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate_chain)
    front.socket = context.wrap_socket(front.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    try:
        yield front.server_address[1]
    finally:
        front.shutdown()
        front.server_close()
