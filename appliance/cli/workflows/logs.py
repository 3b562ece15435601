"""Print what the steps of a run wrote to their logs."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import run_ids
from appliance.errors import WrongRequestError
from appliance.settings.settings import load_settings

app = typer.Typer()
_LOOK_EVERY_S = 0.5
_NOISE = re.compile(
    r"::(end)?group::"
    r"|^(Task instance is in|DAG bundles loaded|Filling up the DagBag|Pushing xcom|Worker startup parse)"
)


@app.command()
def logs(  # noqa: PLR0917 - as typer has it
    run_id: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id; appliance runs lists them.", autocompletion=run_ids),
    ],
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written, until the run is over.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="LINES", help="Begin with the last lines, so many.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also what Airflow itself says.")] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="Only a run of appliance run that is kept in this folder.", metavar="DIR"),
    ] = None,
) -> None:
    """Print what the steps of a run wrote to their logs, oldest step first.

    It reads files only, so it works while every service is away.
    """
    from appliance.cli.local_runs.log_files import find_logs  # noqa: PLC0415 - help does without

    found = find_logs(load_settings(), state, run_id)
    shown = _Shown(full=full)
    for line in _last(shown.new_lines(found.new_entries(step)), tail):
        typer.echo(line)
    if not found.seen and not (follow and not found.is_over()):
        raise WrongRequestError(
            f"The run '{run_id}' has no log of that step." if step else f"The run '{run_id}' has no logs.",
            "Steps: " + ", ".join(found.steps()) if step else "",
        )
    while follow:
        # In this order: what is written before the end is read after it.
        is_over = found.is_over()
        for line in shown.new_lines(found.new_entries(step)):
            typer.echo(line)
        if is_over:
            return
        time.sleep(_LOOK_EVERY_S)


def _last(lines: Iterable[str], tail: int | None) -> Iterable[str]:
    return lines if tail is None else deque(lines, maxlen=tail)


class _Shown:
    """Turns lines of several files into what is printed: a title wherever another file goes on."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._file: Path | None = None

    def new_lines(self, entries: Iterable[tuple[Path, str]]) -> Iterator[str]:
        """What to print, line by line."""
        for file, line in entries:
            if (text := _readable(line, full=self._full)) is None:
                continue
            if file != self._file:
                self._file = file
                yield f"--- {_title(file)}"
            yield from text.split("\n")


def _title(path: Path) -> str:
    """``copy 3, attempt 1`` from Airflow's path."""
    names = dict(part.removesuffix(".log").split("=", 1) for part in path.parts)
    part = f" {names['map_index']}" if "map_index" in names else ""
    return f"{names['task_id']}{part}, attempt {names['attempt']}"


def _readable(line: str, *, full: bool) -> str | None:
    try:
        entry = json.loads(line)
        text, at = str(entry["event"]), str(entry.get("timestamp", ""))[:19].replace("T", " ")
    except (ValueError, KeyError, TypeError):
        return line.rstrip() if full else None
    if not full and _NOISE.search(text):
        return None
    level = str(entry.get("level", ""))
    shown = f"{at}  {level.upper() + ': ' if level in ('warning', 'error', 'critical') else ''}{text}"
    details = [
        each.get("exc_value", "") for each in entry.get("error_detail") or [] if isinstance(each, dict)
    ]
    return "\n".join([shown, *(detail for detail in details if detail)])
