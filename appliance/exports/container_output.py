"""What a container of the customer's own has written, made into an export: plain files, with a manifest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from appliance import __version__
from appliance.durable import sync_folder
from appliance.exports.manifest import CONTAINER, FILE, ExportedFile, ExportedFormat, Manifest
from appliance.exports.writing import write_manifest

OUT = "out"
"""The folder beside the manifest that the container wrote to."""
MOST_FILES = 10_000


class UnusableOutputError(Exception):
    """What is there can be no export; the text names no value."""


def output_name(run_id: str, delivery: int) -> str:
    """How the export of a run's container is called: ``<run>-container-2``."""
    return f"{run_id}-container-{delivery}"


def written_bytes(folder: Path) -> int:
    """How much is in the folder now. Files that go while it is looked at do not count."""
    return sum(status.st_blocks * 512 for _, status in _entries(folder))


def complete(folder: Path, *, workflow: str, name: str, image: str) -> int:
    """Write the manifest of what stands in ``folder/out``; how many files there are.

    Raises UnusableOutputError for what is no plain file and for names that no manifest can have, OSError.
    """
    files: list[ExportedFile] = []
    for path, status in _entries(folder / OUT):
        if stat.S_ISDIR(status.st_mode):
            path.chmod(0o700)
            continue
        shown = path.relative_to(folder).as_posix()
        if not stat.S_ISREG(status.st_mode):
            raise UnusableOutputError("There is something that is no plain file: a link, a pipe or a socket.")
        if not FILE.fullmatch(shown) or not shown.isprintable():
            raise UnusableOutputError("A file has a name that cannot be listed.")
        if len(files) >= MOST_FILES:
            raise UnusableOutputError(f"There are more than {MOST_FILES:,} files.")
        path.chmod(0o600)
        with path.open("rb") as opened:
            os.fsync(opened.fileno())
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        files.append(ExportedFile(file=shown, bytes=status.st_size, sha256=digest))
    if not files:
        return 0
    only = ExportedFormat(
        format=CONTAINER,
        compression="none",
        tables=(),
        files=tuple(sorted(files, key=lambda each: each.file)),
        made_with=image,
    )
    sync_folder(folder / OUT)
    manifest = Manifest(
        workflow=workflow,
        run=name,
        created_at=datetime.now(UTC),
        appliance_version=__version__,
        formats=(only,),
    )
    write_manifest(folder, manifest)
    return len(files)


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below it; links are not followed."""
    waiting = [folder]
    while waiting:
        try:
            names = sorted(entry.name for entry in os.scandir(waiting[-1]))
        except (FileNotFoundError, PermissionError):
            names = []
        here = waiting.pop()
        for name in names:
            path = here / name
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
