"""A backup's passphrase: from a file or typed in, never from an argument or the environment."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from appliance.errors import WrongRequestError

SHORTEST = 12
LONGEST_BYTES = 4096


def read_passphrase(file: Path | None, *, is_new: bool) -> str:
    """The first line of ``file``, or what a person types (twice if it is new). Raises WrongRequestError."""
    given = _from_file(file) if file is not None else _typed(is_new=is_new)
    if is_new and len(given) < SHORTEST:
        raise WrongRequestError(
            f"The passphrase is too short: it has {len(given)} characters.",
            f"The file holds every key and password of this appliance; {SHORTEST} is the least.",
            "Choose a longer one: a few words that are hard to guess.",
        )
    if not given:
        raise WrongRequestError(
            "No passphrase was given.", "", "Name a file with --passphrase-file, or type it."
        )
    return given


def _from_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            status = file.stat()
            line = opened.readline(LONGEST_BYTES)
    except OSError as error:
        raise WrongRequestError(
            f"The passphrase file {file} cannot be read: {error.strerror}.", "", f"ls -l {file}"
        ) from None
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        raise WrongRequestError(
            f"The passphrase file {file} can be read or written by others than its owner.",
            "It opens the backup.",
            f"chmod 600 {file}",
        )
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise WrongRequestError(f"The passphrase file {file} is not text.", "", f"file {file}") from None


def _typed(*, is_new: bool) -> str:
    if not sys.stdin.isatty():
        raise WrongRequestError(
            "No terminal is there to ask for the passphrase.",
            "Standard input is no terminal.",
            "Name a file that holds it, of mode 600: --passphrase-file FILE",
        )
    import getpass  # noqa: PLC0415

    given = getpass.getpass("Passphrase: ")
    if is_new and getpass.getpass("The same again: ") != given:
        raise WrongRequestError("The two passphrases differ.", "", "Try again.")
    return given
