"""The key that signs receipts: Ed25519, made on first use, never outside of its file.

Only the process that orchestrates a run reads it. No step's container is given it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import SSlibKey

from appliance.durable import create_file, write_file
from appliance.errors import WrongRequestError
from appliance.keys.keys import owner_in
from appliance.system.beneath import as_owner_of

KEY_FILE = "receipts.pem"
_LARGEST = 4096


def load_or_create_signing_key(keys_dir: Path) -> Ed25519PrivateKey:
    """The appliance's signing key; made, with mode 0600, where there is none yet.

    Raises WrongRequestError for a file that is no such key, or that others may read.
    """
    path = keys_dir / KEY_FILE
    with as_owner_of(path):
        try:
            return read_signing_key(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = private_pem(Ed25519PrivateKey.generate())
            create_file(path, content, durable=True, mode=0o600, owner=owner_in(path.parent))
            return read_signing_key(path)


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file. Raises FileNotFoundError, and WrongRequestError as above."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_LARGEST)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WrongRequestError(f"The key of receipts {path} cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        raise WrongRequestError(
            f"The key of receipts {path} can be read or written by others than its owner (mode {mode:04o}).",
            "Who has it can sign receipts of runs that never were.",
            f"chmod 600 {path}",
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise WrongRequestError(
            f"{path} does not hold the key of receipts: it is damaged.",
            "Receipts of another key would not fit the chain.",
            "Restore the file from a backup of the appliance: appliance backup restore FILE",
        )
    return key


def replace_signing_key(keys_dir: Path, key: Ed25519PrivateKey) -> None:
    """Have another key sign from now on. Raises OSError."""
    path = keys_dir / KEY_FILE
    with as_owner_of(path):
        write_file(path, private_pem(key), durable=True, mode=0o600, owner=owner_in(path.parent))


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """As it lies in its file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> str:
    """What others check receipts with."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(pem: str | bytes) -> SSlibKey:
    """A public key from its PEM. Raises WrongRequestError for anything else."""
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(data))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if key is None or key.keytype != "ed25519":
        raise WrongRequestError(
            "This is no public key of receipts.",
            "It begins with -----BEGIN PUBLIC KEY----- and is of the kind Ed25519.",
            "appliance receipt key > receipts.pub",
        )
    return key
