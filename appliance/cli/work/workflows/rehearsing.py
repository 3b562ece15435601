"""What ``appliance rehearse`` needs to know: the twin's server, as whom, and how large the source is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from appliance.cli.work.copies.branch_server import BranchesOfWorkflow
from appliance.connections import load_connections, select_connections
from appliance.errors import ApplianceError, ExitCode, WrongRequestError
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import Rehearser
from appliance.rehearsals.results.report import Rehearsal
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import PLAN

EXIT_CODES = {"passed": ExitCode.DONE, "failed": ExitCode.WORK_FAILED, "above": ExitCode.REFUSED}


def rehearser_of(branches: BranchesOfWorkflow, say: Callable[[str], None]) -> Rehearser:
    """Where migrations of the workflow are rehearsed. Raises WrongRequestError."""
    limits = branches.document.rehearsal
    migrator = None
    if limits.connection is not None:
        path = branches.connections_file
        known = select_connections(load_connections(path), [limits.connection], str(path))
        migrator = Login.of(known[limits.connection])
    return Rehearser(
        server=branches.server,
        twin=Login.of(branches.connection),
        migrator=migrator,
        limits=limits,
        make_branch=branches.make,
        source_rows=lambda run: rows_left_out(branches.settings, run),
        say=say,
    )


def rows_left_out(settings: Settings, run: str) -> Mapping[str, int]:
    """Of the tables that the run has left rows out of: about how many the source has."""
    try:
        plan = PLAN.read(settings.runs_dir / run)
    except (ApplianceError, OSError, ValueError):
        # The run's folder was cleaned up, or it ran elsewhere.
        return {}
    return {table.qualified: table.estimated_rows for table in plan.tables if table.filtered}


def write_report(file: Path, text: str) -> None:
    """Write a report to a file. Raises WrongRequestError."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongRequestError(
            f"{file} could not be written: {error.strerror or type(error).__name__}.",
            "",
            "Name another file.",
        ) from None


def exit_code(rehearsal: Rehearsal) -> ExitCode:
    """What the command ends with."""
    return EXIT_CODES[rehearsal.verdict]


def files_of(named: Sequence[Path]) -> list[Path]:
    """The files; of a folder, those that end in .sql, by name. Raises WrongRequestError."""
    files: list[Path] = []
    for path in named:
        inside = sorted(path.glob("*.sql")) if path.is_dir() else [path]
        if not inside:
            raise WrongRequestError(f"There is no file *.sql in {path}.", "", "Name a file.")
        files += inside
    return files
