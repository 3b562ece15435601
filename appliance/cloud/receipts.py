"""What each heartbeat reports of receipts: where their chain ends."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from appliance.contract.receipts import ReceiptChain
from appliance.receipts.head import HEAD, PUBLIC_KEY, Head


def chain_end(folder: Path) -> ReceiptChain | None:
    """The number and digest of the newest receipt, and the public key; None before there is a key.

    A head that cannot be read is left out: the dashboard keeps the last one that it knows.
    """
    try:
        key = (folder / PUBLIC_KEY).read_text(encoding="ascii")
        if not (folder / HEAD).exists():
            return ReceiptChain(number=0, public_key=key)
        head = Head.model_validate_json((folder / HEAD).read_bytes())
        return ReceiptChain(number=head.number, digest=head.sha256, public_key=key)
    except (OSError, ValueError, ValidationError):
        return None
