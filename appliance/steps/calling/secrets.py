"""The secrets folder of a step: libpq service and pass files, certificates, and the keys its SQL asks for.

It lies on tmpfs, belongs to the step's user, and is removed when the step has ended. Nothing in it is
ever printed, logged, or put into an environment variable.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.buckets.access import FILE_SUFFIX, access_of
from appliance.connections.buckets import BucketConnection
from appliance.connections.database import Connection
from appliance.connections.password_command import password_of
from appliance.durable import write_file
from appliance.errors import WrongRequestError

SERVICE_FILE = "pg_service.conf"
SETTINGS_FILE = "settings.json"
"""Settings that the step's keyed sessions are opened with: keys of its plan, never the appliance's own."""
CONTAINER_PATH = Path("/run/secrets/appliance")
"""Where the folder is mounted inside a step container."""

_PARAMETERS = ("host", "port", "user", "sslmode", "connect_timeout")
_CERTIFICATES = ("sslrootcert", "sslcert", "sslkey")


def write_secrets(
    folder: Path,
    connections: Mapping[str, Connection],
    settings: Mapping[str, str] | None = None,
    *,
    seen_at: Path | None = None,
) -> None:
    """Fill ``folder`` (made with mode 0700) for a step that may use these connections, and no others.

    ``seen_at`` is the path under which the step sees the folder (a container's mount), where that differs.
    Raises WrongRequestError for a value that the service file cannot hold or a certificate that cannot be
    read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    shown = seen_at or folder
    sections = []
    for name, connection in connections.items():
        lines = _service_lines(folder, shown, name, connection)
        maintenance = [_parameter(name, "maintenance_db", "dbname", connection.maintenance_db)]
        sections += [f"[{name}]", _parameter(name, "dbname", "dbname", connection.dbname), *lines, ""]
        sections += [f"[{maintenance_service(name)}]", *maintenance, *lines, ""]
    write_file(folder / SERVICE_FILE, "\n".join(sections), durable=False, mode=0o400)
    if settings:
        write_settings(folder, settings)


def write_buckets(folder: Path, buckets: Mapping[str, BucketConnection]) -> None:
    """Put the access to these buckets into a step's secrets folder, a file each.

    Raises WrongRequestError or WorkFailedError for credentials that cannot be had.
    """
    for name, connection in buckets.items():
        content = access_of(name, connection).model_dump_json()
        write_file(folder / f"{name}{FILE_SUFFIX}", content, durable=False, mode=0o400)


def remove_buckets(folder: Path) -> None:
    """Take all access to buckets out of a secrets folder."""
    for path in folder.glob(f"*{FILE_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_service(folder: Path, name: str, connection: Connection, hostaddr: str, *, seen_at: Path) -> None:
    """One section of that name in ``folder`` for a program that is not ours, which reaches the server at
    ``hostaddr``; a certificate is still compared with the connection's host. The database is its own only.
    """
    lines = _service_lines(folder, seen_at, name, connection)
    database = _parameter(name, "dbname", "dbname", connection.dbname)
    text = "\n".join([f"[{name}]", database, f"hostaddr={hostaddr}", *lines, ""])
    write_file(folder / SERVICE_FILE, text, durable=False, mode=0o400)


def write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Put what a step's keyed sessions are opened with into its secrets folder; nothing takes it away."""
    if settings:
        write_file(folder / SETTINGS_FILE, json.dumps(dict(settings)), durable=False, mode=0o400)
    else:
        (folder / SETTINGS_FILE).unlink(missing_ok=True)


def read_settings(folder: Path) -> dict[str, str]:
    """What this step's keyed sessions are opened with.

    Raises WrongRequestError where it was given nothing.
    """
    try:
        found: dict[str, str] = json.loads((folder / SETTINGS_FILE).read_bytes())
    except FileNotFoundError:
        raise WrongRequestError("This step was given no keys.") from None
    return found


def remove_secrets(folder: Path) -> None:
    """Delete the folder and all in it; a folder that is gone is no error."""
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def secrets_folder(
    folder: Path,
    connections: Mapping[str, Connection],
    settings: Mapping[str, str] | None = None,
    *,
    seen_at: Path | None = None,
) -> Iterator[Path]:
    """``write_secrets`` for the length of a block."""
    try:
        write_secrets(folder, connections, settings, seen_at=seen_at)
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
        raise WrongRequestError(
            "This step was given no connections.", f"There is no {SERVICE_FILE} in its secrets folder."
        ) from None
    for line in lines:
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == name and "=" in line:
            key, _, value = line.partition("=")
            values[key] = value
    if not values:
        raise WrongRequestError(
            f"This step was not given the connection '{name}'.",
            "A step receives only the connections that its part of the workflow names.",
        )
    return values


def service_environment(folder: Path, name: str, application_name: str) -> dict[str, str]:
    """Environment variables for a libpq program (pg_dump, pg_restore): names and paths, no secret."""
    return {
        "PGSERVICEFILE": str(folder / SERVICE_FILE),
        "PGSERVICE": name,
        "PGAPPNAME": application_name,
        "PGCLIENTENCODING": "UTF8",
    }


def maintenance_service(name: str) -> str:
    """The section that leads to the same server's maintenance database. No connection has such a name."""
    return f"{name}/maintenance"


def _service_lines(folder: Path, shown: Path, name: str, connection: Connection) -> list[str]:
    """All parameters but the database; the files that they name are written to the folder."""
    lines = [
        _parameter(name, key, key, str(value))
        for key in _PARAMETERS
        if (value := getattr(connection, key)) is not None
    ]
    lines.append("gssencmode=disable")
    password = _plain(name, "password", password_of(connection))
    # Without a file of ours libpq would look for one in the home directory.
    lines.append(f"passfile={shown / f'{name}.pgpass' if password else '/dev/null'}")
    if password:
        write_file(folder / f"{name}.pgpass", f"*:*:*:*:{_escape(password)}\n", durable=False, mode=0o400)
    for key in _CERTIFICATES:
        path = getattr(connection, key)
        if path is None:
            continue
        if str(path) == "system":
            lines.append(f"{key}=system")
            continue
        copied = f"{name}.{key}.pem"
        try:
            write_file(folder / copied, Path(path).read_bytes(), durable=False, mode=0o400)
        except OSError as error:
            raise WrongRequestError(
                f"The {key} of connection '{name}' cannot be read: {path}",
                f"{type(error).__name__}.",
                f"Correct {name}.{key} in connections.yaml, or let the appliance read the file.",
            ) from None
        lines.append(f"{key}={shown / copied}")
    return lines


def _parameter(name: str, key: str, parameter: str, value: str) -> str:
    return f"{parameter}={_plain(name, key, value)}"


def _escape(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _plain(name: str, parameter: str, value: str) -> str:
    if any(character in value for character in "\n\r\0") or (
        parameter != "password" and value != value.strip()
    ):
        raise WrongRequestError(
            f"{name}.{parameter} in connections.yaml holds a line break or a blank at its end.",
            "PostgreSQL's own files for connections cannot hold that.",
            f"Correct {name}.{parameter}.",
        )
    return value
