"""The secrets folder of a step: libpq service and pass files, certificates, and the mask key if it needs it.

It lies on tmpfs, belongs to the step's user, and is removed when the step has ended. Nothing in it is
ever printed, logged, or put into an environment variable.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.connections import Connection
from appliance.errors import RequestWrong

SERVICE_FILE = "pg_service.conf"
KEY_FILE = "mask.key"
CONTAINER_PATH = Path("/run/secrets/appliance")
"""Where the folder is mounted inside a step container."""

_PARAMETERS = ("host", "port", "dbname", "user", "sslmode", "connect_timeout")
_MAINTENANCE = "#maintenance_db="
_CERTIFICATES = ("sslrootcert", "sslcert", "sslkey")


def write_secrets(
    folder: Path,
    connections: Mapping[str, Connection],
    key: bytes | None = None,
    *,
    seen_at: Path | None = None,
) -> None:
    """Fill ``folder`` (made with mode 0700) for a step that may use these connections, and no others.

    ``seen_at`` is the path under which the step sees the folder (a container's mount), where that differs.
    Raises RequestWrong for a value that the service file cannot hold or a certificate that cannot be read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    shown = seen_at or folder
    sections = [_section(folder, shown, name, connection) for name, connection in connections.items()]
    _write(folder / SERVICE_FILE, "\n".join(sections).encode())
    if key is not None:
        _write(folder / KEY_FILE, key)


def remove_secrets(folder: Path) -> None:
    """Delete the folder and all in it; a folder that is gone is no error."""
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def secrets_folder(
    folder: Path,
    connections: Mapping[str, Connection],
    key: bytes | None = None,
    *,
    seen_at: Path | None = None,
) -> Iterator[Path]:
    """``write_secrets`` for the length of a block."""
    try:
        write_secrets(folder, connections, key, seen_at=seen_at)
        yield folder
    finally:
        remove_secrets(folder)


def read_service(folder: Path, name: str) -> dict[str, str]:
    """One section of the service file as libpq parameters (the password stays in its pass file)."""
    values: dict[str, str] = {}
    section = ""
    try:
        lines = (folder / SERVICE_FILE).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise RequestWrong(
            "This step was given no connections.", f"There is no {SERVICE_FILE} in its secrets folder."
        ) from None
    for line in lines:
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == name and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key] = value
    if not values:
        raise RequestWrong(
            f"This step was not given the connection '{name}'.",
            "A step receives only the connections that its part of the workflow names.",
        )
    return values


def maintenance_database(folder: Path, name: str) -> str:
    """The database from which a connection's other databases are made, renamed and dropped."""
    section = ""
    for line in (folder / SERVICE_FILE).read_text(encoding="utf-8").split("\n"):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == name and line.startswith(_MAINTENANCE):
            return line.removeprefix(_MAINTENANCE)
    return "postgres"


def service_environment(folder: Path, name: str, application_name: str) -> dict[str, str]:
    """Environment variables for a libpq program (pg_dump, pg_restore): names and paths, no secret."""
    return {
        "PGSERVICEFILE": str(folder / SERVICE_FILE),
        "PGSERVICE": name,
        "PGAPPNAME": application_name,
        "PGCLIENTENCODING": "UTF8",
    }


def _section(folder: Path, shown: Path, name: str, connection: Connection) -> str:
    lines = [f"[{name}]"]
    for parameter in _PARAMETERS:
        value = getattr(connection, parameter)
        if value is not None:
            lines.append(f"{parameter}={_plain(name, parameter, str(value))}")
    # libpq refuses keys it does not know, and skips comments.
    lines.append(f"{_MAINTENANCE}{_plain(name, 'maintenance_db', connection.maintenance_db)}")
    lines.append("gssencmode=disable")
    password = connection.password.get_secret_value()
    _plain(name, "password", password)
    _write(folder / f"{name}.pgpass", f"*:*:*:*:{_escape(password)}\n".encode())
    lines.append(f"passfile={shown / f'{name}.pgpass'}")
    for parameter in _CERTIFICATES:
        path = getattr(connection, parameter)
        if path is None:
            continue
        if str(path) == "system":
            lines.append(f"{parameter}=system")
            continue
        copied = f"{name}.{parameter}.pem"
        try:
            _write(folder / copied, Path(path).read_bytes())
        except OSError as error:
            raise RequestWrong(
                f"The {parameter} of connection '{name}' cannot be read: {path}",
                f"{type(error).__name__}.",
                f"Correct {name}.{parameter} in connections.yaml, or let the appliance read the file.",
            ) from None
        lines.append(f"{parameter}={shown / copied}")
    return "\n".join(lines) + "\n"


def _escape(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _plain(name: str, parameter: str, value: str) -> str:
    if any(character in value for character in "\n\r\0") or (
        parameter != "password" and value != value.strip()
    ):
        raise RequestWrong(
            f"{name}.{parameter} in connections.yaml holds a line break or a blank at its end.",
            "PostgreSQL's own files for connections cannot hold that.",
            f"Correct {name}.{parameter}.",
        )
    return value


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(0o400)
