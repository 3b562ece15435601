"""Epochs: generations of a source's mask keys, so that new pseudonyms cannot be linked to older ones.

``keys/epochs.json`` beside the appliance's key has the epoch of every source that was ever rotated; all
others are in the first. A run writes the epoch into its spec when it begins, and stays in it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ConfigDict, PositiveInt, RootModel, ValidationError

from appliance.documents.named_types import ConnectionName
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.keys.keys import owner_in

FIRST_EPOCH = 1
EPOCHS_FILE = "epochs.json"


class Epochs(RootModel[dict[ConnectionName, PositiveInt]]):
    """The epoch of each source, by the name under which its keys are derived."""

    model_config = ConfigDict(frozen=True, strict=True)

    def of(self, name: str) -> int:
        """The epoch of a source's keys now."""
        return self.root.get(name, FIRST_EPOCH)


def read_epochs(keys: Path) -> Epochs:
    """The epochs in a folder of keys. Raises WrongRequestError for a file that cannot be read or is none of
    ours.

    A wrong epoch would silently give everybody a new pseudonym.
    """
    path = keys / EPOCHS_FILE
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return Epochs.model_validate_json(file.read())
    except FileNotFoundError:
        return Epochs({})
    except OSError as error:
        if path.is_symlink():
            raise WrongRequestError(f"{path} is a link.", "The epochs are a file.", f"ls -l {path}") from None
        raise WrongRequestError(
            f"The epochs of the mask keys {path} cannot be read: {error.strerror}."
        ) from None
    except ValidationError:
        raise WrongRequestError(
            f"{path} does not hold the epochs of the mask keys.",
            "With a wrong epoch the same person would get a new pseudonym.",
            "Restore the file from a backup of the appliance.",
        ) from None


def start_epoch(keys: Path, names: list[str]) -> Epochs:
    """Put each of these sources into its next epoch, durably; all epochs then. Raises WrongRequestError."""
    with _locked(keys) as folder:
        former = read_epochs(keys)
        epochs = Epochs({**former.root, **{name: former.of(name) + 1 for name in names}})
        text = json.dumps(epochs.root, indent=1, sort_keys=True)
        owner = owner_in(folder)
        write_file(Path(EPOCHS_FILE), text, durable=True, mode=0o600, owner=owner, within=folder)
    return epochs


@contextmanager
def _locked(keys: Path) -> Iterator[int]:
    try:
        folder = os.open(keys, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise WrongRequestError(
            f"The folder of the appliance's keys {keys} cannot be opened: {error.strerror}.",
            "Epochs are written beside the mask key, which the first run makes.",
            "appliance keys show",
        ) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)
