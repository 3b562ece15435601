"""The folder that a run writes its files to: hidden until all of it is there, then renamed in one step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
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
    hidden, shown = _hidden(exports_dir, workflow, run), exports_dir / workflow / run
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
    hidden, shown = _hidden(exports_dir, workflow, run), exports_dir / workflow / run
    if not hidden.exists():
        return shown if shown.exists() else None
    read_manifest(hidden)
    sync_folder(hidden)
    hidden.rename(shown)
    sync_folder(shown.parent)
    return shown


def end_export(exports_dir: Path, workflow: str, run: str, *, formats: Collection[str]) -> Path | None:
    """Finish the export with the ``formats`` that stay here; what was written for buckets alone is removed.

    Doing it again goes on where it ended. Raises WorkFailedError.
    """
    if formats:
        _drop_other_formats(exports_dir, workflow, run, formats)
        return finish_export(exports_dir, workflow, run)
    _drop_unfinished(exports_dir, workflow, run)
    return None


def _drop_other_formats(exports_dir: Path, workflow: str, run: str, formats: Collection[str]) -> None:
    """The manifest first: from then on a file that it does not list belongs to nothing."""
    hidden = _hidden(exports_dir, workflow, run)
    if not hidden.exists():
        return
    manifest = read_manifest(hidden)
    kept = manifest.only(formats)
    try:
        if kept != manifest:
            write_manifest(hidden, kept)
        listed = {MANIFEST, *(each.file for each in kept.files)}
        for path in sorted(hidden.rglob("*"), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif path.relative_to(hidden).as_posix() not in listed:
                path.unlink()
    except OSError as error:
        raise _not_removed(hidden, error) from None


def _drop_unfinished(exports_dir: Path, workflow: str, run: str) -> None:
    """Remove the files of a run that were written for buckets alone. Raises WorkFailedError."""
    hidden = _hidden(exports_dir, workflow, run)
    try:
        if hidden.exists():
            shutil.rmtree(hidden)
    except OSError as error:
        raise _not_removed(hidden, error) from None


def _not_removed(hidden: Path, error: OSError) -> WorkFailedError:
    return WorkFailedError(
        f"The files that were delivered to a bucket could not be removed from {hidden}.",
        error.strerror or type(error).__name__,
        f"rm -r {hidden}",
    )


def _hidden(exports_dir: Path, workflow: str, run: str) -> Path:
    return exports_dir / workflow / f".{run}{UNFINISHED}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Complete the export in ``folder``: its files are on the disk before the manifest is. Raises OSError."""
    sync_folder(folder)
    write_file(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n", durable=True, mode=0o600)
