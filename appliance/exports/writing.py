"""The folder that a run writes its files to: hidden until all of it is there, then renamed in one step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from appliance.durable import sync_folder, write_file
from appliance.errors import WorkFailedError
from appliance.exports.manifest import MANIFEST, Manifest, read_manifest
from appliance.exports.stored import UNFINISHED


@contextlib.contextmanager
def export_folder(exports_dir: Path, workflow: str, run: str) -> Iterator[Path]:
    """The hidden folder that a run's export is written to, held for the length of a block.

    A later attempt gets the same one; after ``finish_export``, the export itself. Raises WorkFailedError.
    """
    hidden, shown = exports_dir / workflow / f".{run}{UNFINISHED}", exports_dir / workflow / run
    folder = shown if shown.exists() else hidden
    try:
        for each in (exports_dir, folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WorkFailedError(
            f"The folder for files, {folder}, could not be made.",
            error.strerror or type(error).__name__,
            f"df -h {exports_dir}; ls -ld {exports_dir}",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)


def find_finished(exports_dir: Path, workflow: str, run: str) -> Path | None:
    """The run's export, if it has its name; None where it has none yet."""
    shown = exports_dir / workflow / run
    return shown if shown.exists() else None


def finish_export(exports_dir: Path, workflow: str, run: str) -> Path | None:
    """Give a complete export its name, in one step; None where the run has written none.

    Doing it again is no error. Raises WorkFailedError for an export without its manifest.
    """
    hidden, shown = exports_dir / workflow / f".{run}{UNFINISHED}", exports_dir / workflow / run
    if not hidden.exists():
        return shown if shown.exists() else None
    read_manifest(hidden)
    sync_folder(hidden)
    hidden.rename(shown)
    sync_folder(shown.parent)
    return shown


def end_export(exports_dir: Path, workflow: str, run: str, *, stays: bool) -> Path | None:
    """Finish the export where it ``stays``; else remove it. Raises WorkFailedError."""
    if stays:
        return finish_export(exports_dir, workflow, run)
    _drop_unfinished(exports_dir, workflow, run)
    return None


def _drop_unfinished(exports_dir: Path, workflow: str, run: str) -> None:
    """Remove the files of a run that were written for buckets alone. Raises WorkFailedError."""
    hidden = exports_dir / workflow / f".{run}{UNFINISHED}"
    try:
        if hidden.exists():
            shutil.rmtree(hidden)
    except OSError as error:
        raise WorkFailedError(
            f"The files that were delivered to a bucket could not be removed from {hidden}.",
            error.strerror or type(error).__name__,
            f"rm -r {hidden}",
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Complete the export in ``folder``: its files are on the disk before the manifest is. Raises OSError."""
    sync_folder(folder)
    write_file(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n", durable=True, mode=0o600)
