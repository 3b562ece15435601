"""Speaking HTTP with the programs of this machine, and what stops any answer, in words.

The status service, Airflow's execution API and the Docker engine are asked from here: never through a proxy,
with a limit of time and of size, following no redirect. The dashboard is called through a proxy where one is
set; ``appliance.cloud.client`` does that with httpx, and takes its trust and its words for faults from here.
Supervisors import this module, so it loads little of the standard library and nothing else.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import http.client
    import ssl

DOCKER = Path("/run/docker.sock")
USUAL_ANSWER_BYTES = 64 * 2**20
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where programs listen


class Answer(NamedTuple):
    """A whole answer, whatever its status."""

    status: int
    body: bytes

    def json(self) -> Any:
        """What the body says; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Fault(Enum):
    """Why no answer came; the value says it in words that follow a colon."""

    CERTIFICATE = "its certificate is not trusted here"
    TLS = "it does not speak TLS as it should"
    NAME = "no address is known for its name"
    REFUSED = "nothing listens there"
    TIME = "it does not answer in time"
    SIZE = "its answer is too large"
    BROKEN = "the connection broke"


class NoAnswerError(Exception):
    """No answer that can be used. Its text says why."""


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own, which no other machine can reach."""
    import ipaddress  # noqa: PLC0415 - see the module

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """The address at which a program is asked that listens on ``host``."""
    return _EVERYWHERE.get(host, host)


def place(host: str, port: int) -> str:
    """``host:port`` as a URL has it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ask_status(at: tuple[str, int] | Path, path: str, *, within_s: float, tls: bool = False) -> int:
    """The status code alone of a GET, by a host and port or a Unix socket.

    Over TLS any certificate is accepted: the question is whether the program works, not who it is. One line
    is read by hand, since http.client would double the memory of each supervisor. Raises OSError where
    nothing answers, ValueError where the answer is not HTTP.
    """
    name = "localhost" if isinstance(at, Path) else place(*at)
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    with (
        _connected(at, within_s) as plain,
        _over_tls(plain) if tls else plain as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(request)
        words = answer.readline(200).split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("not HTTP")
    return int(words[1])


def ask(
    url: str,
    *,
    within_s: float,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    trusted: ssl.SSLContext | None = None,
    by_socket: Path | None = None,
    max_bytes: int = USUAL_ANSWER_BYTES,
) -> Answer:
    """One request. ``within_s`` bounds the connection and each read.

    With ``by_socket`` the URL's host is only a name. Raises NoAnswerError.
    """
    import http.client  # noqa: PLC0415 - see the module

    connection, target = _opened(url, within_s, trusted, by_socket)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        received = answer.read(max_bytes + 1)
        if len(received) > max_bytes:
            raise NoAnswerError(Fault.SIZE.value)
        return Answer(answer.status, received)
    except (OSError, http.client.HTTPException) as error:
        fault = fault_of(error)
        detail = f" ({type(error).__name__})" if fault is Fault.BROKEN else ""
        raise NoAnswerError(fault.value + detail) from None
    finally:
        connection.close()


def fault_of(error: BaseException) -> Fault:
    """What lies below an error of any HTTP client."""
    import ssl  # noqa: PLC0415 - see the module

    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return Fault.CERTIFICATE
        if isinstance(below, ssl.SSLError):
            return Fault.TLS
        if isinstance(below, socket.gaierror):
            return Fault.NAME
        if isinstance(below, ConnectionRefusedError):
            return Fault.REFUSED
        if isinstance(below, TimeoutError) or "Timeout" in type(below).__name__:
            return Fault.TIME
        below = below.__cause__ or below.__context__
    return Fault.BROKEN


def trusting(authorities: Path | None) -> ssl.SSLContext:
    """What a far server is trusted by: the machine's authorities, and those of a file. Raises OSError."""
    import ssl  # noqa: PLC0415 - see the module

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # What RFC 5280 says of extensions many an authority of a company's own does not keep. Python insists on
    # it from 3.13 on, neither OpenSSL nor libpq does: one that is good here is to be good everywhere.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if authorities is not None:
        context.load_verify_locations(cafile=authorities)
    return context


def trusting_only(certificate: Path) -> ssl.SSLContext:
    """A program of this machine is trusted by its own certificate, by any name. Raises OSError."""
    import ssl  # noqa: PLC0415 - see the module

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The file holds a server's certificate, which need not be an authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=certificate)
    return context


def _opened(
    url: str, within_s: float, trusted: ssl.SSLContext | None, by_socket: Path | None
) -> tuple[http.client.HTTPConnection, str]:
    """(connection, what to ask it for)."""
    import http.client  # noqa: PLC0415 - see the module
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, parts.port, timeout=within_s, context=trusted)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=within_s)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if by_socket is not None:
        try:
            connection.sock = _connected(by_socket, within_s)
        except OSError as error:
            raise NoAnswerError(fault_of(error).value) from None
    return connection, target


def _connected(at: tuple[str, int] | Path, within_s: float) -> socket.socket:
    if not isinstance(at, Path):
        return socket.create_connection(at, timeout=within_s)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(within_s)
        connection.connect(str(at))
    except BaseException:
        connection.close()
        raise
    return connection


def _over_tls(plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415 - see the module

    trusting_any = ssl.create_default_context()
    trusting_any.check_hostname = False
    trusting_any.verify_mode = ssl.CERT_NONE
    return trusting_any.wrap_socket(plain)
