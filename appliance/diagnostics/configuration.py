"""How the appliance is configured: settings, policy, workflows; of connections only their shape."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from appliance.connections.file import PLACEHOLDER, load_connections
from appliance.diagnostics.part import Part, table
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.orchestration.workflow_files import PRESETS
from appliance.scrubbing.scrub import GONE
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of
from appliance.system.disk import readable
from appliance.workflow.presets.files import PresetFiles
from appliance.workflow.presets.resolving import resolved

HIDDEN_KEYS = frozenset({"value", "values", "where", "when", "sql", "password", "user", "host"})
"""Under these a document holds what its author wrote freely: a constant, a condition on rows."""
HIDDEN_SETTINGS = frozenset({"database_url", "airflow_database_url"})
MOST_FILES = 3_000


def parts(settings: Settings) -> list[Part]:
    """Documents and the files they lie in."""
    found = [
        Part("configuration/settings.txt", "appliance.yaml as it is in force", lambda: _settings(settings)),
        Part("configuration/connections.txt", "connections by their shape", lambda: _connections(settings)),
        Part("configuration/policy.txt", "policy.yaml", lambda: [flattened(settings.policy_file)]),
        Part("configuration/files.txt", "names, owners and sizes of files", lambda: _files(settings)),
    ]
    for folder, origin in zip(settings.workflow_dirs, ("local", "dashboard"), strict=True):
        for path in _documents(folder):
            name = f"configuration/workflows/{origin}/{path.stem}.txt"
            found.append(Part(name, "a workflow", partial(_workflow, settings.config_dir, path)))
    for path in _documents(settings.config_dir / PRESETS):
        found.append(Part(f"configuration/presets/{path.stem}.txt", "a preset", partial(_document, path)))
    return found


def _documents(folder: Path) -> list[Path]:
    found = [path for ending in ("*.y*ml", "*.json") for path in folder.glob(ending)]
    return sorted(path for path in found if not path.name.startswith("."))


def flattened(path: Path) -> str:
    """A YAML document as lines of ``path: value``, without quotes: what is quoted would be scrubbed."""
    with as_owner_of(path):
        document = strict_yaml.read(path, empty_is_allowed=True)
    return "\n".join(_text(document))


def _text(document: Document) -> Iterator[str]:
    yield from (problem.text() for problem in document.problems)
    yield from _lines(document.data, "")


def _document(path: Path) -> Iterable[str]:
    return [flattened(path)]


def _workflow(config_dir: Path, path: Path) -> Iterable[str]:
    """With the rules of its presets in their place, as far as they are there."""
    with as_owner_of(path):
        document = strict_yaml.read(path, empty_is_allowed=True)
    document, problems = resolved(document, PresetFiles.of(config_dir, path))
    return ["\n".join([*(each.text() for each in problems), *_text(document)])]


def _lines(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path} / {key}" if path else str(key)
            if str(key) in HIDDEN_KEYS and not isinstance(inner, dict):
                yield f"{here}: {GONE}"
            else:
                yield from _lines(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, f"{path} -") if isinstance(inner, dict | list) else [f"{path} - {inner}"]
    else:
        yield f"{path}: {value}"


def _settings(settings: Settings) -> Iterable[str]:
    shown = settings.model_dump(mode="json", exclude=set(HIDDEN_SETTINGS))
    for name in sorted(HIDDEN_SETTINGS):
        shown[name] = _shape(getattr(settings, name))
    return ["\n".join(_lines(shown, ""))]


def _shape(conninfo: str) -> str:
    """Which database, and which other parameters are set."""
    try:
        found = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    except ProgrammingError:
        return "cannot be read"
    place = "a Unix socket" if found.get("host", "/").startswith("/") else "TCP"
    return f"dbname {found.get('dbname', '?')} over {place}; set: {' '.join(sorted(found))}"


def _connections(settings: Settings) -> Iterable[str]:
    rows: list[tuple[object, ...]] = []
    for name, each in load_connections(settings.connections_file).items():
        password = each.password.get_secret_value()
        by_command = each.password_command is not None
        secret = (
            "by a command"
            if by_command
            else "none"
            if not password
            else PLACEHOLDER
            if password == PLACEHOLDER
            else "is set"
        )
        place = "a socket's folder" if each.host.startswith("/") else "an address or a name"
        certificate = "yes" if each.sslcert else "no"
        rows.append((name, each.type, place, each.port, each.dbname, each.sslmode, certificate, secret))
    for name, bucket in load_connections(settings.connections_file).buckets.items():
        own = "by a command" if bucket.password_command else "is set" if bucket.secrets else "none"
        secret = PLACEHOLDER if PLACEHOLDER in bucket.secrets else own
        rows.append((name, bucket.type, "an address or a name", 443, "a bucket", "https", "no", secret))
    yield table(("name", "type", "host", "port", "dbname", "sslmode", "client certificate", "secret"), rows)


def _files(settings: Settings) -> Iterable[str]:
    rows: list[tuple[object, ...]] = []
    for root in (settings.config_dir, settings.state_dir):
        for path in sorted(root.rglob("*"))[:MOST_FILES]:
            if path.relative_to(root).parts[0] == "exports" and len(path.relative_to(root).parts) > 3:
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            owner = f"{_name(pwd.getpwuid, status.st_uid)}:{_name(grp.getgrgid, status.st_gid)}"
            rows.append((stat.filemode(status.st_mode), owner, readable(status.st_size), path))
    yield table(("mode", "owner", "size", "file"), rows)


def _name(look_up: Any, number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
