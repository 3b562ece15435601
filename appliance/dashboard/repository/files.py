"""The plain files of a repository: bundles that are looked into, and folders that are brought elsewhere."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from appliance.documents.names import is_release
from appliance.durable import link_file, whole_file, write_file
from appliance.errors import WrongRequestError
from appliance.releases.repository.contents import ARCHITECTURES, METADATA

_MANIFEST_BYTES_MAX = 4 * 2**20


class BundleManifest(BaseModel):
    """What is read of a bundle before it is published."""

    model_config = ConfigDict(hide_input_in_errors=True)

    version: str
    architecture: str = "x86_64"
    notes: str = ""


def read_manifest(bundle: Path) -> BundleManifest:
    """What a bundle says of itself. Raises WrongRequestError for what is none."""
    try:
        with tarfile.open(bundle, mode="r:") as archive:
            first = archive.next()
            opened = archive.extractfile(first) if first and first.name == "manifest.json" else None
            if opened is None or first is None or first.size > _MANIFEST_BYTES_MAX:
                raise ValueError
            manifest = BundleManifest.model_validate_json(opened.read())
        if not is_release(manifest.version) or manifest.architecture not in ARCHITECTURES:
            raise ValueError
    except (OSError, tarfile.TarError, ValueError, RecursionError):
        raise WrongRequestError(f"{bundle} is not a release bundle.", "", "make bundle") from None
    return manifest


def mirror(source: Path, into: Path) -> None:
    """Copy what is new, then remove what is gone. The timestamp comes when all that it leads to is there."""
    # What a killed process has left half is no file of the repository.
    wanted = {path.relative_to(source) for path in source.rglob("[!.]*") if path.is_file()}
    last = Path("timestamp.json")
    for path in into.rglob(".*.new"):
        path.unlink()
    for path in sorted(wanted, key=lambda path: (path == last, path)):
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path == last:
            write_file(target, (source / path).read_bytes(), durable=True, mode=0o644)
        elif not target.exists():
            link_or_copy(source / path, target)
    if source.name == METADATA:
        for path in into.glob("*.json"):
            if path.relative_to(into) not in wanted:
                path.unlink()
        return
    for path in into.rglob("*.tar"):
        # Revoked bundles go at once. An index that a reader may have begun with stays: it is small.
        if path.relative_to(into) not in wanted:
            path.unlink()


def link_or_copy(source: Path, target: Path, *, link: bool = True) -> None:
    """One copy on the disk where it can be, and whole under its name either way."""
    if link and link_file(target, source):
        return
    with source.open("rb") as opened, whole_file(target, durable=True, mode=0o644) as file:
        shutil.copyfileobj(opened, file, 1 << 20)
