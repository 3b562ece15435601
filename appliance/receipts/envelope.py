"""A receipt as a file: a DSSE envelope around the statement, signed with Ed25519.

The signing and the format are those of ``securesystemslib``, so that others can check a receipt with it, or
with anything else that reads DSSE, and without this program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from appliance.receipts.statement import PAYLOAD_TYPE, Statement

LARGEST = 64 << 20
"""Bytes of a receipt. A table with thousands of columns takes some hundred kilobytes."""


class WrongReceiptError(Exception):
    """It is not what was signed; the text is a sentence."""


@dataclass(frozen=True)
class SignedReceipt:
    """The content of a receipt's file, not yet believed."""

    content: bytes
    envelope: Envelope

    @property
    def digest(self) -> str:
        """SHA-256 of the file, which the next receipt has in it."""
        return digest_of(self.content)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Whose signatures it has."""
        return tuple(self.envelope.signatures)

    @property
    def signatures(self) -> dict[str, str]:
        """The signatures in hex, by the id of their key."""
        return {key: each.signature for key, each in self.envelope.signatures.items()}

    def signers(self, keys: Sequence[SSlibKey]) -> tuple[str, ...]:
        """The ids of those keys that have signed just this. Raises WrongReceiptError if none has."""
        present = [key for key in keys if key.keyid in self.envelope.signatures]
        if not present:
            known = ", ".join(sorted(key.keyid[:16] for key in keys))
            theirs = ", ".join(sorted(key[:16] for key in self.key_ids)) or "no key at all"
            raise WrongReceiptError(f"It was signed with another key: with {theirs}, and not with {known}.")
        signed = []
        for key in present:
            try:
                self.envelope.verify([key], 1)
            except VerificationError:
                raise WrongReceiptError(
                    f"It was changed after it was signed: the signature of {key.keyid[:16]} does not fit."
                ) from None
            signed.append(key.keyid)
        return tuple(signed)


def sign(statement: Statement, keys: Iterable[Ed25519PrivateKey]) -> SignedReceipt:
    """Sign a statement with each of the keys."""
    envelope = Envelope(statement.payload(), PAYLOAD_TYPE, {})
    for key in keys:
        envelope.sign(CryptoSigner(key))
    return SignedReceipt(_written(envelope), envelope)


def read_envelope(content: bytes) -> SignedReceipt:
    """The envelope in a file. Raises WrongReceiptError for what is none, or is not written as one is."""
    if len(content) > LARGEST:
        raise WrongReceiptError(f"It is larger than {LARGEST >> 20} MB, which no receipt is.")
    try:
        document = json.loads(content)
        envelope = Envelope.from_dict(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WrongReceiptError("It is not a signed receipt: no DSSE envelope is in it.") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise WrongReceiptError("It is signed, and no receipt: its payload is of another type.")
    if _written(envelope) != content:
        # Base64 and JSON have several ways to write the same: only one is the appliance's.
        raise WrongReceiptError("It was changed after it was written: it is not byte for byte as it was.")
    return SignedReceipt(content, envelope)


def digest_of(content: bytes) -> str:
    """What ``sha256sum`` says of a file with that content."""
    return hashlib.sha256(content).hexdigest()


def _written(envelope: Envelope) -> bytes:
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode() + b"\n"
