"""When certificates expire: the status service's own, and those that connections.yaml and the settings name.

They are read from the files themselves.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from appliance.connections.file import Connections, load_connections
from appliance.errors import ApplianceError
from appliance.settings.settings import Settings
from appliance.status.report import Certificate

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
MAX_FILE_BYTES = 4 * 2**20


def expiries(settings: Settings, *, of_connections: bool = True) -> tuple[Certificate, ...]:
    """Each certificate file that is in use, with the moment when the first in it expires; soonest first."""
    files = {settings.status.tls_certificate: "status", settings.dashboard_ca_file: "dashboard"}
    try:
        known = load_connections(settings.connections_file) if of_connections else Connections()
        for name, connection in known.items():
            for named in (connection.sslcert, connection.sslrootcert):
                if named and named != "system":
                    files.setdefault(Path(named), name)
        for name, bucket in known.buckets.items():
            if bucket.sslrootcert and bucket.sslrootcert != "system":
                files.setdefault(Path(bucket.sslrootcert), name)
    except ApplianceError:
        pass
    found = []
    for path, used_by in files.items():
        if path is not None and (expires_at := _first_expiry(path)):
            found.append(Certificate(str(path), used_by, expires_at))
    return tuple(sorted(found, key=lambda each: each.expires_at))


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
        found = _PEM.findall(path.read_bytes())
        return min((x509.load_pem_x509_certificate(each).not_valid_after_utc for each in found), default=None)
    except (OSError, ValueError):
        return None
