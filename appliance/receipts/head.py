"""The end of the chain of receipts, and the names of a receipt folder's files.

Apart from the book, so that the status service reads the end of the chain without the libraries that sign and
check: they cost it 6 MB.
"""

from __future__ import annotations

import re
from datetime import datetime

from appliance.receipts.chain import ReceiptModel, Sha256

HEAD = "head.json"
PUBLIC_KEY = "receipts.pub"
FILE = re.compile(r"(\d{8})-([A-Za-z0-9._-]+)\.json")


class Head(ReceiptModel):
    """``head.json``: where the chain ends."""

    number: int
    sha256: Sha256
    written_at: datetime
