"""The appliance's key for pseudonyms, and what is derived from it for the masks' SQL.

Deterministic masks are HMAC-SHA-256 (RFC 2104), written in SQL as two nested ``sha256`` over pads that are
computed here, so that the key itself is never sent to a database. Every mask domain has its own key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from appliance.beneath import as_owner_of
from appliance.errors import RequestWrong

KEY_BYTES = 32
_BLOCK_BYTES = 64
"""The block of SHA-256, to which HMAC pads its key."""
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedBinding(Protocol):
    """What a binding says about the value it wants: which ``part`` of the key of which ``domain``."""

    @property
    def part(self) -> str:
        """``inner_pad``, ``outer_pad`` or ``seed``."""
        ...

    @property
    def domain(self) -> str:
        """The mask domain: values masked in the same one get the same pseudonym."""
        ...


def load_or_create_key(path: Path) -> bytes:
    """The appliance's key (32 bytes); made, with mode 0600, where there is none yet.

    Two processes that start at the same time get the same key. Raises RequestWrong for a file that is not a
    key or that others may read: a wrong key would silently give different pseudonyms.
    """
    with as_owner_of(path):
        try:
            return read_key(path)
        except FileNotFoundError:
            _create(path)
            return read_key(path)


def read_key(path: Path) -> bytes:
    """The key in a file. Raises FileNotFoundError, and RequestWrong as ``load_or_create_key`` does."""
    try:
        with as_owner_of(path):
            opened = path.open("rb")
        with opened as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RequestWrong(f"The mask key {path} cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        raise RequestWrong(
            f"The mask key {path} can be read or written by others than its owner (mode {mode:04o}).",
            "Who has it can tell which pseudonym belongs to which value.",
            f"chmod 600 {path}",
        )
    if len(key) != KEY_BYTES:
        raise RequestWrong(
            f"The mask key {path} is not {KEY_BYTES} bytes long.",
            "With any other key the same person would get a new pseudonym.",
            "Restore the file from a backup of the appliance.",
        )
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    drafted = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(drafted, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken, so the first of two processes wins and nobody sees half a key.
        try:
            os.link(drafted, path)
        except FileExistsError:
            return
    finally:
        drafted.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def domain_key(key: bytes, domain: str) -> bytes:
    """The key of one mask domain: 32 bytes that say nothing about another domain's."""
    return hmac.digest(key, b"mask-domain:" + domain.encode(), hashlib.sha256)


def binding_value(key: bytes, binding: KeyedBinding) -> str:
    """What is bound for SQL: 64 hex digits for a key, 128 for a pad, a signed 64-bit decimal for a seed.

    Raises ValueError for a part that does not come from a key.
    """
    derived = domain_key(key, binding.domain)
    if binding.part == "key":
        return derived.hex()
    if binding.part == "seed":
        seed = hmac.digest(derived, b"seed", hashlib.sha256)[:8]
        return str(int.from_bytes(seed, "big", signed=True))
    padded = derived.ljust(_BLOCK_BYTES, b"\0")
    if binding.part == "inner_pad":
        return padded.translate(_INNER).hex()
    if binding.part == "outer_pad":
        return padded.translate(_OUTER).hex()
    raise ValueError(f"no key gives a {binding.part}")
