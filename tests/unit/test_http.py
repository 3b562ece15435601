"""Asking the programs of this machine over HTTP: by port, by Unix socket, over TLS; faults in words."""

from __future__ import annotations

import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from appliance.system.http import NoAnswerError, ask, ask_status, place, reachable, trusting, trusting_only


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(302 if self.path == "/moved" else 200, self.path.encode() * 100)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, body + self.headers["X-Word"].encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serving(server: socketserver.BaseServer) -> Iterator[socketserver.BaseServer]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url() -> Iterator[str]:
    for server in serving(HTTPServer(("127.0.0.1", 0), Echo)):
        yield f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[index]


class _UnixServer(socketserver.UnixStreamServer):
    def get_request(self) -> tuple[socket.socket, Any]:
        connection, _ = super().get_request()
        return connection, ("local", 0)


def test_what_is_sent_arrives_and_what_comes_back_is_whole(url: str) -> None:
    answer = ask(f"{url}/x", method="POST", body=b"body ", headers={"X-Word": "word"}, within_s=5)
    assert answer == (201, b"body word")
    assert answer.json() is None, "that is no JSON"


def test_a_unix_socket_is_asked_as_a_port_is(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in serving(_UnixServer(str(path), Echo)):
        assert ask("http://engine/a?b=c", by_socket=path, within_s=5).body == b"/a?b=c" * 100
        assert ask_status(path, "/moved", within_s=5) == 302
    with pytest.raises(NoAnswerError, match=r"^nothing listens there$"):
        ask("http://engine/", by_socket=path, within_s=5)


def test_a_redirect_is_not_followed_and_an_answer_too_large_is_not_taken(url: str) -> None:
    assert ask(f"{url}/moved", within_s=5).status == 302
    with pytest.raises(NoAnswerError, match="too large"):
        ask(f"{url}/long", within_s=5, max_bytes=499)
    assert ask(f"{url}/long", within_s=5, max_bytes=500).status == 200


def test_what_does_not_answer_or_not_in_http_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(NoAnswerError, match=r"^it does not answer in time$"):
            ask(f"http://127.0.0.1:{port}/", within_s=0.2)

        def talk() -> None:
            for _ in range(3):
                connection, _ = silent.accept()
                with connection:
                    connection.sendall(b"220 mail.example.com ready\r\n")

        threading.Thread(target=talk, daemon=True).start()
        with pytest.raises(NoAnswerError, match=r"^the connection broke \("):
            ask(f"http://127.0.0.1:{port}/", within_s=5)
        with pytest.raises(ValueError, match="not HTTP"):
            ask_status(("127.0.0.1", port), "/", within_s=5)


def test_a_program_that_listens_everywhere_is_asked_on_this_machine() -> None:
    assert place(reachable("0.0.0.0"), 80) == "127.0.0.1:80"
    assert place(reachable("::"), 80) == "[::1]:80"
    assert place("status.example.com", 443) == "status.example.com:443"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates")
def test_its_own_certificate_is_enough_whoever_has_signed_it_and_no_other_is_trusted(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", "/CN=status", "-keyout", "server.key", "-out", "server.csr")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", "server.csr", *signer, "-out", "server.crt")
    openssl("req", "-x509", *key, "-subj", "/CN=status", "-keyout", "o.key", "-out", "other.crt")
    server = HTTPServer(("127.0.0.1", 0), Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}/"
    for _ in serving(server):
        assert ask(url, within_s=5, trusted=trusting_only(tmp_path / "server.crt")).status == 200
        assert ask_status(("127.0.0.1", server.server_port), "/", within_s=5, tls=True) == 200
        with pytest.raises(NoAnswerError, match=r"^its certificate is not trusted here$"):
            ask(url, within_s=5, trusted=trusting_only(tmp_path / "other.crt"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates")
def test_an_authority_of_ones_own_is_trusted_by_every_python_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    def as_newer_pythons_make_it() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    # Neither has the identifiers of keys that RFC 5280 asks for.
    request = "[req]\ndistinguished_name=name\n[name]\n"
    (tmp_path / "ca.cnf").write_text(f"{request}[ca]\nbasicConstraints=CA:TRUE\n")
    (tmp_path / "server.cnf").write_text("subjectAltName=IP:127.0.0.1\n")
    key = ("-newkey", "rsa:2048", "-nodes", "-config", "ca.cnf")
    openssl(
        "req", "-x509", *key, "-extensions", "ca", "-subj", "/CN=own", "-keyout", "ca.key", "-out", "ca.crt"
    )
    openssl("req", *key, "-subj", "/CN=status", "-keyout", "server.key", "-out", "server.csr")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.cnf")
    openssl("x509", "-req", "-in", "server.csr", *signer, "-out", "server.crt")
    server = HTTPServer(("127.0.0.1", 0), Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}/"
    strict = as_newer_pythons_make_it()
    strict.load_verify_locations(cafile=tmp_path / "ca.crt")
    monkeypatch.setattr(ssl, "create_default_context", as_newer_pythons_make_it)
    for _ in serving(server):
        with pytest.raises(NoAnswerError, match="not trusted"):
            ask(url, within_s=5, trusted=strict)
        with pytest.raises(NoAnswerError, match="not trusted"):
            ask(url, within_s=5, trusted=trusting(None))
        assert ask(url, within_s=5, trusted=trusting(tmp_path / "ca.crt")).status == 200
