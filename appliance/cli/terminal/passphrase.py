"""A backup's passphrase: from a file or typed in, never from an argument or the environment."""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.cli.terminal.private_line import read_private_line
from appliance.errors import WrongRequestError

SHORTEST = 12
LONGEST_BYTES = 4096


def read_passphrase(file: Path | None, *, is_new: bool) -> str:
    """The first line of ``file``, or what a person types (twice if it is new). Raises WrongRequestError."""
    given = _typed(is_new=is_new) if file is None else _line(file)
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


def _line(file: Path) -> str:
    what = f"The passphrase file {file}"
    return read_private_line(file, what=what, why="It opens the backup.", longest=LONGEST_BYTES)


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
