"""``copies/copies.jsonl``: a line for every copy that was made, and one for each that was ended.

A copy is noted before it is delivered: killed in between, the ledger names one that never came, and never the
other way round. Whether a copy is still there is asked of the place, not of the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from appliance.durable import append_line
from appliance.errors import WorkFailedError
from appliance.system.beneath import as_owner_of

FOLDER = "copies"
"""In the state's folder; part of every backup."""
_FILE = "copies.jsonl"

CopyKind = Literal["twin", "files", "bucket"]
AskedBy = Literal["command line", "schedule", "request"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    place: str
    """``connection/database`` of a twin, ``workflow/run`` of files, ``connection/folder/`` in a bucket."""
    run: str


class CopyMade(_Line):
    """A copy as it was about to be delivered."""

    event: Literal["made"] = "made"
    kind: CopyKind
    workflow: str
    source: str
    made_at: datetime
    asked_by: AskedBy
    origin: Literal["local", "cloud"] = "local"
    """Where its workflow came from."""
    expires_at: datetime | None = None
    """When it is ended; None where nothing says so."""


class CopyEnded(_Line):
    """A copy that the appliance has removed because its time was over."""

    event: Literal["ended"] = "ended"
    ended_at: datetime
    why: str


_LINE: TypeAdapter[CopyMade | CopyEnded] = TypeAdapter(
    Annotated[CopyMade | CopyEnded, Field(discriminator="event")]
)


def note_made(state_dir: Path, copies: Iterable[CopyMade]) -> None:
    """Write those down that are not yet. Raises WorkFailedError."""
    known = {(each.place, each.run) for each in made(state_dir)}
    for each in copies:
        if (each.place, each.run) not in known:
            _append(state_dir, each)


def note_ended(state_dir: Path, copy: CopyMade, why: str) -> None:
    """Write down that it is about to be removed. Raises WorkFailedError."""
    _append(state_dir, CopyEnded(place=copy.place, run=copy.run, ended_at=datetime.now(UTC), why=why))


def made(state_dir: Path) -> list[CopyMade]:
    """Every copy, the oldest first."""
    return [each for each in _lines(state_dir) if isinstance(each, CopyMade)]


def ended(state_dir: Path) -> dict[tuple[str, str], CopyEnded]:
    """Those that were removed, by place and run."""
    return {(each.place, each.run): each for each in _lines(state_dir) if isinstance(each, CopyEnded)}


def _append(state_dir: Path, line: CopyMade | CopyEnded) -> None:
    folder = state_dir / FOLDER
    try:
        with as_owner_of(state_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            append_line(folder / _FILE, line.model_dump_json(), durable=True, mode=0o600)
    except OSError as error:
        raise WorkFailedError(
            f"The ledger of copies could not be written below {folder}.",
            error.strerror or type(error).__name__,
            f"df -h {state_dir}",
        ) from None


def _lines(state_dir: Path) -> list[CopyMade | CopyEnded]:
    """What can be read; half a line of a write that was cut off is passed over."""
    try:
        with as_owner_of(state_dir):
            descriptor = os.open(state_dir / FOLDER / _FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return []
    found: list[CopyMade | CopyEnded] = []
    with os.fdopen(descriptor, "rb") as file:
        for line in file:
            try:
                found.append(_LINE.validate_json(line))
            except ValidationError:
                continue
    return found
