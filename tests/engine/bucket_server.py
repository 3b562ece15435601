"""A real S3 server (versitygw) with TLS, and what can go wrong between it and an upload."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.engine.https_front import Front, fronted, read, said

BUCKET = "lake"
KEY, SECRET = "AKIATESTS", "Secret-canary+of/the=bucket"
PROGRAM = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
TOOLS = Path(__file__).parents[2] / "build" / "tools" / "usr" / "bin"


def _which() -> str | None:
    return shutil.which("versitygw", path=f"{os.environ['PATH']}:{TOOLS}")


def has_program() -> bool:
    """Whether the server can be started here."""
    return _which() is not None


def find_program() -> str:
    """The server's program; skips the test where there is none."""
    found = _which()
    if found is None:
        pytest.skip("there is no versitygw: scripts/bucket-server.sh builds it")
    return found


@dataclass
class BucketServer:
    """One server with one bucket."""

    host: str
    port: int
    folder: Path
    certificate: Path
    """Of its authority."""
    certificate_chain: tuple[Path, Path]
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def bucket(self) -> Path:
        """Where the server keeps the objects, as files."""
        return self.folder / BUCKET

    def connection(self, **changes: Any) -> dict[str, Any]:
        """As ``connections.yaml`` has it."""
        known = {
            "type": "s3",
            "bucket": BUCKET,
            "endpoint": f"https://{self.host}:{self.port}",
            "sslrootcert": str(self.certificate),
            "access_key_id": KEY,
            "secret_access_key": SECRET,
        }
        return {key: value for key, value in {**known, **changes}.items() if value is not None}

    def empty(self) -> None:
        """Delete all objects."""
        subprocess.run(["find", str(self.bucket), "-mindepth", "1", "-delete"], check=True)

    def objects(self) -> list[str]:
        """The names of all objects."""
        found = (path for path in self.bucket.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self.bucket)) for path in found)
        return [name for name in names if not name.startswith(".sgwtmp")]


@contextlib.contextmanager
def bucket_server(folder: Path, data: Path | None = None, host: str = "127.0.0.1") -> Iterator[BucketServer]:
    """A server for the length of a block, which keeps its objects in ``data`` and answers at ``host``."""
    program = find_program()
    folder.mkdir(exist_ok=True, parents=True)
    authority, chain = make_certificates(folder, host)
    kept = data or folder / "data"
    (kept / BUCKET).mkdir(parents=True)
    with socket.create_server((host, 0)) as found:
        port: int = found.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", f"{host}:{port}", "--cert", chain[0], "--key", chain[1], "posix", str(kept)],
        env={"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 300
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < until, "versitygw did not start"
            time.sleep(0.05)
        yield BucketServer(host, port, kept, authority, chain, process)
    finally:
        process.kill()
        process.wait()


def make_certificates(folder: Path, host: str = "127.0.0.1") -> tuple[Path, tuple[Path, Path]]:
    """An authority's certificate; a server's certificate and key that it has signed."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("Tests' authority", authority_key.public_key(), None, authority_key, host)
    server = _certificate(host, server_key.public_key(), authority, authority_key, host)
    paths = folder / "authority.pem", folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths[0], (paths[1], paths[2])


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    signing: ec.EllipticCurvePrivateKey,
    host: str,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signing, hashes.SHA256())


Answer = Callable[[str, str], tuple[int, str] | None]
"""For a method and a path: a status and the code of an error, or None to ask the server."""


@contextlib.contextmanager
def answering(server: BucketServer, answer: Answer) -> Iterator[int]:
    """A TLS server in front, which answers some requests itself and passes the others on; its port."""
    trusting = ssl.create_default_context(cafile=str(server.certificate))

    class Handler(Front):
        def answer(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            own = answer(self.command, self.path)
            if own is not None:
                return said(*own, message=SECRET)
            asked = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusting)
            # As it was signed, the host's name included.
            asked.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                asked.putheader(name, value)
            asked.endheaders(body)
            return read(asked)

    with fronted(Handler, server.certificate_chain) as port:
        yield port
