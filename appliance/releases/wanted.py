"""What the status service asks for, and what it is answered: two files in one folder of the service's user.

``wanted.json``: {"version", "requested_at", "command_id"}, written where policy accepted an update.
``outcome.json``: {"version", "result": "done" | "failed" | "refused", "message", "at", "command_id"}.

The folder belongs to a less trusted user than the one that this code runs as: no link in it is followed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.documents.names import RELEASE
from appliance.durable import write_file

FOLDER = Path("/var/lib/appliance/update")
_WANTED = "wanted.json"
_OUTCOME = "outcome.json"
_BYTES_MAX = 65_536

_PASSES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)

Result = Literal["done", "failed", "refused"]


class Wanted(BaseModel):
    """A release that someone asked for."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    version: Annotated[str, Field(pattern=f"^{RELEASE}$")]
    requested_at: AwareDatetime
    command_id: str | None = Field(default=None, max_length=100)


def read_wanted(folder: Path) -> Wanted | None:
    """What is asked for; None where nothing is, or nothing that can be understood."""
    with contextlib.suppress(OSError, ValidationError), opened_folder(folder) as where:
        return _read(where)
    return None


def _read(where: int) -> Wanted | None:
    text = read_plain_file(where, _WANTED)
    return Wanted.model_validate_json(text) if text is not None else None


def read_plain_file(where: int, name: str) -> bytes | None:
    """A small file of that folder, no link; None for anything else. Raises OSError where there is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=where), "rb") as file:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(_BYTES_MAX) if is_file else None


@contextlib.contextmanager
def opened_folder(folder: Path) -> Iterator[int]:
    """The folder itself, whatever takes its name. Raises OSError, for a link too."""
    where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield where
    finally:
        os.close(where)


def forget_wanted(folder: Path, wanted: Wanted) -> None:
    """It was answered. What has been asked for since stays."""
    with contextlib.suppress(OSError, ValidationError), opened_folder(folder) as where:
        if _read(where) == wanted:
            os.unlink(_WANTED, dir_fd=where)


def write_outcome(folder: Path, wanted: Wanted, result: Result, message: str) -> None:
    """Answer: whole or not at all. Raises OSError where that may be better another time.

    Whose folder it is may have made of it what cannot be answered in: no move waits for that.
    """
    answer = {
        "version": wanted.version,
        "result": result,
        "message": message,
        "at": datetime.now(UTC).isoformat(),
        "command_id": wanted.command_id,
    }
    try:
        with opened_folder(folder) as where:
            # The status service is another user, and reads it.
            write_file(Path(_OUTCOME), json.dumps(answer), durable=True, mode=0o644, within=where)
    except OSError as error:
        if error.errno in _PASSES:
            raise
        sys.stderr.write(f"Nothing can be answered in {folder}: {error.strerror}.\n")
