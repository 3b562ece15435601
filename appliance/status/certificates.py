"""When certificates expire: the status service's own, and those that connections.yaml and the settings name.

Reads the two dates of X.509 (RFC 5280, section 4.1) out of the DER itself: no library for it is needed here.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from appliance.connections import load_connections
from appliance.errors import ApplianceError
from appliance.settings import Settings

Row = dict[str, Any]

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
MAX_FILE_BYTES = 4 * 2**20


def expiries(settings: Settings) -> list[Row]:
    """Each certificate file that is in use, with the moment when the first in it expires; soonest first."""
    files = {settings.status.tls_certificate: "status", settings.dashboard_ca_file: "dashboard"}
    try:
        for name, connection in load_connections(settings.connections_file).items():
            for named in (connection.sslcert, connection.sslrootcert):
                if named and named != "system":
                    files.setdefault(Path(named), name)
    except ApplianceError:
        pass
    found = []
    for path, used_by in files.items():
        if path is not None and (expires_at := _first_expiry(path)):
            found.append({"file": str(path), "used_by": used_by, "expires_at": expires_at})
    return sorted(found, key=lambda entry: entry["expires_at"])


def _first_expiry(path: Path) -> datetime | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, mtime_ns: int, size: int) -> datetime | None:  # noqa: ARG001 - they make it read afresh
    if size > MAX_FILE_BYTES:
        return None
    try:
        bodies = _PEM.findall(path.read_bytes())
        return min((not_after(base64.b64decode(body)) for body in bodies), default=None)
    except (OSError, ValueError, IndexError):
        return None


def not_after(der: bytes) -> datetime:
    """The end of a certificate's validity. Raises ValueError or IndexError for what is no certificate."""
    _, certificate, _ = _element(der)
    _, signed, _ = _element(certificate)
    tag, _, rest = _element(signed)
    if tag == _VERSION:
        _, _, rest = _element(rest)
    for _ in ("signature algorithm", "issuer"):
        _, _, rest = _element(rest)
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("not a certificate")
    _, _, end = _element(validity)
    tag, moment, _ = _element(end)
    text = moment.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of the year: 50 to 99 lie in the former century.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("not a moment")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first element."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[2 : 2 + count], "big"), 2 + count
    if start + length > len(der):
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]
