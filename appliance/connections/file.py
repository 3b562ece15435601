"""``connections.yaml``: the addresses and credentials of databases and buckets, known on this appliance only.

No message, ``repr`` or exception of this module shows a value out of the file, not even a wrong one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import (
    SecretStr,
    TypeAdapter,
    ValidationError,
)

from appliance.connections.buckets import MODELS, BucketConnection
from appliance.connections.database import Connection
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.model import StrictModel, problems_of
from appliance.documents.named_types import ConnectionName
from appliance.documents.problems import Problem, WrongDocumentError, did_you_mean
from appliance.errors import WrongRequestError

PLACEHOLDER = "changeme"

_NAME: TypeAdapter[str] = TypeAdapter(ConnectionName)


class Connections(dict[str, Connection]):
    """The databases of the file by name; its buckets beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.buckets: dict[str, BucketConnection] = {}


def load_connections(path: Path) -> Connections:
    """Read the file, afresh for every run. A ``changeme`` in it is no error until its connection is selected.

    Raises WrongRequestError for a file that is missing or that others than its owner may read,
    WrongDocumentError with every problem at once for one whose content is wrong.
    """
    _check_mode(path)
    try:
        connections = connections_of(strict_yaml.read(path))
    except WrongDocumentError as error:
        again = error.next_step or "Correct it, then: appliance connections check"
        raise WrongDocumentError(error.problems, again) from None
    for connection in (*connections.values(), *connections.buckets.values()):
        connection._file = path
    return connections


def connections_of(document: Document) -> Connections:
    """The connections of a document that was read already. Raises WrongDocumentError."""
    problems = list(document.problems)
    connections = Connections()
    for name, data in document.data.items():
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            expected = error.errors()[0]["ctx"]["expected"]
            problems.append(document.problem((name,), "is not allowed as a name", expected))
        bucket = MODELS.get(str(data.get("type"))) if isinstance(data, dict) else None
        try:
            if bucket is not None:
                connections.buckets[name] = bucket.model_validate(_as_written(document, name, data))
                connections.buckets[name]._name = str(name)
            else:
                connections[name] = Connection.model_validate(_as_written(document, name, data))
                connections[name]._name = str(name)
        except ValidationError as error:
            model = bucket or Connection
            found = problems_of(error, model, document, prefix=(name,), show_values=False)
            problems += [_without_stray_key(problem, model, data) for problem in found]
    if problems:
        raise WrongDocumentError(problems)
    return connections


def select_buckets(
    connections: Connections, names: Iterable[str], file: str = "connections.yaml"
) -> dict[str, BucketConnection]:
    """The buckets of these names; raises as ``select_connections``."""
    chosen = {}
    for name in names:
        if name not in connections.buckets:
            what = "is a database, and a bucket is wanted" if name in connections else "is missing"
            known = ", ".join(connections.buckets) or "none"
            raise WrongRequestError(
                f"{file}: {name}: {what}", f"The file has these buckets: {known}.", f"Fill in {file}."
            )
        chosen[name] = connections.buckets[name]
        if unchanged := unchanged_keys(chosen[name]):
            lines = [f"{file}: {name}.{key}: is still {PLACEHOLDER}" for key in unchanged]
            raise WrongRequestError("\n".join(lines), "", f"Fill in {file}.")
    return chosen


def select_connections(
    connections: Mapping[str, Connection], names: Iterable[str], file: str = "connections.yaml"
) -> dict[str, Connection]:
    """The connections of these names. Raises WrongRequestError, for all of them at once, where one is missing
    or still holds a ``changeme``.
    """
    missing, unchanged, selected = [], [], {}
    for name in names:
        if name not in connections:
            close = did_you_mean(name, connections)
            if isinstance(connections, Connections) and name in connections.buckets:
                missing.append(f"{file}: {name}: is a bucket, and a database is wanted")
                continue
            missing.append(f"{file}: {name}: is missing" + (f"; did you mean {close}?" if close else ""))
            continue
        selected[name] = connections[name]
        paths = [f"{name}.{key}" for key in unchanged_keys(connections[name])]
        unchanged += [f"{file}: {path}: is still {PLACEHOLDER}" for path in paths]
    if missing or unchanged:
        known = ", ".join(connections) or "none"
        why = f"The file has these connections: {known}." if missing else ""
        raise WrongRequestError("\n".join(missing + unchanged), why, f"Fill in {file}.")
    return selected


def unchanged_keys(connection: Connection | BucketConnection) -> list[str]:
    """The keys of a connection that still hold a ``changeme``."""
    values = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value
        for key, value in connection.model_dump().items()
    }
    return [key for key, value in values.items() if value in (PLACEHOLDER, (PLACEHOLDER,))]


def _as_written(document: Document, name: str, data: Any) -> Any:
    """Passwords and names that look like numbers or booleans, as they were written."""
    if not isinstance(data, dict):
        return data
    other = ("port", "connect_timeout", "virtual_hosted", "object_lock")
    texts = [key for key in data if key not in other and data[key] is not None]
    return {**data, **{key: document.plain.get((name, key), data[key]) for key in texts}}


def _without_stray_key(problem: Problem, model: type[StrictModel], data: Any) -> Problem:
    """``{password: a,b}`` is a key ``b`` in YAML, which may be a piece of a password: it is not shown."""
    key = problem.path[-1]
    if key in model.model_fields or not isinstance(data, dict) or data.get(key, key) is not None:
        return problem
    return replace(
        problem,
        path=problem.path[:-1],
        what="has a key without a value (not shown: it may be a piece of a password)",
        expected="quotes around a value with , : # { } [ ] in it",
    )


def _how_to_have_it(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "Run it again with sudo."
    credential = path.with_suffix(".cred")
    if credential.exists():
        return (
            f"It is an encrypted credential: systemd-run --pipe --wait --quiet"
            f" -p LoadCredentialEncrypted={path.name}:{credential} appliance …"
        )
    return f"appliance connections template WORKFLOW.yaml > {path} && chmod 600 {path}"


def _check_mode(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise WrongRequestError(
            f"{path} cannot be read: {error.strerror}.",
            "Databases' addresses and credentials are kept there.",
            _how_to_have_it(path, error),
        ) from None
    # systemd hands credentials over with access lists, which show as bits for the group.
    from_systemd = path.is_relative_to(os.environ.get("CREDENTIALS_DIRECTORY") or "/nowhere")
    if mode & 0o077 and not from_systemd:
        raise WrongRequestError(
            f"{path} can be read or written by others than its owner (mode {mode:04o}).",
            "It holds passwords.",
            f"chmod 600 {path}",
        )
