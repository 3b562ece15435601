"""A run's folder: how a run is called, the name of every file in it, and how each is read and written.

Files, not rows: they work while every database is away, and what may cancel a run may write here.
``appliance.steps.records.run_files`` has the type of each document: the types stand higher in the house, and
the supervisors, which import this module, have no memory for the types' libraries.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, cast

from appliance.durable import create_file, write_file
from appliance.errors import WrongRequestError
from appliance.system.beneath import as_owner_of

SPEC = "spec.json"
"""The run as it was asked for, frozen before its first step. A step's container may only read it."""
SNAPSHOT = "snapshot.json"
"""The source's exported snapshot, by ``open_snapshot``."""
PLAN = "plan.json"
"""What ``plan`` decided."""
CATALOG = "catalog.json"
"""What the source was when the run was planned: names and types."""
FORMER_CATALOG = "former-catalog.json"
"""The same of the workflow's last verified run, put there when the run begins."""
DRIFT = "drift.json"
"""What has changed from the one to the other, and what the workflow decided of it."""
KEPT = "kept.json"
"""Which kept columns are looked at, and how, by ``plan``."""
ORIGINALS = "originals.json"
"""What the source counted of masked columns' originals in kept columns, by ``copy``."""
SCHEMA = "schema/{target}.json"
"""What ``schema`` leaves for ``finish``, for each of the plan's targets."""
SETTINGS = "schema/{target}.settings.json"
"""Under which settings the target evaluates the definitions of its objects."""
FINISHED = "schema/{target}.finished.json"
"""What ``finish`` leaves for ``verify``."""
BRANCHES = "branches.json"
"""Which branches a twin has, by ``branch``."""
BRANCHES_NOTED = "branches-noted.json"
"""Which branches a step was about to make, for the ledger of copies."""
BRANCH_READY = "branch-ready.json"
"""The branch that an image is to migrate, by ``try_migration``."""
IMAGE_ENDED = "image-ended.json"
"""What became of the image there, by what has run it."""
REHEARSED = "rehearsal.json"
"""The report, by ``try_migration``."""
SCANNED = "scan.json"
TRIED = "tried.json"
"""What ``scan`` found, as it may be reported."""
UNCOVERED = "uncovered.json"
"""The columns at which ``plan`` refused the run."""
VERIFIED = "verify.json"
"""What ``verify`` proved."""
DIGESTS = "digests.json"
"""The digests of the twins that were built, by ``attest``."""
RECEIPT = "receipt.json"
"""The signed receipt, which ``publish`` requires."""
TOUCHED = "touched"
"""The mark that something was made on a target: the run gets a receipt, whatever becomes of it."""
CLOSED = "receipt-of-failure"
"""The mark that a run which failed has its receipt, or needs none."""
STOP = "stop.json"
"""The request to stop."""
OVER = "over.json"
"""The mark that the run has ended."""
UNFINISHED = "unfinished"
"""The mark that evidence may stand in a database beside the twin: from ``schema`` until it is removed."""
ALIVE = "alive.lock"
"""Locked by a run without Airflow for as long as its process lives, however that ends."""
PLANNING = "planning.lock"
"""The same of a plan that is only shown: its folder is gone when it has been."""
RECORD = "record.json"
"""What a run without Airflow was, as the appliance's own database has it of the others."""
LOGS = "logs"
"""What the steps of a run without Airflow said, in files that are called as Airflow calls its own."""

LOOK = "look."
"""Begins the id of what only looks at databases. No workflow's id has a dot, so no run is called so."""

_MODE = 0o640
LONGEST_OPEN_S = 8 * 24 * 3600
"""A run that never got its mark (the disk was full, say) does not count as open for ever."""
TRY_AGAIN_S = 600
"""How long cleaning up after a run waits where it did not work: the target may be away for hours."""
_LONGEST_ID = 120
"""Run ids name folders and container labels; this keeps any path well under the limits of a file system."""


class Document(Protocol):
    """A pydantic model."""

    def model_dump_json(self) -> str: ...

    @classmethod
    def model_validate_json(cls, json_data: bytes, /) -> Self:
        """The document that JSON holds; a ValueError where it holds none."""
        ...


Model = TypeVar("Model", bound=Document)

_Version = tuple[int, int, int, int]
_read_here: ContextVar[dict[str, tuple[_Version, Document]] | None] = ContextVar("_read_here", default=None)


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """Within it, a document that many steps read is parsed once; a step that is forked has it then.

    For a process that serves one run and ends: it is kept in memory for as long.
    """
    token = _read_here.set({})
    try:
        yield
    finally:
        _read_here.reset(token)


@dataclass(frozen=True)
class RunFile(Generic[Model]):
    """One of the documents in a run's folder: its name there, and its type."""

    name: str
    model: type[Model]
    shared: bool = False
    """Read by many steps: see ``reading_once``."""

    def path(self, folder: Path) -> Path:
        """Where it lies in a run's folder."""
        return folder / self.name

    def is_in(self, folder: Path) -> bool:
        """Whether it has been written."""
        return self.path(folder).exists()

    def read(self, folder: Path) -> Model:
        """The document. Raises WrongRequestError where it is missing or is none of this type."""
        try:
            return self._read(self.path(folder))
        except FileNotFoundError:
            raise WrongRequestError(
                f"{self.name} is not in the run's folder.", "An earlier step that writes it has not finished."
            ) from None
        except ValueError as error:
            raise WrongRequestError(
                f"{self.name} in the run's folder cannot be read.",
                f"Unexpected at: {_places(error)}."
                " It may have been written by another version of the appliance.",
            ) from None

    def _read(self, path: Path) -> Model:
        known = _read_here.get()
        if known is None or not self.shared:
            return self.model.model_validate_json(path.read_bytes())
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            # A file is only ever replaced as a whole.
            version = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if self.name not in known or known[self.name][0] != version:
                known[self.name] = (version, self.model.model_validate_json(file.read()))
        return cast("Model", known[self.name][1])

    def write(self, folder: Path, document: Model) -> None:
        """Write it anew: a reader sees the former document or the whole new one."""
        path = self.path(folder)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_file(path, document.model_dump_json(), durable=False, mode=_MODE)

    def freeze(self, folder: Path, document: Model) -> bool:
        """Write it unless it is there: the first one holds. False if it was. Makes the folder if need be."""
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return create_file(self.path(folder), document.model_dump_json(), durable=False, mode=_MODE)


@dataclass(frozen=True)
class StopRequest:
    """Why a run should end now: a person or the cloud wished it (``cancel``), or another step ``failed``."""

    kind: Literal["cancel", "failed"]
    why: str
    next_step: str = ""


def new_airflow_run_id() -> str:
    """A run id for Airflow that sorts by time and that no one else makes: ``20261123T020000Z-3f9a``."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(2).hex()}"


def run_id_for(workflow: str, airflow_run_id: str) -> str:
    """The appliance's id of an Airflow run: ``<workflow>-<airflow run id>``, of ``[a-z0-9-]`` only.

    >>> run_id_for("staging-twin", "scheduled__2026-11-23T02:00:00+00:00")
    'staging-twin-scheduled-2026-11-23t02-00-00-00-00'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", airflow_run_id.lower()).strip("-")
    return f"{workflow}-{plain}"[:_LONGEST_ID].rstrip("-")


def run_folder(state_dir: Path, run_id: str) -> Path:
    """Where a run keeps its plan and results. Holds no row values and no secrets."""
    return state_dir / "runs" / run_id


def state_of(folder: Path) -> Path:
    """The state's folder that a run's folder lies in."""
    return folder.parent.parent


def has_begun(folder: Path) -> bool:
    """Whether the run that owns the folder has its spec: from then on it needs no workflow file."""
    return (folder / SPEC).exists()


def request_stop(state_dir: Path, run_id: str, request: StopRequest) -> bool:
    """Ask every step of the run to stop; operators look twice a second. False if it was asked before."""
    folder = run_folder(state_dir, run_id)
    # Root may cancel a run that has not begun; the appliance must still be able to write to its folder.
    with as_owner_of(state_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return create_file(folder / STOP, json.dumps(asdict(request)), durable=False, mode=_MODE)


def stop_request(folder: Path) -> StopRequest | None:
    """The request to stop, if any."""
    try:
        return StopRequest(**json.loads((folder / STOP).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return StopRequest("cancel", "The run was asked to stop.")


def mark_over(state_dir: Path, run_id: str, state: str) -> None:
    """Note that the run is over: its containers may be reaped, its workflow need not be kept for it."""
    folder = run_folder(state_dir, run_id)
    if folder.is_dir():
        create_file(folder / OVER, json.dumps({"state": state}), durable=False, mode=_MODE)


def is_over(folder: Path) -> bool:
    """Whether the run that owns the folder has ended."""
    return (folder / OVER).exists()


def open_runs(state_dir: Path) -> Iterator[tuple[str, Path]]:
    """(run id, folder) of every run that has begun and has not been marked over. Reads names, no files."""
    try:
        entries = list(os.scandir(state_dir / "runs"))
    except OSError:
        return
    oldest = time.time() - LONGEST_OPEN_S
    for entry in entries:
        if entry.name.startswith(LOOK):
            continue
        folder = Path(entry.path)
        try:
            if (folder / SPEC).stat().st_mtime > oldest and not is_over(folder):
                yield entry.name, folder
        except OSError:
            continue


def _places(error: ValueError) -> str:
    """Where in the document, by key and never by value. The error is pydantic's."""
    details: Sequence[Mapping[str, Any]] = error.errors() if hasattr(error, "errors") else []
    return ", ".join(".".join(str(part) for part in detail["loc"]) for detail in details[:5])
