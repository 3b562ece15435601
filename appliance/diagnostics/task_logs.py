"""The ends of the newest task logs of Airflow: what was said, and exceptions by class and place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from appliance.diagnostics.part import NotThereError, Part
from appliance.orchestration.log_text import pieces
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

FILES = 60
LINES = 200


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
