"""The desk for a process that may read neither exports nor connections, over a socket of this machine.

The status service, which networks reach, asks; the appliance's upkeep answers, and hands over a file as
an open descriptor. One request a connection: a line of JSON, answered by a line of JSON.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.data_users.desk import Desk, GivenFile, NotGivenError, WantedFile
from appliance.data_users.offered import DataOffers
from appliance.errors import Explanation
from appliance.settings.settings import Settings

SOCKET = "data-desk.sock"
"""In the runtime folder."""
_TIMEOUT_S = 30.0
_LONGEST_REQUEST = 64 * 2**10
_LONGEST_ANSWER = 256 * 2**20
_AT_ONCE = 16
_AWAY = Explanation(
    "What keeps the files does not answer on the appliance.", next_step="systemctl status appliance-upkeep"
)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["offers", "file"]
    token: str | None = None
    wanted: WantedFile | None = None


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    """As HTTP has them."""
    what: str = ""
    why: str = ""
    next_step: str = ""
    bytes: int = 0
    sha256: str | None = None
    offers: DataOffers | None = None


class FarDesk:
    """Asks the other process. See Desk."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.runtime_dir / SOCKET

    def offers(self, token: str | None) -> DataOffers:
        """See Desk."""
        said, descriptor = self._ask(_Asked(kind="offers", token=token))
        if descriptor is not None:
            os.close(descriptor)
        if said.offers is None:
            raise NotGivenError(503, _AWAY)
        return said.offers

    def file(self, token: str | None, wanted: WantedFile) -> GivenFile:
        """See Desk."""
        said, descriptor = self._ask(_Asked(kind="file", token=token, wanted=wanted))
        if descriptor is None:
            raise NotGivenError(503, _AWAY)
        return GivenFile(descriptor, said.bytes, said.sha256)

    def _ask(self, asked: _Asked) -> tuple[_Said, int | None]:
        descriptors: list[int] = []
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_TIMEOUT_S)
                connection.connect(str(self._path))
                connection.sendall(asked.model_dump_json().encode() + b"\n")
                first, descriptors, _, _ = socket.recv_fds(connection, 2**16, 1)
                said = _Said.model_validate_json(first + _rest(connection, _LONGEST_ANSWER, first))
        except (OSError, ValidationError):
            for each in descriptors:
                os.close(each)
            raise NotGivenError(503, _AWAY) from None
        if said.status != 200:
            raise NotGivenError(said.status, Explanation(said.what, said.why, said.next_step))
        return said, descriptors[0] if descriptors else None


class DeskKeeper:
    """Answers on the socket, each request in a thread of its own, a few at a time."""

    def __init__(self, settings: Settings, desk: Desk) -> None:
        self._path = settings.runtime_dir / SOCKET
        self._desk = desk
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def start(self) -> None:
        """Listen from now on. Raises OSError."""
        listener = _listen(self._path)
        threading.Thread(target=self._serve, args=(listener,), name="desk", daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            self._free.acquire()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_TIMEOUT_S)
                with self._said(connection) as (said, descriptor):
                    line = said.model_dump_json().encode() + b"\n"
                    sent = socket.send_fds(connection, [line], [] if descriptor is None else [descriptor])
                    connection.sendall(line[sent:])
        finally:
            self._free.release()

    @contextlib.contextmanager
    def _said(self, connection: socket.socket) -> Iterator[tuple[_Said, int | None]]:
        try:
            asked = _Asked.model_validate_json(_rest(connection, _LONGEST_REQUEST))
            if asked.wanted is None:
                yield _Said(status=200, offers=self._desk.offers(asked.token)), None
                return
            given = self._desk.file(asked.token, asked.wanted)
        except ValidationError:
            yield _Said(status=400, what="The request is not one that this release knows."), None
            return
        except NotGivenError as error:
            said = asdict(error.explanation)
            yield (
                _Said(status=error.status, **{name: said[name] for name in ("what", "why", "next_step")}),
                None,
            )
            return
        try:
            yield _Said(status=200, bytes=given.bytes, sha256=given.sha256), given.descriptor
        finally:
            os.close(given.descriptor)


def _listen(path: Path) -> socket.socket:
    """A fresh socket that the group may speak to, as it may read the notes beside it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o660)
    listener.listen(_AT_ONCE)
    return listener


def _rest(connection: socket.socket, longest: int, so_far: bytes = b"") -> bytes:
    """Up to the line's end. Raises OSError for one that is too long or breaks off."""
    parts, size = [], len(so_far)
    last = so_far
    while not last.endswith(b"\n"):
        last = connection.recv(2**16)
        size += len(last)
        if not last or size > longest:
            raise ConnectionError
        parts.append(last)
    return b"".join(parts)
