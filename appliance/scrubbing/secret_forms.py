"""How a secret looks where a program has written it: in URLs, JSON, Python, SQL, HTML, bytes, headers."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 3
"""A shorter password would take half of every word with it."""
_SHORTEST_ENCODED = 5
"""Fewer characters of base64 stand in any text."""


def secret_forms(secret: str) -> set[str]:
    """Every form that is looked for."""
    # A terminal, a file system or a browser may compose or decompose what it was given.
    ways = [secret, *(unicodedata.normalize(form, secret) for form in ("NFC", "NFD", "NFKC", "NFKD"))]
    forms = {form for way in dict.fromkeys(ways) if len(way) >= SHORTEST_SECRET for form in _written(way)}
    return {form for form in forms if len(form) >= SHORTEST_SECRET}


def _written(text: str) -> Iterator[str]:
    yield text
    yield from _percent(text)
    yield from _escaped(text)
    yield from _html(text)
    for codec in ("utf-8", "latin-1"):
        try:
            raw = text.encode(codec)
        except UnicodeEncodeError:
            continue
        yield from _bytes(raw)


def _percent(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    everything = "".join(f"%{byte:02X}" for byte in raw)
    for form in (quote(raw, safe=""), quote(raw), quote_plus(raw), everything):
        yield form
        yield _lower_escapes(form)


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _escaped(text: str) -> Iterator[str]:
    for quoted in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield quoted
        yield quoted.replace("/", "\\/")
        # JSON inside of JSON.
        yield json.dumps(quoted)[1:-1]
    yield "".join(f"\\u{ord(each):04x}" if ord(each) < 0x10000 else each for each in text)
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield text.replace("'", "''")
    yield text.replace('"', '""')
    yield text.replace("'", "'\\''")
    yield text.replace("\\", "\\\\").replace(":", "\\:")
    yield text.replace("\\", "\\\\").replace("'", "\\'")


def _html(text: str) -> Iterator[str]:
    for form in (
        html.escape(text),
        html.escape(text, quote=False),
        html.escape(text).replace("&#x27;", "&#39;"),
    ):
        yield form
        yield form.replace("&#x27;", "&apos;")
        yield form.encode("ascii", "xmlcharrefreplace").decode()
        yield "".join(each if each.isascii() else f"&#x{ord(each):x};" for each in form)
        yield "".join(each if each.isascii() else f"&#x{ord(each):X};" for each in form)
    yield "".join(f"&#{ord(each)};" for each in text)
    yield "".join(f"&#x{ord(each):x};" for each in text)


def _bytes(raw: bytes) -> Iterator[str]:
    """As Python shows bytes, as PostgreSQL shows bytea, in hexadecimal and in base64."""
    yield repr(raw)[2:-1]
    yield "".join(f"\\x{byte:02x}" for byte in raw)
    yield "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)
    yield "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02X}" for byte in raw)
    yield "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\{byte:03o}" for byte in raw)
    for separator in ("", " ", ":"):
        yield raw.hex(separator) if separator else raw.hex()
        yield (raw.hex(separator) if separator else raw.hex()).upper()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # A header has the user's name before it, so a secret may begin at any of three places.
            coded = encode(b"\0" * before + raw).decode()
            from_here = coded[(before * 8 + 5) // 6 :]
            to_here = from_here.rstrip("=")[: -1 if (before + len(raw)) % 3 else None]
            if len(to_here) >= _SHORTEST_ENCODED:
                yield to_here
            if not before and len(from_here.rstrip("=")) >= _SHORTEST_ENCODED:
                yield from_here.rstrip("=")
