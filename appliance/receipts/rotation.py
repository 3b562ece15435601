"""Another key for receipts: the old one and the new one sign that, and the chain goes on."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.errors import WorkFailedError
from appliance.receipts.book import ReceiptBook
from appliance.receipts.chain import ChainLink
from appliance.receipts.predicate import RotationPredicate
from appliance.receipts.signing_key import load_or_create_signing_key, public_pem, replace_signing_key
from appliance.receipts.statement import Statement, subject
from appliance.settings.settings import Settings

ROTATION = "key-rotation"
"""Stands in a file's name where a run's id does."""


def rotate(settings: Settings) -> tuple[str, str]:
    """Make another key; its public half, and the name of the receipt that leads to it.

    The receipt is written first: killed in between, the old key goes on, and the next rotation makes another.
    Raises WorkFailedError or WrongRequestError.
    """
    old, new = load_or_create_signing_key(settings.keys_dir), Ed25519PrivateKey.generate()
    pem = public_pem(new)

    def statement(link: ChainLink) -> Statement:
        predicate = RotationPredicate(link=link, old_key=public_pem(old), new_key=pem)
        digest = hashlib.sha256(pem.encode()).hexdigest()
        return Statement((subject("key/receipts", digest),), predicate)

    book = ReceiptBook(settings.receipts_dir, settings.keys_dir)
    path, _ = book.append(ROTATION, statement, also_signed_by=[new])
    try:
        replace_signing_key(settings.keys_dir, new)
        book.show_key(pem)
    except OSError as error:
        raise WorkFailedError(
            "The new key of receipts could not be written.",
            f"{error.strerror or type(error).__name__}. The old one goes on signing.",
            "Make room, and run the same command again.",
        ) from None
    return pem, path.name
