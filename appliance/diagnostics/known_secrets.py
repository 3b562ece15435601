"""Every secret that this machine holds, so that none of them is in the archive, wherever it was written."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from appliance.connections.file import Connections, load_connections
from appliance.connections.password_command import printed_passwords
from appliance.errors import ApplianceError
from appliance.keys.epochs import EPOCHS_FILE
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

OWN_NAMES = frozenset({"appliance", "airflow", "postgres", "root", "localhost", "127.0.0.1", "::1"})
"""Everybody's names: without them nothing could be read any more."""
_SECRET_VARIABLE = re.compile(r"(?i)passw|passphrase|secret|token|credential|_key$|apikey|proxy|_url$|conn")
_AFTER_A_SECRETS_NAME = re.compile(
    r"(?:password|secret_access_key|session_token|account_key|sas_token)['\"]?\s*:\s*(.+?)\s*$"
)
_LARGEST = 1 << 20


def scrubber(settings: Settings) -> Scrubber:
    """One that knows the secrets, and whom and where connections lead to."""
    known = _connections(settings)
    names = {name for each in known.values() for name in (each.host, each.user) if not name.startswith("/")}
    return Scrubber(set(_secrets(settings, known)), names, own_words={*known, *known.buckets, *OWN_NAMES})


def _secrets(settings: Settings, connections: Connections) -> Iterator[str]:
    for connection in connections.values():
        yield connection.password.get_secret_value()
    for bucket in connections.buckets.values():
        yield from bucket.secrets
    yield from printed_passwords()
    for url in (settings.database_url, settings.airflow_database_url):
        yield from _of_conninfo(url)
    for path in _secret_files(settings):
        yield from _of_file(path)
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.search(name):
            yield value
            yield from _of_url(value)


def _connections(settings: Settings) -> Connections:
    try:
        return load_connections(settings.connections_file)
    except ApplianceError:
        return Connections()


def _secret_files(settings: Settings) -> Iterator[Path]:
    for keys in dict.fromkeys((settings.state_dir / "keys", settings.status_dir)):
        with as_owner_of(keys):
            own = sorted(path for path in keys.rglob("*") if path.is_file()) if keys.is_dir() else []
        # Epochs are numbers beside names of connections: no secret, and the archive speaks of them.
        yield from (path for path in own if path.name != EPOCHS_FILE)
    yield settings.enrolment_token_file
    yield settings.connections_file
    yield settings.config_dir / "proxy.env"
    for named in (settings.airflow_jwt_secret_file, settings.status.token_file, settings.status.tls_key):
        if named is not None:
            yield named


def _of_file(path: Path) -> Iterator[str]:
    """A file of secrets as a whole, by line, by word and by value; a key of bytes as people write it."""
    try:
        with as_owner_of(path), path.open("rb") as opened:
            content = opened.read(_LARGEST)
    except OSError:
        return
    yield content.hex()
    yield base64.b64encode(content).decode().rstrip("=")
    yield base64.urlsafe_b64encode(content).decode().rstrip("=")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for line in map(str.strip, text.splitlines()):
        if path.name.endswith((".yaml", ".yml")):
            # Also of a file that is too broken to be read: what follows `password:`.
            for found in _AFTER_A_SECRETS_NAME.finditer(line):
                yield found[1].strip("'\"")
                yield re.split(r"[,}]", found[1])[0].strip().strip("'\"")
            continue
        if len(line) >= 8:
            yield line
        for quoted in re.findall(r"\"([^\"]{12,})\"", line):
            if not quoted.startswith("http"):
                yield quoted
        for word in re.findall(r"\S+://\S+", line):
            yield from _of_url(word.strip("\"'"))


def _of_url(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text.partition("=")[2] if "=" in text.partition("://")[0] else text)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _of_conninfo(url: str) -> Iterator[str]:
    try:
        found = conninfo_to_dict(url)
    except ProgrammingError:
        yield url
        return
    if password := found.get("password"):
        yield str(password)
