"""The ends of the newest task logs of Airflow: what was said, and exceptions by class and place."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.diagnostics.part import NotThereError, Part
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

FILES = 60
LINES = 200
_PRINTED = ("stdout", "stderr")


def parts(settings: Settings) -> list[Part]:
    """One part for tasks, one for the DAG processor."""
    tasks, processor = settings.log_dir / "tasks", settings.log_dir / "dag-processor"
    return [
        Part("logs/tasks.txt", "the ends of the newest task logs", lambda: _ends(tasks, FILES)),
        Part("logs/dag-processor.txt", "the ends of the DAG processor's logs", lambda: _ends(processor, 5)),
    ]


def _ends(folder: Path, most: int) -> Iterable[str]:
    with as_owner_of(folder):
        files = sorted(folder.rglob("*.log"), key=lambda path: path.lstat().st_mtime, reverse=True)[:most]
    if not files:
        raise NotThereError(f"There are no logs below {folder}.")
    for path in files:
        yield f"=== {path.relative_to(folder).as_posix()}"
        try:
            with as_owner_of(folder), path.open(encoding="utf-8", errors="replace") as lines:
                last = deque(lines, LINES)
        except OSError as error:
            yield f"cannot be read: {error.strerror}"
            continue
        yield from pieces(last)


def pieces(lines: Iterable[str]) -> Iterator[str]:
    """A log's text, cut where a message ends; what was printed has an entry a line, and stays together."""
    printed: list[str] = []
    for line in lines:
        entry = _entry(line)
        if entry is None or str(entry.get("logger", "")).endswith(_PRINTED):
            printed.append(line.rstrip() if entry is None else str(entry["event"]))
            continue
        if printed:
            yield "\n".join(printed)
            printed = []
        yield readable(entry)
    if printed:
        yield "\n".join(printed)


def _entry(line: str) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def readable(entry: Mapping[str, Any]) -> str:
    """An entry of Airflow's as text. The words of an exception are left out: they may be anything."""
    at = str(entry.get("timestamp", ""))[:19].replace("T", " ")
    shown = [f"-- {at} {entry.get('level', '')}", str(entry["event"])]
    for each in entry.get("error_detail") or []:
        if isinstance(each, dict):
            shown.append(f"exception of class {each.get('exc_type', '?')}")
            shown += [_frame(frame) for frame in each.get("frames") or [] if isinstance(frame, dict)]
    return "\n".join(shown)


def _frame(frame: Mapping[str, Any]) -> str:
    return (
        f'  File "{frame.get("filename", "?")}", line {frame.get("lineno", 0)}, in {frame.get("name", "?")}'
    )
