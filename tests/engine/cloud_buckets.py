"""Google Cloud Storage and Azure Blob Storage as tests have them, with TLS and credentials that are checked.

Azure is Azurite, Microsoft's own stand-in. For Google there is none that speaks its XML API, which obstore
uses and which is S3's but for signing and for the names of headers: a front translates these two for the S3
server, and believes no token that the service account's key has not signed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.engine.bucket_server import BUCKET, KEY, SECRET, BucketServer, make_certificates
from tests.engine.https_front import Front, fronted, read, said

AZURITE = Path(__file__).parents[2] / "build" / "tools" / "azurite" / "node_modules" / "azurite"
ACCOUNT = "shopdata"
ACCOUNT_KEY = base64.b64encode(b"Secret-canary of the account").decode()
ROBOT = "robot@shop.iam.gserviceaccount.com"


@dataclass(frozen=True)
class CloudBucket:
    """A bucket of one of the two."""

    entry: Mapping[str, Any]
    """As ``connections.yaml`` has it."""
    wrong: Mapping[str, Any]
    """What makes it an entry with credentials that are not known there."""
    secrets: tuple[str, ...]


def service_account() -> tuple[str, rsa.RSAPublicKey]:
    """A service account's key as Google hands it out, and what its signatures are checked with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    said = {
        "type": "service_account",
        "client_email": ROBOT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(said), key.public_key()


@contextlib.contextmanager
def google(server: BucketServer, *, parts: bool = True) -> Iterator[CloudBucket]:
    """The S3 server's bucket as Google's XML API has it; without ``parts``, any object is sent as a whole."""
    own, public = service_account()
    other, _ = service_account()
    with _front(server, lambda header: _is_signed(header, public), parts=parts) as port:
        entry = {
            "type": "gcs",
            "bucket": BUCKET,
            "endpoint": f"https://127.0.0.1:{port}",
            "sslrootcert": str(server.certificate),
            "service_account_key": own,
        }
        yield CloudBucket(entry, {"service_account_key": other}, (own, json.loads(own)["private_key"]))


@contextlib.contextmanager
def azure(folder: Path) -> Iterator[CloudBucket]:
    """A container at Azurite."""
    node, program = shutil.which("node"), AZURITE / "dist" / "src" / "blob" / "main.js"
    if node is None or not program.exists():
        pytest.skip("there is no Azurite: scripts/node-server.sh azurite installs it")
    authority, (certificate, key) = make_certificates(folder)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    command = [node, str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    command += [
        "--cert",
        str(certificate),
        "--key",
        str(key),
        "--location",
        str(folder),
        "--disableTelemetry",
    ]
    environment = {"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < until, "Azurite did not start"
            time.sleep(0.1)
        _make_container(port, authority)
        entry = {
            "type": "azure",
            "account": ACCOUNT,
            "bucket": BUCKET,
            "endpoint": f"https://127.0.0.1:{port}/{ACCOUNT}",
            "sslrootcert": str(authority),
            "account_key": ACCOUNT_KEY,
        }
        wrong = {"account_key": base64.b64encode(b"another").decode()}
        yield CloudBucket(entry, wrong, (ACCOUNT_KEY,))
    finally:
        process.kill()
        process.wait()


def _make_container(port: int, authority: Path) -> None:
    date, version = formatdate(usegmt=True), "2024-11-04"
    path = f"/{ACCOUNT}/{BUCKET}"
    headers = f"x-ms-date:{date}\nx-ms-version:{version}\n"
    text = "PUT" + "\n" * 12 + f"{headers}/{ACCOUNT}{path}\nrestype:container"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    signed = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    trusting = ssl.create_default_context(cafile=str(authority))
    asked = http.client.HTTPSConnection("127.0.0.1", port, context=trusting)
    given = {"x-ms-date": date, "x-ms-version": version, "authorization": signed, "content-length": "0"}
    asked.request("PUT", f"{path}?restype=container", headers=given)
    assert asked.getresponse().status == 201
    asked.close()


def _is_signed(header: str, public: rsa.RSAPublicKey) -> bool:
    """Whether the token is of the robot, is valid now, and was signed with its key."""
    scheme, _, token = header.partition(" ")
    text, _, signature = token.rpartition(".")
    try:
        public.verify(_decoded(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        said = json.loads(_decoded(text.partition(".")[2]))
    except (InvalidSignature, ValueError):
        return False
    return scheme == "Bearer" and said["iss"] == ROBOT and said["iat"] <= time.time() + 5 < said["exp"]


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextlib.contextmanager
def _front(server: BucketServer, is_signed: Callable[[str], bool], *, parts: bool) -> Iterator[int]:
    trusting = ssl.create_default_context(cafile=str(server.certificate))

    class Handler(Front):
        def answer(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            if not is_signed(self.headers.get("authorization", "")):
                return said(401, "AuthenticationRequired")
            asked_for = urlsplit(self.path)
            path = quote(unquote(asked_for.path), safe="/-_.~")
            pairs = sorted(parse_qsl(asked_for.query, keep_blank_values=True))
            query = "&".join(
                f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs
            )
            kept = _kept(self.headers)
            if not parts:
                kept.pop("range", None)
            headers = _signed(server.port, self.command, path, query, kept)
            asked = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusting)
            asked.request(self.command, f"{path}?{query}" if query else path, body=body, headers=headers)
            status, got, content = read(asked)
            named = {k.lower().replace("x-amz-meta-", "x-goog-meta-"): v for k, v in got.items()}
            return status, named, content

    with fronted(Handler, server.certificate_chain) as port:
        yield port


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """What says something of the object, under S3's names."""
    named = {name.lower(): value for name, value in headers.items()}
    meta = {k.replace("x-goog-meta-", "x-amz-meta-"): v for k, v in named.items() if "-meta-" in k}
    return meta | {name: named[name] for name in ("content-type", "range", "if-match") if name in named}


def _signed(port: int, method: str, path: str, query: str, headers: dict[str, str]) -> dict[str, str]:
    """The headers with Amazon's signature, version 4, over all of them."""
    now, region = datetime.now(UTC), "us-east-1"
    headers |= {
        "host": f"127.0.0.1:{port}",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    request = "\n".join([method, path, query, lines, names, "UNSIGNED-PAYLOAD"])
    scope = f"{now:%Y%m%d}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    authorization = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope},SignedHeaders={names},Signature={key.hex()}"
    return headers | {"authorization": authorization}
