"""A run's folder: the spec frozen when the run starts, the request to stop it, and the mark that it is over.

Files, not rows: they work while every database is away, and whoever may cancel a run may write here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from appliance.system.beneath import as_owner_of

SPEC = "spec.json"
STOP = "stop.json"
OVER = "over.json"
LONGEST_OPEN_S = 8 * 24 * 3600
"""A run that never got its mark (the disk was full, say) does not count as open for ever."""


class Document(Protocol):
    """A pydantic model. Supervisors import this module, and pydantic is memory that they do not spend."""

    def model_dump_json(self) -> str: ...


@dataclass(frozen=True)
class StopRequest:
    """Why a run should end now: a person or the cloud wished it (``cancel``), or another step ``failed``."""

    kind: Literal["cancel", "failed"]
    why: str
    next_step: str = ""


def run_folder(state_dir: Path, run_id: str) -> Path:
    """Where a run keeps its plan and results. Holds no row values and no secrets."""
    return state_dir / "runs" / run_id


def freeze_spec(folder: Path, spec: Document) -> bool:
    """Write spec.json unless a step of this run has done so already: the first one holds."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return _write_once(folder / SPEC, spec.model_dump_json())


def request_stop(state_dir: Path, run_id: str, request: StopRequest) -> bool:
    """Ask every step of the run to stop; operators look twice a second. False if it was asked before."""
    folder = run_folder(state_dir, run_id)
    # Root may cancel a run that has not begun; the appliance must still be able to write to its folder.
    with as_owner_of(state_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return _write_once(folder / STOP, json.dumps(asdict(request)))


def stop_request(folder: Path) -> StopRequest | None:
    """The request to stop, if there is one."""
    try:
        data: dict[str, Any] = json.loads((folder / STOP).read_bytes())
        return StopRequest(**data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return StopRequest("cancel", "The run was asked to stop.")


def mark_over(state_dir: Path, run_id: str, state: str) -> None:
    """Note that the run is over: its containers may be reaped, its workflow need not be kept for it."""
    folder = run_folder(state_dir, run_id)
    if folder.is_dir():
        _write_once(folder / OVER, json.dumps({"state": state}))


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
        folder = Path(entry.path)
        try:
            if (folder / SPEC).stat().st_mtime > oldest and not is_over(folder):
                yield entry.name, folder
        except OSError:
            continue


def _write_once(path: Path, text: str) -> bool:
    """Create the file whole or not at all; False if it is there."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.link(unfinished, path)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True
