"""The end of the log of each step that runs, scrubbed, while it runs.

Task logs belong to the appliance's user alone. Where the status service has another one, appliance-upkeep
reads them and writes the ends down for it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from appliance.durable import write_file
from appliance.orchestration.log_text import pieces
from appliance.scrubbing.known import own_scrubber
from appliance.settings.settings import Settings
from appliance.store.database import Connection
from appliance.store.queries import running_steps
from appliance.store.rows import RunningStep

NOTE = "log-ends.json"
"""In the runtime folder."""
FRESH_S = 30.0
LINES = 40
MOST = 24
"""Steps whose logs are shown: a run copies its shards side by side, of which a few say enough."""
_TAIL_BYTES = 64 << 10


class LogEnd(BaseModel):
    """The last lines of a step, or of one part of it."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    step: str
    shard: int | None
    lines: tuple[str, ...]


_ENDS = TypeAdapter(tuple[LogEnd, ...])


def look(settings: Settings, db: Connection, run_id: str | None = None) -> tuple[LogEnd, ...]:
    """The ends of the logs of what runs, of one run or of all. Raises psycopg.Error."""
    found = []
    for step in running_steps(db, run_id)[:MOST]:
        with contextlib.suppress(OSError):
            if lines := _end_of(settings.log_dir / "tasks", step):
                found.append(LogEnd(run_id=step.run_id, step=step.step, shard=step.shard, lines=lines))
    return tuple(found)


def write_log_ends(settings: Settings, db: Connection) -> None:
    """Write them down for the status service. Raises psycopg.Error and OSError."""
    ends = look(settings, db)
    note = settings.runtime_dir / NOTE
    if ends or note.exists():
        write_file(note, _ENDS.dump_json(ends).decode(), durable=False, mode=0o640)


def noted_ends(settings: Settings, run_id: str) -> tuple[LogEnd, ...]:
    """What was written down of a run; empty where that is old."""
    note = settings.runtime_dir / NOTE
    with contextlib.suppress(OSError, ValidationError):
        if time.time() - note.stat().st_mtime < FRESH_S:
            return tuple(each for each in _ENDS.validate_json(note.read_bytes()) if each.run_id == run_id)
    return ()


def _end_of(tasks: Path, step: RunningStep) -> tuple[str, ...]:
    """The last lines of the newest attempt, scrubbed as everything is that leaves a log."""
    folder = tasks / f"dag_id={step.workflow}" / f"run_id={step.airflow_run_id}" / f"task_id={step.step}"
    if step.shard is not None and (folder / f"map_index={step.shard}").is_dir():
        folder /= f"map_index={step.shard}"
    files = sorted(folder.glob("attempt=*.log"), key=lambda file: file.stat().st_mtime)
    if not files:
        return ()
    with files[-1].open("rb") as opened:
        text = _tail(opened)
    said = "\n".join(pieces(text.splitlines()))
    return tuple(deque(own_scrubber().clean(said).split("\n"), maxlen=LINES))


def _tail(opened: BinaryIO) -> str:
    size = opened.seek(0, os.SEEK_END)
    begin = max(0, size - _TAIL_BYTES)
    opened.seek(begin)
    text = opened.read().decode(errors="replace")
    # A line that was cut, at either end, is not shown.
    return text.partition("\n")[2].rpartition("\n")[0] if begin else text.rpartition("\n")[0]
