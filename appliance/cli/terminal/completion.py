"""Names that a shell completes: read from files only, at once, and never an error on the user's prompt.

Each function takes the word so far, as typer has it, and gives back the names that begin so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.settings.settings import Settings

_NEWEST = 50


def workflow_ids(incomplete: str) -> list[str]:
    """Ids of the workflows on this appliance."""
    return _beginning(incomplete, _workflow_ids)


def run_ids(incomplete: str) -> list[str]:
    """Ids of the newest runs whose folders are here."""
    return _beginning(incomplete, lambda settings: _newest(settings.runs_dir))


def export_ids(incomplete: str) -> list[str]:
    """Ids of the runs that have an export here."""
    return _beginning(incomplete, lambda settings: _newest(*settings.exports_dir.glob("[!.]*")))


def connection_names(incomplete: str) -> list[str]:
    """Names of connections.yaml: the keys at the beginning of a line."""
    return _beginning(incomplete, _connection_names)


def mask_names(incomplete: str) -> list[str]:
    """Names of the catalogue's masks."""
    from appliance.masking.registry import MASKS  # noqa: PLC0415 - as below

    return [name for name in MASKS if name.startswith(incomplete)]


def _beginning(incomplete: str, names: Callable[[Settings], Iterable[str]]) -> list[str]:
    from appliance.settings.settings import load_settings  # noqa: PLC0415 - every command's help imports this module

    try:
        return [name for name in names(load_settings()) if name.startswith(incomplete)]
    except Exception:  # a prompt is no place for errors
        return []


def _workflow_ids(settings: Settings) -> list[str]:
    from appliance.system.beneath import as_owner_of  # noqa: PLC0415 - as above

    with as_owner_of(settings.state_dir):
        index = json.loads((settings.state_dir / "workflow-index.json").read_bytes())
    return sorted({file["id"] for file in index["files"] if file["id"]})


def _newest(*folders: Path) -> list[str]:
    entries = [entry for folder in folders if folder.is_dir() for entry in os.scandir(folder)]
    shown = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    shown.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    return [entry.name for entry in shown[:_NEWEST]]


def _connection_names(settings: Settings) -> Iterator[str]:
    for line in settings.connections_file.read_text(encoding="utf-8").splitlines():
        name, colon, _ = line.partition(":")
        if colon and name and not name.startswith((" ", "#", "'", '"')):
            yield name
