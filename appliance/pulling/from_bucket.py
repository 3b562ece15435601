"""Exports in a bucket, with credentials of one's own. The appliance is not asked, and knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.buckets.access import access_of, open_store
from appliance.buckets.failures import bucket_errors
from appliance.buckets.objects import FoundDelivery, find_deliveries
from appliance.connections.file import load_connections, select_buckets
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.manifest import Manifest
from appliance.pulling.origin import CutOffError, FoundExport

if TYPE_CHECKING:
    from appliance.buckets.access import Store

_WHOLE = "non-partial response"
"""obstore's word for an answer that is not the part that was asked for."""


class BucketOrigin:
    """One workflow's deliveries below a prefix of a bucket."""

    def __init__(self, connections: Path, bucket: str, prefix: str, workflow: str) -> None:
        """Raises our errors for a connection that is no good."""
        self.name = f"the bucket {bucket}"
        self._connections = connections
        self._bucket, self._prefix, self._workflow = bucket, prefix, workflow
        self._store = self._opened()
        self._found: dict[str, FoundDelivery] = {}

    def exports(self) -> list[FoundExport]:
        """See Origin."""
        found = find_deliveries(self._store, self._bucket, self._prefix, self._workflow)
        self._found = {each.manifest.run: each for each in found if each.complete}
        newest = sorted(self._found.values(), key=lambda each: each.manifest.created_at, reverse=True)
        return [
            FoundExport(
                run=each.manifest.run,
                created_at=each.manifest.created_at,
                formats=tuple(one.format for one in each.manifest.formats),
                bytes=each.manifest.bytes,
            )
            for each in newest
        ]

    def manifest(self, run: str) -> Manifest:
        """See Origin."""
        return self._delivery(run).manifest

    def read(self, run: str, file: str, start: int, sha256: str) -> Iterator[bytes]:  # noqa: ARG002 - as Origin has it
        """See Origin."""
        size = next(each.bytes for each in self.manifest(run).files if each.file == file)
        if start >= size:
            return
        path = f"{self._delivery(run).folder}{file}"
        try:
            with bucket_errors(self._bucket, f"{file} could not be read from the bucket."):
                yield from _blocks(self._store, path, start)
        except WorkFailedError as error:
            # What is refused for good is another class; this may work when it is tried again.
            if type(error) is not WorkFailedError:
                raise
            # Credentials that have expired are asked for anew.
            self._store = self._opened()
            raise CutOffError(error.explanation.line()) from None
        except FileNotFoundError:
            raise WorkFailedError(
                f"{file} is in the bucket no more.", "A newer delivery took its place.", "Run it again."
            ) from None

    def _opened(self) -> Store:
        known = load_connections(self._connections)
        return open_store(access_of(self._bucket, select_buckets(known, [self._bucket])[self._bucket]))

    def _delivery(self, run: str) -> FoundDelivery:
        if not self._found:
            self.exports()
        if run not in self._found:
            raise WrongRequestError(
                f"There is no whole delivery of the run '{run}' of '{self._workflow}' in {self.name}.",
                f"Below '{self._prefix}' there are {len(self._found)}.",
                "appliance pull … --list",
            )
        return self._found[run]


def _blocks(store: Store, path: str, start: int) -> Iterator[bytes]:
    """The object from ``start`` on. A server that sends the whole all the same is read past what is here."""
    import obstore  # noqa: PLC0415 - an extra, which open_store has asked for
    from obstore.exceptions import BaseError  # noqa: PLC0415

    if start:
        try:
            found = obstore.get(store, path, options={"range": {"offset": start}})
        except BaseError as error:
            if _WHOLE not in str(error):
                raise
        else:
            yield from (bytes(block) for block in found)
            return
    passed = 0
    for each in obstore.get(store, path):
        block = bytes(each)
        if passed + len(block) > start:
            yield block[max(0, start - passed) :]
        passed += len(block)
