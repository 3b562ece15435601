"""Where a repository is read from: a server, or a folder that was carried here. Neither is trusted.

A source gives bytes. Whatever it does, a file is never longer than what was asked for, never comes slower
than a least speed, and comes from the repository's own address: no redirect is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar
from urllib.parse import quote

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import FetcherInterface

from appliance.releases.repository.contents import METADATA, TARGETS
from appliance.system.http import fault_of, trusting

if TYPE_CHECKING:
    import httpx

_BLOCK = 1 << 16
_NOT_CHANGED = 304
_ETAG = re.compile(r'(?:W/)?"[!#-~]{1,190}"')
_PARTIAL = 206
NOT_THERE = 404
_METADATA_BYTES_MAX = 5_000_000
"""As much as python-tuf takes at most; for most of its files it takes less."""
_T = TypeVar("_T")


class UnusableSourceError(DownloadError):
    """The source gave nothing that can be used; its text says why, and ends with a full stop."""


@dataclass(frozen=True)
class Pace:
    """How slow a source may be, and how fast."""

    silence_s: float = 30.0
    """The longest without a byte."""
    window_s: float = 60.0
    least_bytes_per_s: int = 1_024
    """On average over a window; a source that drips is given up."""
    most_bytes_per_s: int | None = None

    def watched(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks, held to the pace. Raises UnusableSourceError."""
        begun = window = time.monotonic()
        total = in_window = 0
        for block in blocks:
            total += len(block)
            in_window += len(block)
            yield block
            now = time.monotonic()
            if now - window >= self.window_s:
                if in_window < self.least_bytes_per_s * (now - window):
                    raise UnusableSourceError(f"It sends fewer than {self.least_bytes_per_s} bytes a second.")
                window, in_window = now, 0
            if self.most_bytes_per_s:
                ahead = total / self.most_bytes_per_s - (now - begun)
                if ahead > 0:
                    time.sleep(min(ahead, self.window_s / 2))


class Source(Protocol):
    """What the repository is read through."""

    name: str
    """As people know it: its URL, or its folder."""

    @property
    def fetcher(self) -> FetcherInterface:
        """For the metadata."""

    def target(self, path: str, start: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Where the bytes begin that follow, ``start`` or 0, and these. Raises DownloadError."""


class _Fetcher(FetcherInterface):
    """python-tuf's way to a source's metadata."""

    def __init__(self, read: Callable[[str], Iterator[bytes]]) -> None:
        self._read = read

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._read(url.rpartition("/")[2])


class Folder:
    """A repository in a folder or on a stick. Only plain files of it are read; links lead nowhere."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    @property
    def fetcher(self) -> FetcherInterface:
        """For the metadata."""
        return _Fetcher(lambda name: self._read(PurePosixPath(METADATA, name), 0))

    @contextlib.contextmanager
    def target(self, path: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """See Source."""
        yield start, self._read(PurePosixPath(TARGETS, path), start)

    def _read(self, path: PurePosixPath, start: int) -> Iterator[bytes]:
        if path.is_absolute() or ".." in path.parts:
            raise UnusableSourceError("A file of it has no plain name.")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._folder / path, flags)
        except FileNotFoundError:
            raise DownloadHTTPError(f"There is no {path}.", NOT_THERE) from None
        except OSError as error:
            raise UnusableSourceError(f"{path}: {os.strerror(error.errno or 0)}.") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnusableSourceError(f"{path} is no plain file.")
        return self._blocks(descriptor, start)

    def _blocks(self, descriptor: int, start: int) -> Iterator[bytes]:
        with os.fdopen(descriptor, "rb") as file:
            file.seek(start)
            while block := _read_on(file):
                yield block


class Server:
    """A repository behind a URL. Proxies are those of the environment, as for the dashboard."""

    def __init__(
        self,
        url: str,
        *,
        version: str,
        ca_file: Path | None = None,
        pace: Pace | None = None,
        remembered: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> None:
        """``remembered``: files that were fetched before, by name, each with its ETag.

        Raises OSError for authorities that cannot be read, ValueError for a proxy that is none.
        """
        import httpx  # noqa: PLC0415 - a machine that fetches nothing does without

        self.name = url.rstrip("/")
        self.remembered = dict(remembered or {})
        self._pace = pace or Pace()
        self._runner = asyncio.Runner()
        try:
            self._client = httpx.AsyncClient(
                verify=trusting(ca_file),
                follow_redirects=False,
                timeout=httpx.Timeout(self._pace.silence_s),
                limits=httpx.Limits(max_connections=1),
                headers={"user-agent": f"appliance/{version}", "accept-encoding": "identity"},
            )
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from None

    @property
    def fetcher(self) -> FetcherInterface:
        """For the metadata."""
        return _Fetcher(self._metadata)

    @contextlib.contextmanager
    def target(self, path: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """See Source."""
        wanted = {"range": f"bytes={start}-"} if start else {}
        with self._answer(f"{TARGETS}/{quote(path)}", wanted) as response:
            goes_on = response.status_code == _PARTIAL and _begins_at(response, start)
            yield (start if goes_on else 0), self._blocks(response)

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    def _metadata(self, name: str) -> Iterator[bytes]:
        # Only the timestamp is asked for again and again; what it leads to has its version in its name.
        etag, before = self.remembered.get(name, ("", b""))
        etag = etag if _ETAG.fullmatch(etag) else ""
        asked = {"if-none-match": etag} if etag else {}
        with self._answer(f"{METADATA}/{quote(name)}", asked) as response:
            if response.status_code == _NOT_CHANGED:
                return iter([before])
            received = bytearray()
            for block in self._blocks(response):
                received += block
                if len(received) > _METADATA_BYTES_MAX:
                    raise DownloadLengthMismatchError("longer than any metadata")
            # What could not be sent back as it came would end every look from then on.
            if (found := response.headers.get("etag", "")) and _ETAG.fullmatch(found):
                self.remembered[name] = (found, bytes(received))
        return iter([bytes(received)])

    @contextlib.contextmanager
    def _answer(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Its head has come whole within the time for silence. Raises DownloadError, in the block too."""
        import httpx  # noqa: PLC0415 - see the constructor

        try:
            request = self._client.build_request("GET", f"{self.name}/{path}", headers=dict(headers))
            response = self._within(self._client.send(request, stream=True))
            try:
                _check(response, may_be_unchanged="if-none-match" in headers)
                yield response
            finally:
                self._runner.run(response.aclose())
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, TimeoutError) as error:
            why = fault_of(error).value
            raise UnusableSourceError(f"{why[:1].upper()}{why[1:]}.") from None

    def _blocks(self, response: httpx.Response) -> Iterator[bytes]:
        return self._pace.watched(self._received(response))

    def _received(self, response: httpx.Response) -> Iterator[bytes]:
        blocks = response.aiter_raw()
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self._within(anext(blocks))

    def _within(self, waited_for: Awaitable[_T]) -> _T:
        async def bounded() -> _T:
            async with asyncio.timeout(self._pace.silence_s):
                return await waited_for

        return self._runner.run(bounded())


def _read_on(file: BinaryIO) -> bytes:
    try:
        return file.read(_BLOCK)
    except OSError as error:
        # A stick that was pulled out, most likely; it has nothing to do with what is written here.
        raise UnusableSourceError(f"A file cannot be read: {os.strerror(error.errno or 0)}.") from None


def _check(response: httpx.Response, *, may_be_unchanged: bool) -> None:
    status = response.status_code
    if status == _NOT_CHANGED:
        if not may_be_unchanged:
            raise UnusableSourceError("It says that a file is unchanged which it has not sent yet.")
    elif 300 <= status < 400:
        raise UnusableSourceError("It leads to another place, and redirects are not followed.")
    if status >= 400:
        raise DownloadHTTPError(f"It answered {status}.", status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise UnusableSourceError("It sent a compressed answer, which was not asked for.")


def _begins_at(response: httpx.Response, start: int) -> bool:
    found: str = response.headers.get("content-range", "")
    return found.startswith(f"bytes {start}-")
