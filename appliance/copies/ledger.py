"""``copies/copies.jsonl``: a line for every copy that was made, and one for each that was ended.

A copy is noted before it is delivered: killed in between, the ledger names one that never came, and never the
other way round. Whether a copy is still there is asked of the place, not of the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from appliance.durable import append_line
from appliance.errors import WorkFailedError
from appliance.system.beneath import as_owner_of

FOLDER = "copies"
"""In the state's folder; part of every backup."""
_FILE = "copies.jsonl"

CopyKind = Literal["twin", "files", "bucket", "branch", "pull"]
AskedBy = Literal["command line", "schedule", "request"]


class CopyKey(NamedTuple):
    """By what copies differ: a branch that is made again has the place and the run of the former one."""

    place: str
    run: str
    made_at: datetime


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    place: str
    """``CONNECTION/DATABASE``, ``WORKFLOW/RUN`` of files, ``CONNECTION/FOLDER/`` in a bucket, and
    ``PERSON/WORKFLOW/RUN`` of what a person has fetched."""
    run: str
    """That made it; of a branch, whose rows it has."""


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

    @property
    def key(self) -> CopyKey:
        """By which it is found again."""
        return CopyKey(self.place, self.run, self.made_at)


class CopyEnded(_Line):
    """A copy that the appliance has removed because its time was over, or a branch that is gone."""

    event: Literal["ended"] = "ended"
    made_at: datetime | None = None
    """Of which copy; None in lines of earlier releases, which knew one of a run at a place."""
    ended_at: datetime
    why: str


_LINE: TypeAdapter[CopyMade | CopyEnded] = TypeAdapter(
    Annotated[CopyMade | CopyEnded, Field(discriminator="event")]
)


def note_made(state_dir: Path, copies: Iterable[CopyMade]) -> None:
    """Write those down that are not yet. Raises WorkFailedError.

    A step that is tried again makes the same copy, at a later time; after the end of one it makes another. A
    branch has its time in its mark, and is noted again where it was extended.
    """
    there, over = {each.key: each for each in made(state_dir)}, ended(state_dir)
    places = {(each.place, each.run) for each in there.values() if each.key not in over}
    for each in copies:
        former = there.get(each.key) if each.kind == "branch" else None
        if each.kind == "branch" and former is not None and former.expires_at == each.expires_at:
            continue
        if each.kind != "branch" and (each.place, each.run) in places:
            continue
        line = each if former is None else former.model_copy(update={"expires_at": each.expires_at})
        _append(state_dir, line)
        there[line.key] = line
        places.add((line.place, line.run))


def note_ended(state_dir: Path, copy: CopyMade, why: str) -> None:
    """Write down that it is about to be removed, or is gone. Raises WorkFailedError."""
    now = datetime.now(UTC)
    _append(
        state_dir,
        CopyEnded(place=copy.place, run=copy.run, made_at=copy.made_at, ended_at=now, why=why),
    )


def made(state_dir: Path) -> list[CopyMade]:
    """Every copy, the oldest first; one that was noted again as it was noted last."""
    return list({each.key: each for each in _lines(state_dir) if isinstance(each, CopyMade)}.values())


def ended(state_dir: Path) -> dict[CopyKey, CopyEnded]:
    """Those that were removed."""
    latest: dict[tuple[str, str], datetime] = {}
    found = {}
    for each in _lines(state_dir):
        if isinstance(each, CopyMade):
            latest[each.place, each.run] = each.made_at
            continue
        made_at = each.made_at or latest.get((each.place, each.run))
        if made_at is not None:
            found[CopyKey(each.place, each.run, made_at)] = each
    return found


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
