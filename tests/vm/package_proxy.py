"""A company's network in small: an HTTP proxy that asks for a password, with a mirror of Debian behind it."""

from __future__ import annotations

import base64
import platform
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

MIRROR = "mirror.test"
"""A name that only the proxy knows, so that what comes from it came through the proxy."""


def upstream() -> dict[str, str]:
    """Folder of the mirror → where this machine takes the same from."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Component: main"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    found = dict(line.split(" ", 1) for line in printed.splitlines())
    return {
        "debian": found[codename].rstrip("/"),
        "debian-security": found[f"{codename}-security"].rstrip("/"),
    }


class PackageProxy:
    """Serves in a thread until it is closed; ``requests`` counts what was let through."""

    def __init__(self, address: str, user: str, password: str) -> None:
        expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        outer = self
        folders = upstream()
        self.requests = 0
        self.refused = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                sent = self.headers.get("Proxy-Authorization", "")
                decoded = base64.b64decode(sent.removeprefix("Basic ")).decode()
                name, _, word = decoded.partition(":")
                given = "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(word)}".encode()).decode()
                if given != expected:
                    outer.refused += 1
                    self._answer(407, b"")
                    return
                parts = urlsplit(self.path)
                first, _, rest = parts.path.lstrip("/").partition("/")
                if parts.hostname != MIRROR or first not in folders:
                    self._answer(404, b"")
                    return
                outer.requests += 1
                try:
                    with urllib.request.urlopen(f"{folders[first]}/{rest}", timeout=60) as answer:
                        self.send_response(200)
                        self.send_header("Content-Length", answer.headers["Content-Length"])
                        self.end_headers()
                        shutil.copyfileobj(answer, self.wfile, 1 << 20)
                except urllib.error.HTTPError as error:
                    self._answer(error.code, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
