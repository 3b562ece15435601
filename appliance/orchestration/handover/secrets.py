"""The secrets that a container of the customer's own may be given: the owner's files, one each."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.errors import WrongRequestError

LARGEST_SECRET = 2**20


def read_secret(folder: Path, name: str) -> bytes:
    """One of them. Raises WrongRequestError for one that is missing, too large or open to others."""
    file = folder / name
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_SECRET + 1)
            mode = os.fstat(opened.fileno()).st_mode
    except OSError as error:
        raise WrongRequestError(
            f"The secret '{name}' cannot be read: {error.strerror or type(error).__name__}.",
            f"It is the file {file}, for the user of the appliance alone.",
            f"sudo install -D -o appliance -g appliance -m 600 FILE {file}",
        ) from None
    if mode & 0o077:
        raise WrongRequestError(
            f"{file} can be read or written by others than its owner.", "It is a secret.", f"chmod 600 {file}"
        )
    if len(content) > LARGEST_SECRET:
        raise WrongRequestError(f"The secret '{name}' is larger than 1 MiB.", f"It is the file {file}.")
    return content
