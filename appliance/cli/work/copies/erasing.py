"""What ``appliance erasure`` shares: the documents, the value, the confirmation."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from appliance.cli.terminal.private_line import read_private_line
from appliance.connections.file import load_connections
from appliance.erasure.carrying import Erasing
from appliance.erasure.request import Appliance
from appliance.errors import WrongRequestError
from appliance.policy.policy import read_policy
from appliance.settings.settings import load_settings
from appliance.steps.local.folders import state_folder
from appliance.subjects.document import Subjects, load_subjects
from appliance.subjects.records import SUBJECTS_FILE, ErasureRecord, PlaceRecord

_LONGEST_BYTES = 2_048
"""What a start-up packet has room for, in hex and a few times."""


def read_subjects(file: Path | None) -> Subjects:
    """The document. Raises WrongDocumentError, or WrongRequestError where there is none."""
    path = file or load_settings().config_dir / SUBJECTS_FILE
    if not path.exists():
        raise WrongRequestError(
            f"There is no {path}.",
            "It says who a subject is, and which rows are about one.",
            "Write it: docs/erasure.md has an example, appliance erasure schema its JSON Schema.",
        )
    return load_subjects(path)


def state_dir(state: Path | None) -> Path:
    """Where records of erasures lie."""
    return state_folder(load_settings(), state)


def make_erasing(  # noqa: PLR0917
    name: str,
    by: str | None,
    typed: str,
    subjects: Path | None,
    connections: Path | None,
    state: Path | None,
    exports_dir: Path | None,
    policy: Path | None = None,
) -> Erasing:
    """An erasure that has not been looked at yet. Raises our errors."""
    settings = load_settings()
    subject = read_subjects(subjects).named(name)
    folder = state_folder(settings, state)
    appliance = Appliance(
        state_dir=folder,
        exports_dir=exports_dir or folder / "exports",
        connections=load_connections(connections or settings.connections_file),
        policy=read_policy(settings, policy),
    )
    return Erasing(appliance, name, subject, by or subject.key, typed)


def read_value(file: Path | None, what: str) -> str:
    """What names the subject: the first line of a file, or what a person types. Raises WrongRequestError."""
    if file is None:
        if not sys.stdin.isatty():
            raise WrongRequestError(
                f"No terminal is there to ask for {what}.",
                "On the command line the value would stand in the shell's history and in every process list.",
                "Name a file of mode 600 that holds it: --value-file FILE",
            )
        value = str(typer.prompt(what, hide_input=False))
    else:
        value = read_private_line(file, what=str(file), why="It names a person.", longest=_LONGEST_BYTES + 2)
    if not value:
        raise WrongRequestError(f"No value was given for {what}.", "", "Type it, or name a file with it.")
    if "\0" in value or len(value.encode()) > _LONGEST_BYTES:
        raise WrongRequestError(f"The value for {what} is none that a key can have.", "", "Look at the file.")
    return value


def confirm(looked: list[PlaceRecord], *, yes: bool) -> None:
    """Ask, naming the counts. Raises WrongRequestError without a terminal to ask on."""
    copies = sum(each.before for place in looked if place.kind != "source" for each in place.tables)
    source = sum(each.before for place in looked if place.kind == "source" for each in place.tables)
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongRequestError(
            "No terminal is there to confirm the erasure.",
            "Nothing was changed.",
            "Look at the counts; then: --yes",
        )
    typer.confirm(f"Remove {copies:,} rows from copies, and change {source:,} in the source?", abort=True)


def check_same(erasing: Erasing, record: ErasureRecord) -> None:
    """Raise WrongRequestError where the value is not that of the erasure."""
    found = erasing.found.digests
    shared = [column for column in record.digests if column in found]
    if not shared or any(record.digests[column] != found[column] for column in shared):
        raise WrongRequestError(
            f"That is not the subject of {record.id}.",
            "The keyed digests differ.",
            "Type the value that the erasure was made with.",
        )
