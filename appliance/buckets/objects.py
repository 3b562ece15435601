"""What a delivery is in a bucket: a folder of objects, whole once ``manifest.json`` is there.

``incomplete.json`` lists the objects of a folder that is no whole delivery: one that is being uploaded, or
deleted. It is there before the first object and goes after the last, so that whatever an upload or a deletion
leaves behind when it is killed is known by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from appliance.buckets.failures import bucket_errors
from appliance.exports.manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    from appliance.buckets.access import Store

INCOMPLETE = "incomplete.json"
_LONGEST_MANIFEST = 64 * 2**20
_AT_ONCE = 1000


@dataclass(frozen=True)
class FoundDelivery:
    """A delivery of which a manifest or its remains were found."""

    folder: str
    """Ends with a slash, unless it is the bucket's top."""
    manifest: Manifest
    complete: bool
    marked_at: datetime
    """When its manifest, or the list of what is left, was written."""


def text_of(manifest: Manifest) -> bytes:
    """As it is stored."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()


def find_deliveries(store: Store, connection: str, root: str, workflow: str) -> list[FoundDelivery]:
    """Every delivery of that workflow below ``root``, and what is left of others, the oldest first.

    What others have put there is passed over. Raises our errors.
    """
    import obstore  # noqa: PLC0415 - only here it must be installed

    found: dict[str, FoundDelivery] = {}
    with bucket_errors(connection, "What lies in the bucket could not be listed."):
        for batch in obstore.list(store, root or None):
            for each in batch:
                folder, _, name = each["path"].rpartition("/")
                if name not in (MANIFEST, INCOMPLETE) or each["size"] > _LONGEST_MANIFEST:
                    continue
                manifest = _manifest(store, each["path"])
                if manifest is None or manifest.workflow != workflow:
                    continue
                folder = f"{folder}/" if folder else ""
                if name == MANIFEST or folder not in found:
                    found[folder] = FoundDelivery(folder, manifest, name == MANIFEST, each["last_modified"])
    return sorted(found.values(), key=lambda each: (each.manifest.created_at, each.folder))


def delete_delivery(store: Store, connection: str, delivery: FoundDelivery) -> int:
    """Delete the objects that its manifest lists, and only these; how many. It is no delivery from the start.

    Raises our errors; doing it again goes on where it ended.
    """
    import obstore  # noqa: PLC0415

    folder = delivery.folder
    with bucket_errors(connection, f"The delivery {folder} could not be deleted from the bucket."):
        obstore.put(store, f"{folder}{INCOMPLETE}", text_of(delivery.manifest))
        _delete(store, [f"{folder}{MANIFEST}"])
        objects = [f"{folder}{each.file}" for each in delivery.manifest.files]
        _delete(store, objects)
        _delete(store, [f"{folder}{INCOMPLETE}"])
    return len(objects)


def delete_folder(store: Store, connection: str, folder: str) -> int:
    """Delete everything in a run's folder; how many objects. Raises our errors."""
    import obstore  # noqa: PLC0415

    with bucket_errors(connection, f"What lies in {folder} could not be deleted from the bucket."):
        paths = [each["path"] for batch in obstore.list(store, folder) for each in batch]
        # The manifest first: from then on the rest is no delivery.
        paths.sort(key=lambda path: not path.endswith(f"/{MANIFEST}"))
        _delete(store, paths)
    return len(paths)


def is_there(store: Store, connection: str, folder: str) -> bool:
    """Whether anything lies in a run's folder. Raises our errors."""
    import obstore  # noqa: PLC0415

    with bucket_errors(connection, "The bucket could not be looked at."):
        return any(bool(batch) for batch in obstore.list(store, folder, chunk_size=1))


def _delete(store: Store, paths: list[str]) -> None:
    import obstore  # noqa: PLC0415

    for batch in _batches(paths):
        try:
            obstore.delete(store, batch)
        except FileNotFoundError:
            # Some stores call it an error that it is gone already; the others of the batch are not.
            for path in batch:
                _delete_one(store, path)


def _delete_one(store: Store, path: str) -> None:
    import obstore  # noqa: PLC0415

    try:
        obstore.delete(store, path)
    except FileNotFoundError:
        return


def _batches(paths: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]


def _manifest(store: Store, path: str) -> Manifest | None:
    import obstore  # noqa: PLC0415

    try:
        content = bytes(obstore.get(store, path).bytes())
    except FileNotFoundError:
        return None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        return None
