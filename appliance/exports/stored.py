"""Exports: the files that runs have delivered, one folder each, ``exports/<workflow>/<run>/``.

An export is written under a hidden name and renamed when all of it is there, its manifest last: what can be
listed is whole. Its deletion is recorded first, and never the other way round.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.durable import append_line
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.manifest import CONTAINER, Manifest, read_manifest
from appliance.system.beneath import as_owner_of, ways

DELETIONS = "deletions.jsonl"
"""In the exports folder: one JSON object a line, for every export that was deleted."""
UNFINISHED = ".unfinished"
_DELETING = ".deleting"
_BLOCK = 1 << 20

DeletedBy = Literal["operator", "retention"]


class Deletion(BaseModel):
    """One line of ``deletions.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    deleted_at: datetime
    by: DeletedBy
    why: str
    workflow: str
    run: str
    created_at: datetime
    tables: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Export:
    """A whole export on this machine."""

    folder: Path
    manifest: Manifest

    @property
    def of_run(self) -> str:
        """The run itself; what its container wrote is called ``<run>-container-2``."""
        run = self.manifest.run
        return run.rpartition("-container-")[0] if self.is_of_container else run

    @property
    def is_of_container(self) -> bool:
        """Whether a container of the customer's own has written it."""
        return any(each.format == CONTAINER for each in self.manifest.formats)

    @property
    def age_s(self) -> float:
        """Seconds since it was made."""
        return (datetime.now(UTC) - self.manifest.created_at).total_seconds()


def list_exports(exports_dir: Path) -> list[Export]:
    """Every whole export, newest first. What is unfinished, malformed or foreign is passed over."""
    found = []
    with as_owner_of(exports_dir):
        for folder in _folders(exports_dir):
            try:
                found.append(Export(folder, read_manifest(folder)))
            except WorkFailedError:
                continue
    return sorted(found, key=lambda export: export.manifest.created_at, reverse=True)


def find_export(exports_dir: Path, run: str) -> Export:
    """The export of a run. Raises WrongRequestError where there is none."""
    with as_owner_of(exports_dir):
        for folder in _folders(exports_dir):
            if folder.name == run:
                return Export(folder, read_manifest(folder))
    raise WrongRequestError(
        f"There is no export of a run '{run}' in {exports_dir}.", "", "appliance exports list"
    )


def delete_export(exports_dir: Path, export: Export, *, by: DeletedBy, why: str) -> Deletion:
    """Record the deletion in ``deletions.jsonl``, then delete the export.

    Killed in between, the export is still there (and recorded again when it is deleted again) or under a
    hidden name that ``remove_leftovers`` takes. Raises WorkFailedError where it cannot be recorded or
    deleted.
    """
    manifest = export.manifest
    deletion = Deletion(
        deleted_at=datetime.now(UTC),
        by=by,
        why=why,
        workflow=manifest.workflow,
        run=manifest.run,
        created_at=manifest.created_at,
        tables=len(manifest.tables),
        rows=manifest.rows,
        bytes=manifest.bytes,
    )
    hidden = export.folder.with_name(f".{export.folder.name}{_DELETING}")
    try:
        with as_owner_of(exports_dir):
            line = json.dumps(deletion.model_dump(mode="json"), ensure_ascii=False)
            append_line(exports_dir / DELETIONS, line, durable=True, mode=0o600)
            export.folder.rename(hidden)
            shutil.rmtree(hidden)
            _remove_if_empty(export.folder.parent)
    except OSError as error:
        raise WorkFailedError(
            f"The export of {manifest.run} could not be deleted.",
            f"{error.strerror or type(error).__name__} in {exports_dir}.",
            ways(error, export.folder, f"df -h {exports_dir}; then run the same command again."),
        ) from None
    return deletion


def remove_leftovers(exports_dir: Path, *, older_than_s: float = 3600) -> list[str]:
    """Remove what killed runs and killed deletions have left; the names of what was removed.

    What a run is writing now is held, and stays; between two attempts it is young.
    """
    removed = []
    with as_owner_of(exports_dir):
        for folder in _folders(exports_dir, hidden=True):
            unfinished = folder.name.endswith(UNFINISHED)
            if not unfinished and not folder.name.endswith(_DELETING):
                continue
            if unfinished and (time.time() - folder.stat().st_mtime < older_than_s or _held(folder)):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(folder.parent)
            removed.append(f"{folder.parent.name}/{folder.name}")
    return removed


def damage_of(export: Export) -> list[str]:
    """Files that are missing or not what the manifest says, in words; empty for an export that is whole."""
    found = []
    for file in export.manifest.files:
        path = export.folder / file.file
        try:
            with as_owner_of(path.parent):
                opened = path.open("rb")
            with opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            found.append(f"{file.file}: {error.strerror or type(error).__name__}")
            continue
        if digest != file.sha256:
            found.append(f"{file.file}: its SHA-256 is not the manifest's")
    return found


def _folders(exports_dir: Path, *, hidden: bool = False) -> Iterator[Path]:
    """``<workflow>/<run>`` below the exports folder; links are not followed."""
    try:
        for workflow in sorted(exports_dir.iterdir()):
            if workflow.name.startswith(".") or workflow.is_symlink() or not workflow.is_dir():
                continue
            for run in sorted(workflow.iterdir()):
                if run.name.startswith(".") == hidden and run.is_dir() and not run.is_symlink():
                    yield run
    except FileNotFoundError:
        return
    except PermissionError:
        raise WrongRequestError(
            f"{exports_dir} cannot be read.", "Exports are for their owner only.", "Run it again with sudo."
        ) from None


def _held(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
