"""Task logs of Airflow as text that may be shown: what was said, and exceptions by class and place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PRINTED = ("stdout", "stderr")


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
