"""The appliance's own record of every erasure: counts, places and keyed digests, never a value.

``erasures/<id>.json`` is written before the first row goes, and again after each place: a process that is
killed leaves a record that says how far it came, and doing it again is harmless.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.documents.names import CONNECTION_NAME
from appliance.durable import write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.keys.keys import owner_in
from appliance.subjects.document import Subject, load_subjects
from appliance.subjects.erased import Erased
from appliance.system.beneath import as_owner_of

FOLDER = "erasures"
"""In the state's folder; part of every backup."""
SUBJECTS_FILE = "subjects.yaml"

PlaceKind = Literal["twin", "former twin", "golden copy", "branch", "files", "bucket", "pull", "source"]
"""A kind of copy that is added here is added to ``erasure/places.py``, which finds those that are there."""
PlaceState = Literal["open", "done", "empty", "left to others"]
"""``open``: it has to be tried again. ``left to others``: the appliance may not, and the record says why."""


class RecordModel(BaseModel):
    """Frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableCount(RecordModel):
    """Rows of one table about the subject. Numbers only."""

    table: str
    before: int
    after: int


class PlaceRecord(RecordModel):
    """What came of one place."""

    kind: PlaceKind
    name: str
    """``connection/database``, ``workflow/run`` of files, ``connection/folder/`` in a bucket,
    ``person/workflow/run`` of what was fetched."""
    run: str | None = None
    """Which run made it, where one did."""
    state: PlaceState = "open"
    why: str = ""
    tables: tuple[TableCount, ...] = ()

    @property
    def removed(self) -> int:
        """Rows that are gone."""
        return sum(each.before - each.after for each in self.tables)


class ErasureRecord(RecordModel):
    """One erasure. What a receipt of one is made from."""

    version: Literal[1] = 1
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,119}$")
    subject: str
    """Its kind, as subjects.yaml calls it."""
    source: str = Field(pattern=f"^{CONNECTION_NAME}$")
    key_name: str
    """Under which name the source's keys are derived."""
    reference: str | None = None
    """The customer's own number of the request."""
    asked_by: str
    user: str | None = None
    """Of this machine, who typed the latest pass."""
    begun_at: datetime
    ended_at: datetime | None = None
    found_by: str
    """The column."""
    digests: dict[str, str]
    """Keyed, by column of the subject's own table: by these later runs leave the subject out."""
    places: tuple[PlaceRecord, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return self.ended_at is None or any(place.state == "open" for place in self.places)

    @property
    def removed(self) -> int:
        """Rows that are gone, of all places."""
        return sum(place.removed for place in self.places)


def write_record(state_dir: Path, record: ErasureRecord) -> None:
    """Write it durably. Raises WorkFailedError."""
    folder = state_dir / FOLDER
    try:
        with as_owner_of(state_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = record.model_dump_json(indent=1) + "\n"
            write_file(folder / f"{record.id}.json", text, durable=True, mode=0o600, owner=owner_in(folder))
    except OSError as error:
        raise WorkFailedError(
            f"The record of the erasure could not be written below {folder}.",
            error.strerror or type(error).__name__,
            f"df -h {state_dir}; then run the same command again.",
        ) from None


def list_records(state_dir: Path) -> list[ErasureRecord]:
    """All of them, the oldest first.

    Raises WrongRequestError for one that cannot be read: later runs would bring back whom it names.
    """
    try:
        with as_owner_of(state_dir):
            paths = sorted(
                Path(entry.path)
                for entry in os.scandir(state_dir / FOLDER)
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            )
            contents = [(path, path.read_bytes()) for path in paths]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WrongRequestError(
            f"The records of erasures cannot be read: {error.strerror}.", "", "Put sudo before the command."
        ) from None
    return sorted((_record(*each) for each in contents), key=lambda record: record.begun_at)


def find_record(state_dir: Path, wanted: str) -> ErasureRecord:
    """One of them. Raises WrongRequestError."""
    for record in list_records(state_dir):
        if record.id == wanted:
            return record
    raise WrongRequestError(f"There is no erasure '{wanted}'.", "", "appliance erasure list")


def _record(path: Path, content: bytes) -> ErasureRecord:
    try:
        return ErasureRecord.model_validate_json(content)
    except ValidationError:
        raise WrongRequestError(
            f"{path} is no record of an erasure that this release can read.",
            "Runs leave out whom it names, and without it they could not.",
            "Restore the file from a backup of the appliance.",
        ) from None


def erased_subjects(state_dir: Path, config_dir: Path, key_name: str) -> tuple[Erased, ...]:
    """Whom a run of that source leaves out. Raises WrongRequestError where that cannot be said any more."""
    return together(
        [record for record in list_records(state_dir) if record.key_name == key_name],
        config_dir / SUBJECTS_FILE,
    )


def together(records: Iterable[ErasureRecord], subjects_file: Path) -> tuple[Erased, ...]:
    """The records of one source, by the kind of subject."""
    by_name: dict[str, list[ErasureRecord]] = {}
    for record in records:
        by_name.setdefault(record.subject, []).append(record)
    if not by_name:
        return ()
    known = _known_subjects(subjects_file)
    missing = [name for name in by_name if name not in known]
    if missing:
        raise WrongRequestError(
            f"{subjects_file} does not have the subject {', '.join(missing)} any more.",
            "Subjects of that kind were erased, and a run could not leave them out.",
            "Put it back: appliance erasure list has the erasures.",
        )
    return tuple(
        Erased(
            name=name,
            subject=known[name],
            digests=_digests([record.digests for record in each]),
            own=_digests([_own(record, known[name].key) for record in each]),
        )
        for name, each in by_name.items()
    )


def _known_subjects(path: Path) -> dict[str, Subject]:
    return load_subjects(path).subjects if path.exists() else {}


def _own(record: ErasureRecord, key: str) -> dict[str, str]:
    return {key: record.digests[key]} if key in record.digests else record.digests


def _digests(several: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    columns = dict.fromkeys(column for each in several for column in each)
    return {
        column: tuple(dict.fromkeys(each[column] for each in several if column in each)) for column in columns
    }
