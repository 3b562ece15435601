"""``data-users/uses.jsonl``: each time that a person's token was shown for a file, given or refused."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.data_users.tokens import FOLDER
from appliance.durable import append_line, finish_file
from appliance.errors import WorkFailedError
from appliance.system.beneath import as_owner_of

_FILE, _FORMER = "uses.jsonl", "uses.1.jsonl"
_LARGEST = 8 << 20


class TokenUse(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    token: str
    """Its id."""
    person: str
    workflow: str
    run: str
    file: str
    start: int = 0
    """The first byte that was asked for: more than 0 where a download was taken up again."""
    address: str
    """Where the request came from; behind a tunnel or a proxy that is its end."""
    refused: str = ""
    """Why nothing was given."""


def note_use(state_dir: Path, use: TokenUse) -> None:
    """Write it down. Raises WorkFailedError: what cannot be recorded is not handed out."""
    folder = state_dir / FOLDER
    path = folder / _FILE
    try:
        with as_owner_of(state_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > _LARGEST:
                    finish_file(path, folder / _FORMER, mode=0o600)
            append_line(path, use.model_dump_json(), durable=False, mode=0o600)
    except OSError as error:
        raise WorkFailedError(
            f"The use of a token could not be recorded in {path}.",
            error.strerror or type(error).__name__,
            f"df -h {state_dir}",
        ) from None


def uses(state_dir: Path) -> Iterator[TokenUse]:
    """Every use that is still recorded, the oldest first; half a line is passed over."""
    for name in (_FORMER, _FILE):
        try:
            with as_owner_of(state_dir):
                descriptor = os.open(state_dir / FOLDER / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as file:
            lines = file.readlines()
        for line in lines:
            with contextlib.suppress(ValidationError):
                yield TokenUse.model_validate_json(line)
