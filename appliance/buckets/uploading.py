"""Uploading an export: its files in parts, each with its checksums, the manifest last.

What is read is hashed on the way out and compared with the manifest: what has changed on this disk is not
delivered. S3 compares each part with a SHA-256 that is sent along. Other stores take none: from them the
object is read back and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.buckets.access import BucketAccess, open_store
from appliance.buckets.failures import bucket_errors
from appliance.buckets.objects import (
    INCOMPLETE,
    delete_delivery,
    find_deliveries,
    text_of,
)
from appliance.errors import WorkFailedError, WorkFailedForGoodError
from appliance.exports.manifest import MANIFEST, ExportedFile, Manifest

if TYPE_CHECKING:
    from appliance.buckets.access import Store

_PART = 8 * 2**20
_MOST_PARTS = 9_000
"""S3 takes 10,000."""
_BUFFERED = 32 * 2**20
"""Bytes of parts that are under way at a time."""
_AT_ONCE = 4
_READ = 2**20
_DIGEST = "sha256"
"""The name under which an object's own metadata has its digest."""
_GIVEN_UP_AFTER = timedelta(days=1)
"""Remains of a delivery are removed when no run can still be at work on it."""

Tell = Callable[[str, int, bool], None]
"""A file, its bytes so far, whether all of it is there."""


@dataclass(frozen=True)
class Uploaded:
    """What was done. Counts and names only."""

    objects: int
    bytes: int
    kept: int
    """Objects that an earlier attempt had delivered."""


@dataclass(frozen=True)
class Removed:
    """An older delivery that was deleted."""

    run: str
    folder: str


def upload(access: BucketAccess, export: Path, manifest: Manifest, folder: str, tell: Tell) -> Uploaded:
    """Put the manifest's files below ``folder``, then the manifest. Raises our errors.

    What an earlier attempt has delivered whole stays as it is.
    """
    import obstore  # noqa: PLC0415 - only here it must be installed

    plain, locking = open_store(access), open_store(access, locking=True)
    what = f"The files could not be delivered to the bucket '{access.connection}'."
    kept = 0
    with bucket_errors(access.connection, what):
        if _content(plain, f"{folder}{MANIFEST}") == text_of(manifest):
            return Uploaded(len(manifest.files), manifest.bytes, len(manifest.files))
        obstore.put(plain, f"{folder}{INCOMPLETE}", text_of(manifest))
        for file in manifest.files:
            path = f"{folder}{file.file}"
            if _is_delivered(plain, path, file):
                kept += 1
            else:
                _put_file(access, locking, path, export / file.file, file, tell)
            tell(file.file, file.bytes, True)
        obstore.put(locking, f"{folder}{MANIFEST}", text_of(manifest))
        obstore.delete(plain, f"{folder}{INCOMPLETE}")
    return Uploaded(len(manifest.files), manifest.bytes, kept)


def remove_older(
    access: BucketAccess, root: str, workflow: str, *, keep: int, own: str, now: datetime | None = None
) -> list[Removed]:
    """Delete the workflow's deliveries below ``root`` but the ``keep`` newest, and never the folder ``own``;
    with them what uploads or deletions have left that were given up long ago. Raises our errors.
    """
    store = open_store(access)
    found = find_deliveries(store, access.connection, root, workflow)
    whole = [each for each in found if each.complete]
    long_ago = (now or datetime.now(UTC)) - _GIVEN_UP_AFTER
    left = [each for each in found if not each.complete and each.marked_at < long_ago]
    removed = []
    for each in (*whole[: max(0, len(whole) - keep)], *left):
        if each.folder != own:
            delete_delivery(store, access.connection, each)
            removed.append(Removed(each.manifest.run, each.folder))
    return removed


def _is_delivered(store: Store, path: str, file: ExportedFile) -> bool:
    import obstore  # noqa: PLC0415

    try:
        found = obstore.get(store, path, options={"head": True})
    except FileNotFoundError:
        return False
    return found.meta["size"] == file.bytes and found.attributes.get(_DIGEST) == file.sha256


def _put_file(  # noqa: PLR0917
    access: BucketAccess, store: Store, path: str, local: Path, file: ExportedFile, tell: Tell
) -> None:
    import obstore  # noqa: PLC0415

    part = max(_PART, -(-file.bytes // _MOST_PARTS))
    reading = _Reading(local, lambda far: tell(file.file, far, False))
    obstore.put(
        store,
        path,
        reading,
        attributes={_DIGEST: file.sha256},
        use_multipart=file.bytes > part,
        chunk_size=part,
        max_concurrency=max(1, min(_AT_ONCE, _BUFFERED // part)),
    )
    if reading.hexdigest != file.sha256:
        obstore.delete(store, path)
        raise WorkFailedForGoodError(
            f"The file {file.file} is not what was written when the run attested it.",
            "Its SHA-256 has changed on this appliance's disk, so it was not delivered.",
            "Look at the disk (dmesg), and start a new run.",
        )
    stored = obstore.head(store, path)["size"]
    if stored != file.bytes or not (access.checks_sums or _reads_back(store, path) == file.sha256):
        obstore.delete(store, path)
        raise WorkFailedError(
            f"The bucket '{access.connection}' has not stored what was sent of {file.file}.",
            f"{file.bytes} bytes were sent; what is there differs, and was deleted.",
            f"appliance connections check {access.connection}",
        )


class _Reading:
    """A file as pieces, hashed on the way."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        self._path, self._tell = path, tell
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        self._digest, far = hashlib.sha256(), 0
        with self._path.open("rb") as file:
            while piece := file.read(_READ):
                self._digest.update(piece)
                far += len(piece)
                self._tell(far)
                yield piece

    @property
    def hexdigest(self) -> str:
        """Of what was read."""
        return self._digest.hexdigest()


def _reads_back(store: Store, path: str) -> str:
    import obstore  # noqa: PLC0415

    digest = hashlib.sha256()
    for piece in obstore.get(store, path):
        digest.update(piece)
    return digest.hexdigest()


def _content(store: Store, path: str) -> bytes | None:
    import obstore  # noqa: PLC0415

    try:
        return bytes(obstore.get(store, path).bytes())
    except FileNotFoundError:
        return None
