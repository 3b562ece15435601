"""What can be known of a server before login: its address, its port, its TLS certificate."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509

from appliance.connections.database import Connection
from appliance.system.findings import Finding, fail, failed, ok, warn

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
EXPIRES_SOON = timedelta(days=30)

# OpenSSL's X509_V_ERR_…, as SSLCertVerificationError.verify_code has them.
_EXPIRED, _NOT_YET_VALID = 10, 9


def check_network(name: str, connection: Connection) -> list[Finding]:
    """Resolve, connect, and look at TLS; what depends on something that fails is left out."""
    if connection.host.startswith(("/", "@")):
        return [ok("resolve", f"The host is a Unix socket, in {connection.host}.")]
    addresses, finding = _resolve(name, connection)
    if not addresses:
        return [finding]
    reached, port = _connect(name, connection, addresses)
    findings = [finding, port]
    if reached is not None:
        findings += check_tls(name, connection, reached)
    return findings


def check_tls(name: str, connection: Connection, address: str) -> list[Finding]:
    """What the server offers, what its certificate is worth, and what ``sslmode`` makes of both."""
    local = is_loopback([address])
    try:
        offered = _handshake(connection, address, _trusting_anyone())
    except TimeoutError:
        return [_silent(name, connection)]
    except NotPostgresError:
        return [
            fail(
                "tls",
                f"What answers at {_place(connection)} is not PostgreSQL.",
                f"Correct {name}.host and {name}.port in connections.yaml.",
            )
        ]
    except OSError as error:
        return [
            fail(
                "tls",
                f"The TLS handshake failed ({type(error).__name__}).",
                "Look at the server's log, and at its ssl_min_protocol_version.",
            )
        ]
    if offered is None:
        return [_without_tls(name, connection, local=local)]
    certificate, protocol = offered
    findings = [_mode(name, connection, protocol, local=local)]
    chain = _check_chain(name, connection, address)
    findings += [*chain, _check_expiry(connection, certificate)] if not failed(chain) else chain
    return findings


def is_loopback(addresses: Iterable[str]) -> bool:
    """Whether what goes there stays on this machine."""
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)


class NotPostgresError(Exception):
    """Something answered, and not as PostgreSQL does."""


def _resolve(name: str, connection: Connection) -> tuple[list[str], Finding]:
    try:
        found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except OSError:
        return [], fail(
            "resolve",
            f"No address is known for the host '{connection.host}'.",
            f"Correct {name}.host in connections.yaml, or the DNS: getent hosts {connection.host}",
        )
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if addresses == [connection.host]:
        return addresses, ok("resolve", f"{connection.host} is an address.")
    return addresses, ok("resolve", f"{connection.host} is {', '.join(addresses)}.")


def _connect(name: str, connection: Connection, addresses: list[str]) -> tuple[str | None, Finding]:
    """The first address at which something listens."""
    refused = False
    for address in addresses:
        try:
            socket.create_connection((address, connection.port), timeout=connection.connect_timeout).close()
        except ConnectionRefusedError:
            refused = True
        except OSError:
            continue
        else:
            return address, ok("port", f"Something listens at {address}, port {connection.port}.")
    if refused:
        return None, fail(
            "port",
            f"Nothing listens at {_place(connection)}.",
            f"Start the server, or correct {name}.host and {name}.port in connections.yaml.",
        )
    return None, fail(
        "port",
        f"{_place(connection)} does not answer within {connection.connect_timeout} s.",
        "Let the firewalls between pass this machine's connections, or correct"
        f" {name}.host and {name}.port in connections.yaml.",
    )


def _handshake(connection: Connection, address: str, context: ssl.SSLContext) -> tuple[bytes, str] | None:
    """(certificate as DER, protocol), or None where the server speaks no TLS."""
    timeout = connection.connect_timeout
    with socket.create_connection((address, connection.port), timeout=timeout) as plain:
        plain.sendall(_SSL_REQUEST)
        answer = plain.recv(1)
        if answer == b"N":
            return None
        if answer != b"S":
            raise NotPostgresError
        with context.wrap_socket(plain, server_hostname=connection.host) as secured:
            return secured.getpeercert(binary_form=True) or b"", secured.version() or "TLS"


def _trusting_anyone() -> ssl.SSLContext:
    """To look at a certificate, never to send anything."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _check_chain(name: str, connection: Connection, address: str) -> list[Finding]:
    """Who signed the certificate; the host's name in it is left to libpq, which has rules of its own."""
    if connection.sslrootcert is None:
        return []
    try:
        authority = None if connection.sslrootcert == "system" else connection.sslrootcert
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        return [
            fail(
                "certificate",
                f"{connection.sslrootcert} cannot be used as a CA's certificate ({type(error).__name__}).",
                f"Put the CA's PEM file at the path of {name}.sslrootcert, readable for the appliance.",
            )
        ]
    context.check_hostname = False
    # libpq does not insist on what RFC 5280 says of a CA's extensions either.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    try:
        _handshake(connection, address, context)
    except ssl.SSLCertVerificationError as error:
        return [_distrusted(name, connection, error)]
    except (OSError, NotPostgresError):
        return []
    return [ok("certificate", "The server's certificate is signed by the CA in sslrootcert.")]


def _distrusted(name: str, connection: Connection, error: ssl.SSLCertVerificationError) -> Finding:
    if error.verify_code == _EXPIRED:
        what, step = "The server's certificate, or its CA's, has expired.", "Give the server a new one."
    elif error.verify_code == _NOT_YET_VALID:
        what, step = "The server's certificate is not valid yet.", "Check this machine's clock: timedatectl"
    else:
        what = "The server's certificate is not signed by the CA in sslrootcert."
        step = f"Put the right CA's certificate at the path of {name}.sslrootcert."
    if connection.sslmode.startswith("verify") or connection.sslrootcert == "system":
        return fail("certificate", what, step)
    return warn("certificate", f"{what} sslmode {connection.sslmode} does not mind.", step)


def _check_expiry(connection: Connection, certificate: bytes) -> Finding:
    try:
        end = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return warn("expiry", "The server's certificate cannot be read.", "Replace it.")
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        what, step = f"The server's certificate expired on {end:%Y-%m-%d}.", "Give the server a new one."
        if connection.sslmode.startswith("verify"):
            return fail("expiry", what, step)
        return warn("expiry", f"{what} sslmode {connection.sslmode} does not mind.", step)
    if left < EXPIRES_SOON:
        what = f"The server's certificate expires on {end:%Y-%m-%d}, in {left.days} days."
        return warn("expiry", what, "Give the server a new one before that.")
    return ok("expiry", f"The server's certificate is valid until {end:%Y-%m-%d}.")


def _mode(name: str, connection: Connection, protocol: str, *, local: bool) -> Finding:
    if connection.sslmode == "verify-full":
        return ok("tls", f"{protocol}; sslmode verify-full proves who answers.")
    if local:
        return ok("tls", f"The server offers {protocol}; the connection stays on this machine.")
    if connection.sslmode in {"disable", "allow"}:
        return warn(
            "tls",
            f"sslmode {connection.sslmode} sends passwords and rows readable through the network,"
            f" and the server offers {protocol}.",
            f"Set {name}.sslmode to verify-full, and {name}.sslrootcert to the CA's PEM file.",
        )
    proven = (
        "proves the CA, not the host" if connection.sslmode == "verify-ca" else "does not prove who answers"
    )
    return warn(
        "tls",
        f"{protocol}; sslmode {connection.sslmode} {proven}.",
        f"Set {name}.sslmode to verify-full, and {name}.sslrootcert to the CA's PEM file.",
    )


def _without_tls(name: str, connection: Connection, *, local: bool) -> Finding:
    if connection.sslmode in {"require", "verify-ca", "verify-full"}:
        return fail(
            "tls",
            f"sslmode {connection.sslmode} is demanded, and the server does not speak TLS.",
            f"Turn ssl on at the server, or change {name}.sslmode in connections.yaml.",
        )
    if local:
        return ok("tls", "The server does not speak TLS; the connection stays on this machine.")
    return warn(
        "tls",
        "The server does not speak TLS: passwords and rows cross the network readable.",
        f"Turn ssl on at the server, then set {name}.sslmode to verify-full.",
    )


def _silent(name: str, connection: Connection) -> Finding:
    return fail(
        "tls",
        f"{_place(connection)} accepts connections and says nothing for {connection.connect_timeout} s.",
        f"Look whether the server hangs; else correct {name}.host and {name}.port in connections.yaml.",
    )


def _place(connection: Connection) -> str:
    return f"{connection.host}, port {connection.port}"
