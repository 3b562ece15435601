"""The repository's private keys: a file each, in folders of which those with root keys are kept offline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from appliance.durable import create_file
from appliance.errors import WrongRequestError

SUFFIX = ".pem"


class Keys:
    """What can be signed with: the keys in these folders. Their files are called after what they sign."""

    def __init__(self, folders: Iterable[Path], passphrase: bytes | None = None) -> None:
        self._folders = tuple(folders)
        self._passphrase = passphrase
        self._read: dict[str, CryptoSigner] | None = None

    def make(self, name: str) -> SSlibKey:
        """Write a new key into the first folder, and give its public half. Raises WrongRequestError."""
        private = Ed25519PrivateKey.generate()
        folder = self._folders[0]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if self._passphrase:
            protection = serialization.BestAvailableEncryption(self._passphrase)
        pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        signer = CryptoSigner(private)
        # The beginning of its id keeps a new key of a role apart from the former one.
        path = folder / f"{name}.{signer.public_key.keyid[:8]}{SUFFIX}"
        if not create_file(path, pem, durable=True, mode=0o600):
            raise WrongRequestError(f"{path} is there already.", "", "Give another folder with --keys.")
        if self._read is not None:
            self._read[signer.public_key.keyid] = signer
        return _public(signer)

    def signers(self, keyids: Iterable[str]) -> list[CryptoSigner]:
        """Those of these keys that are here."""
        if self._read is None:
            self._read = dict(self._load())
        return [self._read[keyid] for keyid in keyids if keyid in self._read]

    def _load(self) -> Iterable[tuple[str, CryptoSigner]]:
        for folder in self._folders:
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                signer = CryptoSigner(self._private(path))
                yield signer.public_key.keyid, signer

    def _private(self, path: Path) -> Ed25519PrivateKey:
        status = path.stat()
        if status.st_mode & 0o077:
            raise WrongRequestError(
                f"{path} can be read by others.", "It is a private key.", f"chmod 600 {path}"
            )
        try:
            text = path.read_bytes()
            protected = b"ENCRYPTED" in text
            key = serialization.load_pem_private_key(text, self._passphrase if protected else None)
        except (OSError, ValueError, TypeError):
            raise WrongRequestError(
                f"The key {path} cannot be read.",
                "It is damaged, or its passphrase is another one.",
                "Name the file of its passphrase with --passphrase-file.",
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise WrongRequestError(f"{path} is no Ed25519 key.", "", "appliance-release rotate-key --help")
        return key


def _public(signer: CryptoSigner) -> SSlibKey:
    key = signer.public_key
    if not isinstance(key, SSlibKey):
        raise TypeError(type(key).__name__)
    return key


def passphrase(file: Path | None) -> bytes | None:
    """The first line of that file; None without one. Raises WrongRequestError."""
    if file is None:
        return None
    try:
        words = file.read_bytes().splitlines()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise WrongRequestError(f"{file} cannot be read: {why}.", "", f"ls -l {file}") from None
    if not words or not words[0]:
        raise WrongRequestError(f"{file} holds no passphrase.", "", "Write it into its first line.")
    return words[0]
