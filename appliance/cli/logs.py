"""Print what the steps of a run wrote to their logs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import run_ids
from appliance.errors import WrongRequestError
from appliance.run_folder import run_id_for
from appliance.settings.settings import Settings, load_settings
from appliance.system.beneath import as_owner_of

app = typer.Typer()
_NOISE = re.compile(
    r"::(end)?group::"
    r"|^(Task instance is in|DAG bundles loaded|Filling up the DagBag|Pushing xcom|Worker startup parse)"
)


@app.command()
def logs(
    run_id: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id; appliance runs lists them.", autocompletion=run_ids),
    ],
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Also what Airflow itself says.")] = False,
) -> None:
    """Print what the steps of a run wrote to their logs, oldest step first. Reads files only."""
    settings = load_settings()
    with as_owner_of(settings.log_dir):
        _print(settings, run_id, step, full=full)


def _print(settings: Settings, run_id: str, step: str | None, *, full: bool) -> None:
    folder = _folder(settings, run_id)
    files = sorted(folder.glob("task_id=*/**/attempt=*.log"), key=lambda file: file.stat().st_mtime)
    shown = [file for file in files if step is None or f"task_id={step}" in file.parts]
    if not shown:
        raise WrongRequestError(
            f"The run '{run_id}' has no log of that step." if step else f"The run '{run_id}' has no logs.",
            "Steps: " + ", ".join(sorted({file.relative_to(folder).parts[0][8:] for file in files})),
        )
    for file in shown:
        typer.echo(f"--- {_title(file.relative_to(folder))}")
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if (text := _readable(line, full=full)) is not None:
                    typer.echo(text)


def _folder(settings: Settings, run_id: str) -> Path:
    for folder in (settings.log_dir / "tasks").glob("dag_id=*/run_id=*"):
        workflow, airflow_run_id = folder.parent.name[len("dag_id=") :], folder.name[len("run_id=") :]
        if run_id_for(workflow, airflow_run_id) == run_id:
            return folder
    raise WrongRequestError(
        f"There are no logs of a run '{run_id}' below {settings.log_dir / 'tasks'}.", "", "appliance runs"
    )


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
    told = f"{at}  {level.upper() + ': ' if level in ('warning', 'error', 'critical') else ''}{text}"
    details = [
        each.get("exc_value", "") for each in entry.get("error_detail") or [] if isinstance(each, dict)
    ]
    return "\n".join([told, *(detail for detail in details if detail)])
