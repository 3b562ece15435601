"""The keyed function of the masks in Python, under a key that is public: it is for examples only.

``masking/expressions/drawing.py`` has the same in SQL. A server is asked for each example too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from appliance.keys.keys import derived_key
from appliance.masking.bindings import KeyName
from appliance.masking.expressions.drawing import SHOWN_BYTES

EXAMPLE_KEY = hashlib.sha256(b"The key of the examples. It is no secret.").digest()
EXAMPLE_SUBJECT = 1
"""What stands in each column of a row's subject."""


def of_text(key: KeyName, text: str) -> bytes:
    """The digest of a text."""
    return _digest(key, _text(text))


def of_text_whole(key: KeyName, text: str) -> bytes:
    """HMAC of a text, all of which may be shown."""
    return hmac.digest(derived_key(_own(key), "hmac"), _text(text), hashlib.sha256)


def shown_of_text(key: KeyName, text: str, shown_bytes: int) -> bytes:
    """Whichever of the two a mask takes that shows so many bytes."""
    return (of_text if shown_bytes <= SHOWN_BYTES else of_text_whole)(key, text)


def of_integer(key: KeyName, value: int) -> bytes:
    """The digest of a whole number."""
    return _digest(key, _integer(value))


def of_moment(key: KeyName, value: date | datetime) -> bytes:
    """The digest of a date or of a timestamp, by its distance from the first day of 2000."""
    if isinstance(value, datetime):
        since = value - datetime(2000, 1, 1)
        count, size = since // timedelta(microseconds=1), 8
    else:
        count, size = (value - date(2000, 1, 1)).days, 4
    return _digest(key, b"d" + _length(size) + count.to_bytes(size, "big", signed=True))


def of_round(key: KeyName, value: int, bits: int, step: int) -> bytes:
    """The digest of a whole number in one round of a permutation."""
    return _digest(key, b"r" + bytes([bits, step]) + _length(8) + value.to_bytes(8, "big", signed=True))


def of_subject(key: KeyName, columns: Sequence[str]) -> bytes:
    """The digest of a row's subject, by as many columns as it has."""
    return _digest(key, _subject(columns))


def of_subject_whole(key: KeyName, columns: Sequence[str]) -> bytes:
    """HMAC of the same, all of which may be shown."""
    return hmac.digest(derived_key(_own(key), "hmac"), _subject(columns), hashlib.sha256)


def block(seed: bytes, place: int) -> bytes:
    """Sixteen bytes of the stream that follows from a seed."""
    return hashlib.sha256(seed + place.to_bytes(4, "big")).digest()[:16]


def number(digest: bytes, first: int, bits: int) -> int:
    """A non-negative whole number of so many bits from a byte on."""
    count = (bits + 7) // 8
    return int.from_bytes(digest[first : first + count], "big") & ((1 << bits) - 1)


def bit(digest: bytes, byte: int) -> bool:
    """A byte's lowest bit."""
    return bool(digest[byte] & 1)


def _digest(key: KeyName, message: bytes) -> bytes:
    return hashlib.sha256(_own(key) + message).digest()


def _own(key: KeyName) -> bytes:
    return derived_key(EXAMPLE_KEY, "domain", str(key))


def _subject(columns: Sequence[str]) -> bytes:
    if len(columns) == 1:
        return _integer(EXAMPLE_SUBJECT)
    value = str(EXAMPLE_SUBJECT)
    return _text(chr(31).join(part for _ in columns for part in (str(len(value)), value)))


def _integer(value: int) -> bytes:
    return b"n" + _length(8) + value.to_bytes(8, "big", signed=True)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"t" + _length(len(encoded)) + encoded


def _length(size: int) -> bytes:
    return size.to_bytes(4, "big")
