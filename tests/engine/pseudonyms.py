"""Every keyed mask again, in Python and from its description alone: the server's SQL must agree.

It shares the word lists with the appliance, and nothing else.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import re
import struct
import uuid
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext

from appliance.masking.word_lists import whole_list

STEPS = 2**20 - 1
Digest = bytes


def derived(key: bytes, *names: str) -> bytes:
    """HMAC-SHA-256 of names, each with its length in four bytes."""
    message = b"".join(struct.pack(">I", len(name.encode())) + name.encode() for name in names)
    return hmac.new(key, message, hashlib.sha256).digest()


class Pseudonyms:
    """The masks of one source in one epoch."""

    def __init__(self, root: bytes, source: str, epoch: int) -> None:
        self.key = derived(root, "source", source, "epoch", str(epoch))

    def own(self, mask: str, domain: str | None = None) -> bytes:
        """The key of a mask in a domain."""
        return derived(self.key, "domain", f"{mask}/{domain or mask}")

    def digest(self, mask: str, domain: str | None, header: bytes, body: bytes) -> Digest:
        """SHA-256 of key, header and message."""
        return hashlib.sha256(self.own(mask, domain) + header + body).digest()

    def of_text(self, mask: str, domain: str | None, text: str) -> Digest:
        """The digest of a text."""
        body = text.encode()
        return self.digest(mask, domain, b"t", struct.pack(">I", len(body)) + body)

    def of_number(self, mask: str, domain: str | None, number: int) -> Digest:
        """The digest of a whole number."""
        return self.digest(mask, domain, b"n" + struct.pack(">I", 8), struct.pack(">q", number))

    def hmac(self, mask: str, domain: str | None, letter: bytes, body: bytes) -> Digest:
        """HMAC, for what is shown whole."""
        own = derived(self.own(mask, domain), "hmac")
        return hmac.new(own, letter + struct.pack(">I", len(body)) + body, hashlib.sha256).digest()

    def hash_text(self, text: str, domain: str | None = None, length: int = 32) -> str:
        """``hash`` of text."""
        if not text:
            return ""
        if length > 32:
            return self.hmac("hash", domain, b"t", text.encode()).hex()[:length]
        return self.of_text("hash", domain, text).hex()[:length]

    def hash_bytes(self, value: bytes, domain: str | None = None) -> bytes:
        """``hash`` of bytea."""
        return self.hmac("hash", domain, b"b", value)

    def hash_uuid(self, value: uuid.UUID, domain: str | None = None) -> uuid.UUID:
        """``hash`` of a uuid."""
        found = bytearray(self.digest("hash", domain, b"u" + struct.pack(">I", 16), value.bytes)[:16])
        found[6], found[8] = 0x40, 0x80
        return uuid.UUID(bytes=bytes(found))

    def hash_address(self, text: str, domain: str | None = None) -> str:
        """``hash`` of inet, of a single address."""
        bits = 8 * len(ipaddress.ip_address(text).packed)
        digest = self.of_text("hash", domain, f"{text}/{bits}")
        if ipaddress.ip_address(text).version == 6:
            return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("fd00::")) + number(digest, 0, 63)))
        four = ipaddress.IPv4Address("10.0.0.0") + number(digest, 0, 24)
        return (
            str(ipaddress.IPv4Address("10.0.0.0") + (number(digest, 0, 24) ^ 1))
            if str(four) == text
            else str(four)
        )

    def hash_number(self, value: int, bits: int, domain: str | None = None) -> int:
        """``hash`` of a whole number of so many bits below the sign."""
        sign = value >> 63

        def step(source: int, place: int) -> Digest:
            header = b"r" + bytes([bits, place]) + struct.pack(">I", 8)
            return self.digest("hash", domain, header, struct.pack(">q", source))

        below = value & (2**bits - 1)
        if bits == 15:
            order = sorted(range(2**bits), key=lambda each: (step(each, 255), each))
            return (sign << bits) | order[below]
        low_bits = (bits + 1) // 2
        high, low = below >> low_bits, below & (2**low_bits - 1)
        for place in range(10):
            if place % 2 == 0:
                high ^= first_bits(step(low, place), bits - low_bits)
            else:
                low ^= first_bits(step(high, place), low_bits)
        return (sign << bits) | (high << low_bits) | low

    def of_subject(self, mask: str, subject: str, key: tuple[int | str, ...]) -> Digest:
        """The digest of a linked subject by its key."""
        return self.digest(mask, None, b"s" + _with_length(subject) + b"k", _key(key))

    def of_address(self, mask: str, subject: str, column: str, value: int | str) -> Digest:
        """The digest of someone who is no subject, by what is unique to subjects."""
        header = b"s" + _with_length(subject) + b"v" + _with_length(column)
        return self.digest(mask, None, header, _key((value,)))

    def email(self, text: str, domain: str | None = None) -> str:
        """``email`` on example.com."""
        return self.email_of(self.of_text("email", domain, text)) if text else ""

    def email_of(self, digest: Digest) -> str:
        """The address that a digest gives."""
        names = whole_list("mailbox")
        return f"{names[number(digest, 12, 30) % len(names)]}.{digest[:9].hex()}@example.com"

    def picked_of(self, mask: str, digest: Digest) -> str:
        """The words that a digest gives."""
        return _PICKS[mask](digest, 0)

    def picked(self, mask: str, text: str, domain: str | None = None) -> str:
        """A mask of word lists."""
        if not text:
            return ""
        digest = self.of_text(mask, domain, text)
        found = _PICKS[mask](digest, 0)
        return found if found != text else _PICKS[mask](digest, 1)

    def random_string(self, text: str, domain: str | None = None, length: int = 16) -> str:
        """``random_string``."""
        if not text:
            return ""
        chopped = length <= 21
        found = self.of_text if chopped else self._whole
        encoded = base64.b64encode(found("random_string", domain, text)).decode().lower()
        return encoded.replace("+", "0").replace("/", "1")[:length]

    def _whole(self, mask: str, domain: str | None, text: str) -> Digest:
        return self.hmac(mask, domain, b"t", text.encode())

    def phone(self, text: str, domain: str | None = None) -> str:
        """``phone`` without a prefix."""
        digest = self.of_text("phone", domain, text)
        drawn = number(digest, 0, 58)
        if re.fullmatch(r"[ -?]{0,16}", text):
            masked = "".join(
                str(digest[place] * 10 // 256) if each in "0123456789" else each
                for place, each in enumerate(text)
            )
        elif len(text.encode()) <= 40 and re.fullmatch(r"[-0-9 +()/#*.]*", text):
            places = sum(character.isdigit() for character in text)
            digits = iter(f"{drawn:018}".rjust(max(places, 18), "0")[-places or 99 :])
            masked = "".join(next(digits) if each in "0123456789" else each for each in text)
        else:
            ten = str(drawn + 10**18)[-10:]
            kept = text.translate(str.maketrans("0123456789", ten))
            masked = re.sub(r"[^ -?]", "x", kept)
        if masked != text:
            return masked
        return text.translate(str.maketrans("0123456789", "1234567890"))

    def shifted(
        self, date: dt.date, subject: int | str, domain: str | None = None, most: int = 180
    ) -> dt.date:
        """``date_shift`` by a subject of one column."""
        return self.shifted_by(
            self.of_number("date_shift", domain, subject)
            if isinstance(subject, int)
            else self.of_text("date_shift", domain, subject),
            date,
            most,
        )

    def shifted_by(self, digest: Digest, date: dt.date, most: int = 180) -> dt.date:
        """The date that a digest gives."""
        days = dt.timedelta(days=1 + number(digest, 0, 30) % most)
        return date - days if digest[4] & 1 else date + days

    def noise_on_integer(self, value: int, domain: str | None = None) -> int:
        """``number_noise`` of ten percent on an integer."""
        digest = self.of_number("number_noise", domain, value)
        moved = round(float(value) * (1 + float(step_of(digest)) * float(Decimal("0.1") / STEPS)))
        if moved not in (0, value):
            return moved
        if value in (0, 1):
            return value * 2
        return value + 1 if digest[3] & 1 and value != -1 else value - 1

    def noise_on_numeric(self, value: Decimal, scale: int, domain: str | None = None) -> Decimal:
        """``number_noise`` of ten percent on numeric(12, scale), for numbers that are not the smallest."""
        with localcontext() as context:
            context.prec = 200
            text = format(value, "f")
            text = text.rstrip("0").rstrip(".") if "." in text else text
            factor = (Decimal("0.1") / STEPS).quantize(Decimal(10) ** -30)
            moved = value * (1 + step_of(self.of_text("number_noise", domain, text)) * factor)
            return moved.quantize(Decimal(10) ** -scale, rounding=ROUND_HALF_UP)

    def noise_on_float(self, value: float, domain: str | None = None) -> float:
        """``number_noise`` of ten percent on double precision."""
        body = struct.pack(">d", value + 0.0)
        digest = self.digest("number_noise", domain, b"f" + struct.pack(">I", 8), body)
        return value * (1 + float(step_of(digest)) * float(Decimal("0.1") / STEPS))


def _with_length(text: str) -> bytes:
    return struct.pack(">I", len(text.encode())) + text.encode()


def _key(values: tuple[int | str, ...]) -> bytes:
    """A key's message: a whole number, a text, or several with their lengths."""
    if len(values) > 1:
        texts = [str(value) for value in values]
        parts = [part for text in texts for part in (str(len(text.encode())), text)]
        return b"t" + _with_length(chr(31).join(parts))
    (value,) = values
    if isinstance(value, int):
        return b"n" + struct.pack(">Iq", 8, value)
    return b"t" + _with_length(value)


def number(digest: Digest, first: int, bits: int) -> int:
    """A whole number of so many bits from a byte of the digest on, its top bits cut off."""
    count = (bits + 7) // 8
    return int.from_bytes(digest[first : first + count], "big") & (2**bits - 1)


def first_bits(digest: Digest, bits: int) -> int:
    """The first bits of a digest."""
    return int.from_bytes(digest[:4], "big") >> (32 - bits)


def step_of(digest: Digest) -> int:
    """An odd number between -STEPS and STEPS."""
    return number(digest, 0, 20) * 2 - STEPS


def _word(name: str, place: int) -> str:
    words = whole_list(name)
    return words[place % len(words)]


def _one(name: str) -> Callable[[Digest, int], str]:
    return lambda digest, more: _word(name, number(digest, 0, 30) + more)


def _two(first: str, second: str) -> Callable[[Digest, int], str]:
    return lambda digest, more: (
        f"{_word(first, number(digest, 0, 30) + more)} {_word(second, number(digest, 4, 30))}"
    )


_PICKS: dict[str, Callable[[Digest, int], str]] = {
    "first_name": _one("first_name"),
    "last_name": _one("last_name"),
    "city": _one("city"),
    "full_name": _two("first_name", "last_name"),
    "company": _two("company_name", "company_trade"),
    "street": lambda digest, more: (
        f"{1 + number(digest, 4, 30) % 199} {_word('street', number(digest, 0, 30) + more)}"
    ),
}
