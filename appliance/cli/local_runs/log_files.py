"""The log files of a run, as Airflow writes them or as ``appliance run`` does, read as they grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from appliance.cli.local_runs.recorded import recorded_run
from appliance.errors import WrongRequestError
from appliance.run_folder import LOGS, is_over, run_folder, run_id_for
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

_TASK = "task_id="


@dataclass
class LogFiles:
    """The files below one folder; how far each has been read."""

    folder: Path
    is_over: Callable[[], bool]
    """Whether nothing more will be written."""
    seen: bool = False
    """Whether there was anything to read yet."""
    _read: dict[Path, int] = field(default_factory=dict)

    def new_entries(self, step: str | None) -> list[tuple[Path, str]]:
        """Whole lines since the last time, with the file's path below the folder; oldest file first."""
        found: list[tuple[Path, str]] = []
        with as_owner_of(self.folder):
            for file in self._files(step):
                self.seen = True
                with file.open("rb") as opened:
                    opened.seek(self._read.get(file, 0))
                    # A line that is just being written is read the next time.
                    lines, _, _ = opened.read().rpartition(b"\n")
                if lines:
                    self._read[file] = self._read.get(file, 0) + len(lines) + 1
                    name = file.relative_to(self.folder)
                    found += [(name, line) for line in lines.decode(errors="replace").split("\n")]
        return found

    def steps(self) -> list[str]:
        """The steps that have a log."""
        with as_owner_of(self.folder):
            names = {file.relative_to(self.folder).parts[0] for file in self._files(None)}
        return sorted(name.removeprefix(_TASK) for name in names)

    def _files(self, step: str | None) -> list[Path]:
        files = self.folder.glob(f"{_TASK}*/**/attempt=*.log")
        wanted = [file for file in files if step is None or f"{_TASK}{step}" in file.parts]
        return sorted(wanted, key=lambda file: file.stat().st_mtime)


def find_logs(settings: Settings, state: Path | None, run_id: str) -> LogFiles:
    """The logs of a run. Raises WrongRequestError where there are none of that name."""
    recorded = recorded_run(settings, state, run_id)
    if recorded is not None:
        return LogFiles(recorded.folder / LOGS, lambda: _has_ended(settings, state, run_id))
    folder = None if state else _airflows(settings, run_id)
    if folder is None:
        raise WrongRequestError(
            f"There are no logs of a run '{run_id}' below {state or settings.log_dir / 'tasks'}.",
            "",
            "appliance runs",
        )
    own = run_folder(settings.state_dir, run_id)
    return LogFiles(folder, lambda: _is_over(own))


def _has_ended(settings: Settings, state: Path | None, run_id: str) -> bool:
    recorded = recorded_run(settings, state, run_id)
    return recorded is None or recorded.run.state != "running"


def _is_over(folder: Path) -> bool:
    with as_owner_of(folder):
        return is_over(folder) or not folder.is_dir()


def _airflows(settings: Settings, run_id: str) -> Path | None:
    with as_owner_of(settings.log_dir):
        for folder in (settings.log_dir / "tasks").glob("dag_id=*/run_id=*"):
            workflow, airflow_run_id = folder.parent.name[len("dag_id=") :], folder.name[len("run_id=") :]
            if run_id_for(workflow, airflow_run_id) == run_id:
                return folder
    return None
