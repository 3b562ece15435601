"""A vendor's release repository, a server that may be hostile, and a machine that looks at it."""

from __future__ import annotations

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from appliance.dashboard.repository.keys import Keys
from appliance.dashboard.repository.vendor import ReleaseRepository
from appliance.releases.repository.contents import this_architecture
from appliance.releases.repository.repository import Repository, find_root
from appliance.releases.repository.source import Folder, Pace, Server
from appliance.releases.repository.trust import Trust

UNHURRIED = Pace()
"""No attack is taken for a slow one because the machine is busy."""
BODY = b"masked" * 50_000


def write_bundle(folder: Path, version: str, body: bytes = BODY, architecture: str = "") -> Path:
    """A bundle as far as a repository looks into it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{version}.tar"
    text = json.dumps({"version": version, "architecture": architecture or this_architecture()}).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in (("manifest.json", text), ("image/step.tar.gz", body)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@dataclass
class Vendor:
    """A vendor who publishes releases."""

    folder: Path
    repository: ReleaseRepository = field(init=False)

    def __post_init__(self) -> None:
        self.repository = ReleaseRepository(self.folder / "repository", Keys([self.folder / "keys"]))

    @property
    def public(self) -> Path:
        return self.folder / "public"

    def begin(self, *versions: str) -> Vendor:
        self.repository.begin()
        for version in versions:
            self.add(version)
        self.repository.publish(self.public)
        return self

    def add(self, version: str, channel: str = "stable", notes: str = "") -> None:
        self.repository.add(write_bundle(self.folder / "made", version), channel, notes)

    def publish(self) -> None:
        self.repository.publish(self.public)


@dataclass
class Machine:
    """Where an appliance keeps its releases, and what it trusts."""

    root: Path

    def __post_init__(self) -> None:
        self.bundles.mkdir(parents=True, exist_ok=True)
        self.trust = Trust(self.root)

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    def pin(self, vendor: Vendor) -> Machine:
        digest = vendor.repository.root_digest()
        self.trust.pin(find_root(Folder(vendor.public), digest), digest, datetime.now(UTC))
        return self

    def look(self, source: Server | Folder, now: datetime | None = None) -> Repository:
        found = Repository(self.trust, source, now=now)
        found.refresh()
        return found

    def fetch(self, source: Server | Folder, version: str = "1.2.0", channel: str = "stable") -> Path:
        found = self.look(source)
        path = self.bundles / f"{version}.tar"
        found.fetch(found.offer(channel, version), path)
        return path

    def left(self) -> list[str]:
        """What lies where bundles are put."""
        return sorted(path.name for path in self.bundles.iterdir())

    def bytes_taken(self) -> int:
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())


class Handler(http.server.BaseHTTPRequestHandler):
    """Static files with ranges and ETags, unless the attack of the server takes a request over."""

    protocol_version = "HTTP/1.1"
    server: HostileServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        if self.server.attack(self, self.path):
            self.close_connection = True
            return
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.answer(404, b"")
            return
        data = path.read_bytes()
        etag = f'"{hash(data)}"'
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", ETag=etag)
            return
        if (wanted := self.headers.get("Range")) is not None:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            at = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            self.answer(206, data[start:], **at)
            return
        self.answer(200, data, ETag=etag)

    def answer(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


Attack = Callable[[Handler, str], bool]


def honest(_: Handler, __: str) -> bool:
    return False


class HostileServer(http.server.ThreadingHTTPServer):
    """It serves a folder; what ``attack`` answers itself, it answers."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.attack: Attack = honest
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what is wanted here."""


@contextmanager
def serving(folder: Path) -> Iterator[HostileServer]:
    server = HostileServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def reading(server: HostileServer, pace: Pace = UNHURRIED) -> Iterator[Server]:
    source = Server(server.url, version="1.0.0", pace=pace)
    try:
        yield source
    finally:
        source.close()
