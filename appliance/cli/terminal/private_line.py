"""A line that a person wrote into a file for their own eyes: a passphrase, a subject's value."""

from __future__ import annotations

import stat
from pathlib import Path

from appliance.errors import WrongRequestError


def read_private_line(file: Path, *, what: str, why: str, longest: int) -> str:
    """The first line of a file, up to ``longest`` bytes of it, that none but its owner may read.

    ``what`` is the file's name in messages, ``why`` it is private. A pipe has no mode to look at. Raises
    WrongRequestError.
    """
    try:
        with file.open("rb") as opened:
            status = file.stat()
            line = opened.readline(longest)
    except OSError as error:
        raise WrongRequestError(f"{what} cannot be read: {error.strerror}.", "", f"ls -l {file}") from None
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        raise WrongRequestError(
            f"{what} can be read or written by others than its owner.", why, f"chmod 600 {file}"
        )
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise WrongRequestError(f"{what} is not text.", "", f"file {file}") from None
