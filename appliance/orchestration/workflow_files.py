"""The workflow files on this appliance: which there are, which are wrong, which share an id.

Reads local files only, and none again that has not changed since the last look: what a DAG needs to know of
each is kept in an index beside the runs. Losing the index costs a few milliseconds a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

import appliance
from appliance.documents.problems import WrongDocumentError
from appliance.durable import write_file
from appliance.errors import ApplianceError
from appliance.system.beneath import as_owner_of

Origin = Literal["local", "cloud"]
SUFFIXES = (".yaml", ".yml", ".json")
PRESETS = "presets"
INDEX = "workflow-index.json"
WAITING = ".waiting"
_VERSION = f"6/{appliance.__version__}"
"""Another release may find other things wrong with a file."""


@dataclass(frozen=True)
class WorkflowFile:
    """One file: what a DAG needs of its workflow, or what is wrong with it."""

    path: str
    origin: Origin
    mtime_ns: int
    size: int
    id: str | None = None
    title: str = ""
    schedule: str | None = None
    drift: str | None = None
    timezone: str = "UTC"
    parallel: int = 1
    retries: int = 0
    twins: tuple[str, ...] = ()
    replaces: str | None = None
    problem: str | None = None
    presets: str | None = None
    """What the folders of presets were like when it was read; None where it uses none."""

    @property
    def usable(self) -> bool:
        """Whether it is a valid workflow."""
        return self.id is not None and self.problem is None


def workflow_folders(config_dir: Path, state_dir: Path) -> list[tuple[Path, Origin]]:
    """Where workflow files lie: the operator's own, and those that came from the dashboard."""
    return [(config_dir / "workflows", "local"), (state_dir / "workflows", "cloud")]


def waiting_file(state_dir: Path, workflow: str) -> Path:
    """Where a workflow from the dashboard lies, as it was sent, until the owner approves what it keeps."""
    return state_dir / "workflows" / WAITING / f"{workflow}.json"


def read_workflow_files(config_dir: Path, state_dir: Path) -> list[WorkflowFile]:
    """Every workflow file, by path. Two with one id both get a problem naming both files. Never raises."""
    known = _read_index(state_dir)
    files: list[WorkflowFile] = []
    for folder, origin in workflow_folders(config_dir, state_dir):
        with as_owner_of(folder):
            presets = PresetFolders(config_dir, folder)
            files += [_look(path, origin, known, presets) for path in _paths(folder)]
    if {file.path: file for file in files} != known:
        _write_index(state_dir, files)
    return _refuse_shared_ids(files)


def origin_of(state_dir: Path, workflow: str) -> Origin:
    """Where a workflow came from, as far as the last look at the files knows."""
    found = (file.origin for file in _read_index(state_dir).values() if file.id == workflow)
    return next(found, "local")


def _paths(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if entry.name.endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file()
            )
    except OSError:
        return []


class PresetFolders:
    """Where the presets of a folder's workflows lie, and what changes with them."""

    def __init__(self, config_dir: Path, folder: Path | None = None) -> None:
        self.config_dir = config_dir
        self._folders = [each / PRESETS for each in (folder, config_dir) if each is not None]

    @cached_property
    def mark(self) -> str:
        """Other text whenever a file in them is another one."""
        lines = []
        for folder in self._folders:
            with contextlib.suppress(OSError), as_owner_of(folder), os.scandir(folder) as entries:
                for entry in entries:
                    status = entry.stat()
                    lines.append(f"{entry.path} {status.st_mtime_ns} {status.st_size}")
        return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _look(path: Path, origin: Origin, known: dict[str, WorkflowFile], presets: PresetFolders) -> WorkflowFile:
    try:
        status = path.stat()
    except OSError:
        return WorkflowFile(str(path), origin, 0, 0, problem=f"{path}: cannot be read")
    before = known.get(str(path))
    same = before and (before.mtime_ns, before.size, before.origin) == (
        status.st_mtime_ns,
        status.st_size,
        origin,
    )
    if before and same and before.presets in {None, presets.mark if before.presets else None}:
        return before
    return _read(path, origin, status, presets)


def _read(path: Path, origin: Origin, status: os.stat_result, presets: PresetFolders) -> WorkflowFile:
    # Only a changed file needs the models, and only one that can be read the masks.
    from appliance.workflow.loading import load_workflow  # noqa: PLC0415

    known = WorkflowFile(str(path), origin, status.st_mtime_ns, status.st_size, presets=presets.mark)
    try:
        loaded = load_workflow(path, presets.config_dir)
        from appliance.masking.document_check import mask_problems  # noqa: PLC0415

        if problems := mask_problems(loaded.document):
            raise WrongDocumentError(problems)
    except ApplianceError as error:
        return replace(known, problem=error.text())
    except Exception as error:  # one file must never hide the others
        return replace(known, problem=f"{path}: cannot be read ({type(error).__name__})")
    workflow = loaded.workflow
    return replace(
        known,
        presets=presets.mark if workflow.use else None,
        id=workflow.id,
        title=workflow.title,
        schedule=workflow.schedule,
        drift=workflow.drift,
        timezone=workflow.timezone,
        parallel=workflow.limits.parallel,
        retries=workflow.limits.retries,
        twins=tuple(twin.connection for twin in workflow.twins.values()),
        replaces=workflow.replaces,
    )


def _refuse_shared_ids(files: Iterable[WorkflowFile]) -> list[WorkflowFile]:
    by_id: dict[str | None, list[WorkflowFile]] = defaultdict(list)
    for file in files:
        by_id[file.id].append(file)
    shown = []
    for id_, same in by_id.items():
        if id_ is None or len(same) == 1:
            shown += same
            continue
        paths = " and ".join(file.path for file in same)
        problem = f"The id '{id_}' is used by {paths}.\nNeither runs until one of them has another id."
        shown += [WorkflowFile(**{**asdict(file), "problem": problem}) for file in same]
    return sorted(shown, key=lambda file: file.path)


@dataclass(frozen=True)
class _Index:
    """What the files held when they were last read, by the release that read them."""

    version: str
    files: tuple[WorkflowFile, ...]


_INDEX = TypeAdapter(_Index)


def _read_index(state_dir: Path) -> dict[str, WorkflowFile]:
    try:
        with as_owner_of(state_dir):
            index = _INDEX.validate_json((state_dir / INDEX).read_bytes())
    except (OSError, ValueError):
        return {}
    return {file.path: file for file in index.files} if index.version == _VERSION else {}


def _write_index(state_dir: Path, files: list[WorkflowFile]) -> None:
    text = _INDEX.dump_json(_Index(_VERSION, tuple(files))).decode()
    with as_owner_of(state_dir), contextlib.suppress(OSError):
        # The status service reads it, too, and may be another user.
        write_file(state_dir / INDEX, text, durable=False, mode=0o640)
