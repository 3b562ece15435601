"""The appliance's key for pseudonyms, and what is derived from it for the masks' SQL.

From the appliance's key follows one for each source and epoch, and from that one for each mask kind and
domain. Only those, or pads for HMAC (RFC 2104) made from them, are ever sent to a database, and to that
source alone. So the key of one mask opens no other mask's pseudonyms, nor a source's keys those of another.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from appliance.durable import Owner, create_file
from appliance.errors import WrongRequestError
from appliance.system.beneath import as_owner_of

KEY_BYTES = 32
_BLOCK_BYTES = 64
"""The block of SHA-256, to which HMAC pads its key."""
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedBinding(Protocol):
    """What a binding says about the value it wants: which ``part`` of the key of which ``domain``."""

    @property
    def part(self) -> str:
        """``key``, ``inner_pad`` or ``outer_pad``."""
        ...

    @property
    def domain(self) -> str:
        """What the key is for: a mask kind and a domain of it, or something else with a name of its own."""
        ...


def load_or_create_key(path: Path) -> bytes:
    """The appliance's key (32 bytes); made, with mode 0600, where there is none yet.

    Two processes that start at the same time get the same key. Raises WrongRequestError for a file that is
    not a key or that others may read: a wrong key would silently give different pseudonyms.
    """
    with as_owner_of(path):
        try:
            return read_key(path)
        except FileNotFoundError:
            _create(path)
            return read_key(path)


def read_key(path: Path) -> bytes:
    """The key in a file. Raises FileNotFoundError, and WrongRequestError as ``load_or_create_key`` does."""
    try:
        with as_owner_of(path):
            opened = path.open("rb")
        with opened as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WrongRequestError(f"The mask key {path} cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        raise WrongRequestError(
            f"The mask key {path} can be read or written by others than its owner (mode {mode:04o}).",
            "Who has it can tell which pseudonym belongs to which value.",
            f"chmod 600 {path}",
        )
    if len(key) != KEY_BYTES:
        raise WrongRequestError(
            f"The mask key {path} is not {KEY_BYTES} bytes long.",
            "With any other key the same person would get a new pseudonym.",
            "Restore the file from a backup of the appliance.",
        )
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The first of two processes wins, and no one sees half a key.
    key = secrets.token_bytes(KEY_BYTES)
    create_file(path, key, durable=True, mode=0o600, owner=owner_in(path.parent))


def owner_in(folder: Path | int) -> Owner | None:
    """The owner of what is made in a folder (its path, or itself held open).

    Made by hand as root, it is still for the user that the appliance runs as, who has the folder.
    """
    if os.geteuid() != 0:
        return None
    status = folder.stat() if isinstance(folder, Path) else os.fstat(folder)
    return status.st_uid, status.st_gid


def derived_key(key: bytes, *parts: str) -> bytes:
    """32 bytes for a way of names below a key: HMAC-SHA-256 (RFC 2104) of the names, each with its length.

    No two ways give the same message, and what one of them gives says nothing about another.
    """
    names = (part.encode() for part in parts)
    message = b"".join(len(name).to_bytes(4, "big") + name for name in names)
    return hmac.digest(key, message, hashlib.sha256)


def source_key(key: bytes, name: str, epoch: int) -> bytes:
    """The key of all masks of a source in an epoch, below the appliance's key.

    ``name`` is the connection's, or what its ``mask_key`` says.
    """
    return derived_key(key, "source", name, "epoch", str(epoch))


def run_key(key: bytes, run_id: str) -> bytes:
    """The key of what one run compares and then forgets, below the appliance's key."""
    return derived_key(key, "run", run_id)


def fingerprint(key: bytes) -> str:
    """Sixteen hexadecimal digits by which people can see whether two keys are the same."""
    return derived_key(key, "fingerprint")[:8].hex()


def binding_value(key: bytes, binding: KeyedBinding) -> str:
    """What is bound for SQL: 64 hex digits for a key, 128 for a pad.

    ``key`` is a source's or a run's. Raises ValueError for a part that does not come from a key.
    """
    own = derived_key(key, "domain", binding.domain)
    if binding.part == "key":
        return own.hex()
    padded = derived_key(own, "hmac").ljust(_BLOCK_BYTES, b"\0")
    if binding.part == "inner_pad":
        return padded.translate(_INNER).hex()
    if binding.part == "outer_pad":
        return padded.translate(_OUTER).hex()
    raise ValueError(f"no key gives a {binding.part}")
